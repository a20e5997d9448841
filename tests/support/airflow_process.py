"""Airflow in the tests' own process: a folder of its own, and the plugins folder on the path as Airflow puts it.

Import it before anything of Airflow: every conftest of a folder whose tests import Airflow does.
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

HOME = tempfile.TemporaryDirectory(prefix="lumbung-airflow-")
os.environ["AIRFLOW_HOME"] = HOME.name  # read on the first import of airflow
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
