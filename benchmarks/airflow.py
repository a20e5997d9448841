"""What Airflow's side costs: a warm run, a backfill, a task that does nothing, reading the DAG files."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy

from benchmarks.extract import PATHS
from benchmarks.results import ROOT, Measure, Took, in_turn
from benchmarks.watch import program, whole
from lumbung.core.settings import Settings, variable
from lumbung.local import services

FIRST = date(2026, 10, 1)
PARSE = """
import os, runpy, sys
import airflow.sdk
from benchmarks.span import report

def parse():
    for name in sys.argv[1:]:
        runpy.run_path(name)
    return len(sys.argv) - 1

report(parse)
"""
NOTHING = """
from datetime import datetime
from airflow.sdk import DAG, BaseOperator, chain
{imports}

class Nothing(BaseOperator):
    def execute(self, context):
        pass

with DAG("nothing", schedule={schedule}, start_date=datetime(2020, 1, 1), catchup=False, max_active_runs=4):
    chain(*(Nothing(task_id=f"t{{n}}") for n in range({tasks})))
"""
DAILY = {"imports": "from lumbung_airflow.timetable import DailyTimetable", "schedule": "DailyTimetable()"}
TASKS = {"imports": "", "schedule": "None"}


def lumbung(what: str, home: Path, *arguments: str) -> Took:
    """What a command takes, with the servers that it starts and stops."""
    return whole(what, [sys.executable, "-m", "lumbung", *arguments], {variable("home"): str(home)})


@contextmanager
def warm_home() -> Iterator[tuple[Path, int]]:
    """A home in which the sample data has been run once; and how many tasks such a run has."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        home = Path(name)
        home.chmod(0o755)  # root's PostgreSQL runs as another user
        lumbung("a first run", home, "run")
        with services.running(Settings.of(home=home)) as addresses:
            engine = sqlalchemy.create_engine(addresses.metadata_url)
            with engine.connect() as connection:
                tasks = connection.scalar(sqlalchemy.text("SELECT count(*) FROM task_instance"))
            engine.dispose()
        yield home, tasks


def empty_dag(folder: Path, tasks: int) -> tuple[list[str], dict[str, str]]:
    """A DAG of tasks that do nothing, in an Airflow of its own: how it is run, and the environment."""
    airflow = str(Path(sys.executable).with_name("airflow"))
    (folder / "dags").mkdir()
    (folder / "dags" / "nothing.py").write_text(NOTHING.format(tasks=tasks, **TASKS))
    environ = {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    subprocess.run([airflow, "db", "migrate"], env={**os.environ, **environ}, capture_output=True, check=True)
    return [airflow, "dags", "test", "nothing"], environ


def warm(rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """A warm run of the sample data, beside a DAG of as many tasks that do nothing."""
    with warm_home() as (home, tasks), tempfile.TemporaryDirectory(prefix="lumbung-bench-") as folder:
        command, environ = empty_dag(Path(folder), tasks)
        empty = f"airflow dags test, {tasks} tasks that do nothing"
        whole(empty, command, environ)
        took = in_turn(
            {
                empty: lambda: whole(empty, command, environ),
                "lumbung run, warm": lambda: lumbung("lumbung run, warm", home, "run"),
            },
            rounds,
            say,
        )
    return [Measure("A warm run of the sample data", "at most 1.6 x the empty DAG, and 9 s", took)]


def backfill(days: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """The sample data through Airflow's backfill, beside as many tasks that do nothing; each round has other days."""
    with warm_home() as (home, tasks):
        dags = home / "nothing"
        dags.mkdir()
        (dags / "nothing.py").write_text(NOTHING.format(tasks=tasks, **DAILY))
        empty, ours = f"{tasks} tasks a day that do nothing", "lumbung backfill"

        def ranges() -> Iterator[tuple[str, str]]:
            for number in itertools.count():
                first = FIRST - number * timedelta(days=days)
                yield f"{first}", f"{first + timedelta(days=days - 1)}"

        empty_days, our_days = ranges(), ranges()

        def run_empty() -> Took:
            command = [sys.executable, "-m", "benchmarks.empty_backfill", home, dags, *next(empty_days)]
            return whole(empty, command, PATHS)

        def run_ours() -> Took:
            return lumbung(ours, home, "backfill", *next(our_days), "--parallel", "4")

        took = in_turn({empty: run_empty, ours: run_ours}, rounds, say)
    goal = "at most 1.6 x the CPU of tasks that do nothing; thirty days at most 170 s"
    return [Measure(f"A backfill of {days} days of the sample data through Airflow", goal, took)]


def parse(rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Read DAG files after `airflow.sdk` is there."""
    environ = {"PYTHONPATH": os.pathsep.join([PATHS["PYTHONPATH"], str(ROOT / "plugins")])}

    def read(file: str) -> Took:
        return program(file, [sys.executable, "-c", PARSE, ROOT / "dags" / file], environ)

    took = in_turn({file: partial(read, file) for file in ("enrollment.py", "tweets.py")}, max(rounds, 3), say)
    return [Measure("Reading a DAG file beyond airflow.sdk", "at most 0.3 s", took)]
