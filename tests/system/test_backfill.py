"""`lumbung backfill` and the Airflow that it starts: the days that were asked for, and nothing else."""

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import sqlalchemy

from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.local.airflow_database import connected
from support.pipeline import sources_of, write_sources

Make = Callable[..., Any]
FIRST, LAST, LEFT = "2026-10-01", "2026-10-02", "2026-10-09"
BESIDE = (["run", "--day", LAST], ["airflow", "dags", "test", "enrollment", LAST], ["backfill", LAST, LAST])


class Backfilled(NamedTuple):
    """A home, what its backfill said, and what came of the commands that were tried beside it."""

    home: Any
    said: str
    beside: list[subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def backfilled(make_home: Make) -> Backfilled:
    """A home with two past days whose sources differ, both backfilled after the sources have changed once more.

    In its Airflow's database is a run that another Airflow was to carry out.
    """
    home = make_home()
    for number, day in enumerate((FIRST, LAST), 1):
        write_sources(home.data, sources_of(f"on {day}", number))
        home.run("run", "--day", day)
    write_sources(home.data, sources_of("later", 3))
    home.run("airflow", "backfill", "create", "--dag-id", "enrollment", "--from-date", LEFT, "--to-date", LEFT)
    assert runs(home) == [("backfill", LEFT, "queued")]
    backfill = subprocess.Popen(
        home.command("backfill", FIRST, LAST), env=home.env(), stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: (home.folder / "airflow" / "stack.json").exists(), backfill)
    beside = [home.call(*command) for command in BESIDE]
    _, said = backfill.communicate(timeout=600)
    assert backfill.returncode == 0, said
    return Backfilled(home, " ".join(said.split()), beside)


def runs(home: Any) -> list[tuple[str, str | None, str]]:
    """Type, day and state of each run in Airflow's database that is not a single one."""
    with services.running(Settings.of(home=home.folder, data_source=home.data)) as addresses:
        query = "SELECT run_type, partition_key, state FROM dag_run WHERE run_type <> 'manual' ORDER BY id"
        with connected(addresses.metadata_url) as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text(query))]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    """Wait until something has come true while a command runs."""
    until = time.monotonic() + 180
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_backfill_publishes_the_last_day_that_was_asked_for(backfilled: Backfilled) -> None:
    """Its Airflow makes no scheduled run of yesterday, which would publish the sources as they are now."""
    home = backfilled.home
    assert set(runs(home)) - {("backfill", LEFT, "failed")} == {("backfill", day, "success") for day in (FIRST, LAST)}
    with home.warehouse():
        assert home.query("SELECT CAST(published_day AS STRING) d FROM datamart.freshness") == [{"d": LAST}]
        assert home.json("answers", "--json")["day"] == LAST
        cities = {row["city"] for row in home.query("SELECT city FROM datamart.student_count_by_city")}
        assert cities == {f"Bandung on {LAST}", f"Ambon on {LAST}"}
        days = home.query("SELECT DISTINCT CAST(day AS STRING) d FROM ops.run_audit")
    assert sorted(row["d"] for row in days) == [FIRST, LAST]


def test_what_another_airflow_was_to_carry_out_is_not(backfilled: Backfilled) -> None:
    """Runs that an `up` left when it was stopped, or a backfill when it was killed."""
    assert ("backfill", LEFT, "failed") in runs(backfilled.home)
    assert "left runs unfinished; they count as failed now: enrollment backfill__" in backfilled.said


def test_a_command_beside_a_backfill_leaves_it_alone(backfilled: Backfilled) -> None:
    """A run without a scheduler would be taken up by the backfill's; one that looked for `up` ended its Airflow."""
    for command, done in zip(BESIDE, backfilled.beside, strict=True):
        assert done.returncode == 1, command
        assert "another command runs DAGs on this home" in " ".join(done.stderr.split())


def test_a_backfill_that_is_interrupted_leaves_no_run_for_a_later_airflow(backfilled: Backfilled) -> None:
    home, before = backfilled.home, len(runs(backfilled.home))
    backfill = subprocess.Popen(home.command("backfill", "2026-10-11", "2026-10-13", "--parallel", "1"), env=home.env())
    wait_for(lambda: "running" in [state for _, _, state in runs(home)], backfill)
    backfill.send_signal(signal.SIGINT)
    assert backfill.wait(120) == 130
    assert len(runs(home)) == before + 3
    assert {state for _, _, state in runs(home)[before:]} <= {"success", "failed"}
    assert home.processes() == []
