"""What Airflow's side costs: a warm run, a backfill of 30 days, reading the DAG files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.results import ROOT, Measure, Took, in_turn, program
from lumbung.settings import variable

FIRST, LAST = "2026-10-01", "2026-10-30"
PARSE = """
import json, runpy, sys, time
import airflow.sdk
began = time.perf_counter()
for name in sys.argv[1:]:
    runpy.run_path(name)
print(json.dumps({"seconds": time.perf_counter() - began}))
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
    read = in_turn({file: partial(parse, file, file) for file in ("enrollment.py", "tweets.py")}, max(rounds, 3), say)
    return [
        Measure("A warm run of the sample data", "at most 30 s", warm),
        Measure("A backfill of 30 days of the sample data through Airflow", "at most 4 min", [backfill]),
        Measure("Reading a DAG file beyond airflow.sdk", "at most 0.3 s", read),
    ]
