"""Commands over midnight in Jakarta, by a clock of their own: at the end of a month, of a year, and on a leap day."""

import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumbung.core.day import JAKARTA, ends_at
from lumbung.orchestrator.api import Api
from support.clock import Clock, is_possible

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def clock(missing: Callable[[str], None]) -> Iterator[Clock]:
    """A clock that is ahead of this machine's."""
    if not is_possible():
        missing("Linux and a C compiler")
    # Not in pytest's folder, which it closes to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="lumbung-clock-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield Clock(folder, datetime(2030, 1, 1, tzinfo=JAKARTA))


@pytest.fixture(scope="module")
def home(make_home: Make, clock: Clock) -> Any:
    """A home whose commands and servers go by that clock."""
    return make_home(environ=clock.environ)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something has come true while a command runs."""
    until = time.monotonic() + 180
    while not condition():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)


def run_over(home: Any, clock: Clock, hour: datetime, started: Callable[[], bool], *arguments: str) -> str:
    """Start a command in the evening, let the hour come when it has started, and wait for its end; what it printed."""
    clock.set(hour - timedelta(minutes=15))
    process = subprocess.Popen(home.command(*arguments), env=home.env(), stdout=subprocess.PIPE, text=True)
    wait_for(started, process)
    assert clock.now() < hour - timedelta(seconds=1)
    clock.set(hour - timedelta(seconds=1))
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    assert clock.now() > hour
    return printed


@pytest.mark.parametrize("day", [date(2030, 12, 31), date(2032, 2, 28), date(2032, 2, 29)])
def test_a_run_that_starts_before_midnight_is_for_the_day_that_ends(home: Any, clock: Clock, day: date) -> None:
    logs = home.folder / "logs"
    before = set(logs.glob("run-*.log"))
    printed = run_over(home, clock, ends_at(day), lambda: set(logs.glob("run-*.log")) > before, "run")
    assert f"Published: {day}" in printed
    assert f"pinter_skuy.course_enrollment  {day}" in printed
    with home.warehouse():
        assert home.query("SELECT CAST(published_day AS STRING) d FROM datamart.freshness") == [{"d": f"{day}"}]
        ran = f"SELECT DISTINCT CAST(day AS STRING) d FROM ops.run_audit WHERE day >= '{day}'"
        assert home.query(ran) == [{"d": f"{day}"}]
    assert home.processes() == []


def test_a_backfill_ends_with_the_days_that_were_asked_for(home: Any, clock: Clock) -> None:
    """It starts an Airflow of its own, in which 00:30 comes: the hour of the schedule."""
    last = date(2032, 8, 30)
    schedule, stack = ends_at(last) + timedelta(minutes=30), home.folder / "airflow" / "stack.json"
    run_over(home, clock, schedule, stack.exists, "backfill", f"{last}", f"{last}")
    assert home.query("SELECT CAST(MAX(day) AS STRING) d FROM ops.run_audit") == [{"d": f"{last}"}]


def test_the_schedule_of_an_up_runs_the_day_that_ended_on_a_home_with_backfills(home: Any, clock: Clock) -> None:
    """Yesterday's at its start, and the next one when it becomes 00:30."""
    day = date(2032, 12, 30)
    clock.set(ends_at(day) + timedelta(hours=20))
    process = subprocess.Popen(home.command("up"), env=home.env(), stdout=subprocess.PIPE, text=True)
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True).start()
    try:
        wait_for(lambda: len(lines) > 1, process)
        api = Api(*re.search(r"Airflow: (\S+)\s+user: (\S+)\s+password: (\S+)", "".join(lines)).groups())
        wait_for_scheduled(api, [day])
        clock.set(ends_at(day + timedelta(days=1)) + timedelta(minutes=29, seconds=58))
        wait_for_scheduled(api, [day, day + timedelta(days=1)])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert home.json("answers", "--json")["day"] == f"{day + timedelta(days=1)}"


def wait_for_scheduled(api: Api, days: list[date]) -> None:
    """Wait until the scheduled runs have ended well, which are of these days."""
    until = time.monotonic() + 300
    wanted = {f"{day}": "success" for day in days}
    while (runs := {run["partition_key"]: run["state"] for run in scheduled(api)}) != wanted:
        assert runs.keys() <= wanted.keys() and "failed" not in runs.values() and time.monotonic() < until, runs
        time.sleep(1)


def scheduled(api: Api) -> list[dict[str, Any]]:
    """The scheduled runs."""
    return api.dag_runs("enrollment", run_type="scheduled")
