"""What Airflow's side costs: a warm run, a backfill of 30 days, a task that does nothing, reading the DAG files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from benchmarks.results import ROOT, Measure, Took, in_turn, program
from lumbung.core.settings import Settings, variable
from lumbung.local import services
from lumbung.local.airflow_environment import DAGS_VARIABLE
from lumbung.orchestrator.api import ENDED
from lumbung.orchestrator.up import started

FIRST, LAST = "2026-10-01", "2026-10-30"
PARSE = """
import json, runpy, sys, time
import airflow.sdk
began = time.perf_counter()
for name in sys.argv[1:]:
    runpy.run_path(name)
print(json.dumps({"seconds": time.perf_counter() - began}))
"""
CHAIN = 20
NOTHING = f"""
from datetime import datetime
from airflow.sdk import DAG, BaseOperator, chain

class Nothing(BaseOperator):
    def execute(self, context):
        pass

with DAG("nothing", schedule=None, start_date=datetime(2026, 1, 1)):
    chain(*(Nothing(task_id=f"t{{n}}") for n in range({CHAIN})))
"""


def lumbung(home: Path, *arguments: str) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "lumbung", *arguments],
        env={**os.environ, variable("home"): str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - began


def overhead(home: Path) -> Took:
    """What each task of a chain takes that does nothing, by the run's start and end, in an Airflow of this home."""
    dags = home / "dags"
    dags.mkdir()
    (dags / "nothing.py").write_text(NOTHING)
    settings = Settings.of(home=home)
    os.environ[DAGS_VARIABLE] = str(dags)
    try:
        with services.running(settings) as addresses, started(settings, addresses) as api:
            run_id = api.trigger("nothing", {})
            while (run := api.dag_run("nothing", run_id))["state"] not in ENDED:
                time.sleep(1)
    finally:
        del os.environ[DAGS_VARIABLE]
    if run["state"] != "success":
        raise SystemExit(f"the run of tasks that do nothing: {run['state']}")
    began, ended = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return Took("a task that does nothing", round((ended - began).total_seconds() / CHAIN, 3))


def parse(what: str, *files: str) -> Took:
    """Read DAG files after `airflow.sdk` is there."""
    environ = {"PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("include", "plugins"))}
    return program(what, [sys.executable, "-c", PARSE, *(str(ROOT / "dags" / name) for name in files)], environ)


def measure(rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """A warm run, a backfill, reading the DAG files."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        home = Path(name)
        home.chmod(0o755)
        lumbung(home, "run")
        warm = in_turn({"make run": lambda: Took("lumbung run, warm", lumbung(home, "run"))}, rounds, say)
        backfill = Took("lumbung backfill, 30 days", lumbung(home, "backfill", FIRST, LAST, "--parallel", "4"))
        say(f"{backfill.what}: {backfill.seconds:.0f} s")
        nothing = overhead(home)
        say(f"{nothing.what}: {nothing.seconds:.2f} s")
    read = in_turn({file: partial(parse, file, file) for file in ("enrollment.py", "tweets.py")}, max(rounds, 3), say)
    return [
        Measure("A warm run of the sample data", "at most 30 s", warm),
        Measure("A backfill of 30 days of the sample data through Airflow", "at most 4 min", [backfill]),
        Measure("The overhead of one task", "at most 0.6 s", [nothing]),
        Measure("Reading a DAG file beyond airflow.sdk", "at most 0.3 s", read),
    ]
