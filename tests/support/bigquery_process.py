"""Programs in the local BigQuery server's environment."""

import os
import subprocess
from pathlib import Path

from lumbung.local.bigquery import PYTHON, SERVICES

COMMAND = [str(PYTHON), "-P", "-m", "bigquery.server"]


def environ() -> dict[str, str]:
    """The environment variables of now, and the path that the server's package is found by."""
    return {**os.environ, "PYTHONPATH": str(SERVICES)}


def start_and_wait(*options: str | Path) -> subprocess.CompletedProcess[str]:
    """Start the server where it cannot start, and return how it ended."""
    return subprocess.run([*COMMAND, *options], env=environ(), capture_output=True, text=True, timeout=60)
