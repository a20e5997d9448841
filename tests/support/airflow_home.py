"""A home with a throw-away DAG of three tasks, and commands on it in processes of their own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy

from lumbung.core.settings import Settings
from lumbung.local.services import Services
from support.prepared_home import Databases

DAG = '''
import os
import subprocess
import time
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

@dag(schedule=None)
def three():
    @task
    def one():
        """Nothing."""

    @task
    def two():
        conf = get_current_context()["dag_run"].conf
        if conf.get("fail"):
            raise AirflowFailException("file.csv, line 3: it is broken. Fix it.")
        if mark := conf.get("sleep"):
            child = subprocess.Popen(["sleep", "300"])
            try:
                open(mark, "w").write(str(child.pid))
                time.sleep(300)
            finally:
                open(mark, "a").write(" released")

    @task
    def three():
        """Nothing."""

    one() >> two() >> three()

three()
'''
COMMAND = """
import json, sys
from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.orchestrator import single_run, up
settings = Settings.model_validate(json.loads(sys.argv[2]))
if sys.argv[1] == "up":
    up.up(settings)
else:
    with services.running(settings) as running:
        single_run.test_run(settings, running, "three", {"sleep": sys.argv[3]}, settings.home / "run.log")
"""


@contextlib.contextmanager
def created(databases: Databases | None = None) -> Iterator[Settings]:
    """The settings of a new home, with these databases or none; nothing on it needs a warehouse."""
    # Not in pytest's folder, which it closes to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="lumbung airflow ") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        (folder / "dags").mkdir()
        (folder / "dags" / "three.py").write_text(DAG)
        (folder / "course_enrollment.csv").write_text("student_id,course_id\n")
        if databases:
            databases.copy(folder / "home")
        patch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder / "dags"))
        patch.delenv("AIRFLOW__API__PORT", raising=False)
        yield Settings.of(home=folder / "home", data_source=folder, emulator_host="http://127.0.0.1:1")


def start(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    """Start a command: `up`, or `run` and the file in which the DAG's sleeping task puts its child's pid."""
    what, *rest = arguments
    command = [sys.executable, "-c", COMMAND, what, settings.model_dump_json(exclude_none=True), *rest]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(path: Path, command: subprocess.Popen[str]) -> None:
    """Wait until a command has written a file."""
    deadline = time.monotonic() + 120
    while not path.exists() or not path.read_text():
        assert command.poll() is None, command.stdout and command.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended, all its threads too: until then a zombie still holds its locks."""
    deadline = time.monotonic() + 60
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != "zombie" or process.num_threads() > 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def left(sessions: set[int]) -> list[str]:
    """The names of the living processes of some sessions."""
    return [
        process.info["name"]
        for process in psutil.process_iter(["name", "status"])
        if process.info["status"] != "zombie" and psutil.pid_exists(process.pid) and os.getsid(process.pid) in sessions
    ]


def sessions(settings: Settings) -> set[int]:
    """The sessions of the components that were started last."""
    return {leader["pid"] for leader in json.loads((settings.home / "airflow" / "stack.json").read_text()).values()}


def states(running: Services, run_id: str) -> list[str | None]:
    """The states in Airflow's database of a run and of its task instances."""
    engine = sqlalchemy.create_engine(running.metadata_url)
    query = (
        "SELECT state FROM dag_run WHERE run_id = :run UNION ALL SELECT state FROM task_instance WHERE run_id = :run"
    )
    with engine.connect() as connection:
        return list(connection.scalars(sqlalchemy.text(query), {"run": run_id}))
