"""The peer's home: a dbt project, a DAG and an Airflow of its own, and how a day is run there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.peer import project
from benchmarks.results import RIVALS_PYTHON, ROOT

BIN = RIVALS_PYTHON.parent
DAG = Path(__file__).with_name("day.py")
QUIET = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
}


class Peer:
    """A home of the peer. What is done once, and not each day, is done here: the manifest, Airflow's database.

    Args:
        folder: an empty folder.
        dsn: PostgreSQL's address.
        dag: the DAG file; its DAG is named as the file.
    """

    def __init__(self, folder: Path, dsn: str, dag: Path = DAG) -> None:
        self.dag = dag.stem
        self.environ = {
            **QUIET,
            "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__COSMOS__CACHE_DIR": str(folder / "cosmos"),
            "DAY_FOLDER": str(folder),
            "DAY_DATABASE": str(folder / "day.duckdb"),
            "DAY_DSN": dsn,
        }
        (folder / "dags").mkdir()
        shutil.copy(dag, folder / "dags")
        project.write(folder / "dbt")
        self._once(folder / "dbt", "dbt", "--quiet", "parse", "--profiles-dir", ".")
        self._once(folder, "airflow", "db", "migrate")

    def command(self) -> list[str]:
        """What runs a day."""
        return [str(BIN / "airflow"), "dags", "test", self.dag]

    def day(self, day: str, source: Path) -> dict[str, str]:
        """The environment of a day's run.

        Args:
            day: the day, YYYY-MM-DD.
            source: the folder of the files.
        """
        return {**self.environ, "DAY": day, "DAY_SOURCE": str(source)}

    def _once(self, folder: Path, *command: str) -> None:
        environ = {**os.environ, **self.day("2026-01-01", folder)}
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
