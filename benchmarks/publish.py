"""How many versions a reader of several tables sees while they are published, and how long a publish takes.

Two versions are published in turn through a proxy that adds `DELAY` to each request, as a network does; a reader
beside it counts the rows of four tables in one query, again and again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from unittest import mock

from benchmarks.results import Measure, Took
from faults.environment import FaultEnvironment
from lumbung.pipeline.publish import finish, pairs
from lumbung.pipeline.run import CONSISTENT
from lumbung.storage.state import Pending
from lumbung.storage.warehouse import Warehouse
from support.http_proxy import Proxy
from support.pipeline import Day, PipelineHarness, sources_of

DAY = date(2026, 11, 10)
DELAY = 0.03  # seconds; BigQuery takes longer, some tenths, to answer a request that starts a job
TABLES = ("dwh.dim_student", "dwh.fact_course_enrollment", "datamart.student_count_by_city", "datamart.top_mentor")


def one_at_a_time(_copies: int) -> ThreadPoolExecutor:
    """Start a copy only when the one before it is started."""
    return ThreadPoolExecutor(1)


def measure(publishes: int, say: Callable[[str], object]) -> list[Measure]:
    """Publish again and again, by each way."""
    with (
        FaultEnvironment() as environment,
        environment.harness() as harness,
        Proxy(harness.settings.emulator_host, spoil=lambda _: time.sleep(DELAY)) as proxy,
    ):
        harness.settings = harness.settings.replace(consistent_views=True)
        days = [_built(harness, number) for number in (0, 5)]
        harness.warehouse.client._connection.API_BASE_URL = proxy.url
        reader = Warehouse(harness.settings)
        ways = [
            ("tables, copies started one after another", False, one_at_a_time),
            ("tables, copies started together", False, ThreadPoolExecutor),
            ("views of `consistent`", True, ThreadPoolExecutor),
        ]
        took, notes = [], []
        for what, views, pool in ways:
            with mock.patch("lumbung.storage.warehouse.ThreadPoolExecutor", pool):
                seconds, reads, mixed = _publish(reader, days, publishes, views=views)
            took.append(Took(f"{what}, a publish", round(seconds / publishes, 3)))
            notes.append(f"{what}: of {reads} reads {mixed} saw tables of two versions.")
            say(notes[-1])
    goal = "the fewer reads of two versions the better; none by the views"
    return [Measure(f"{publishes} publishes beside a reader of four tables", goal, took, notes)]


def _built(harness: PipelineHarness, number: int) -> Day:
    """A version whose tables differ from those of other numbers, built and not published."""
    harness.fill(sources_of("", number))
    return harness.run(DAY, refresh=True).up_to("build")


def _publish(reader: Warehouse, days: list[Day], publishes: int, *, views: bool) -> tuple[float, int, int]:
    """Publish the versions in turn: seconds, reads, and reads that saw two versions."""
    for day in days:
        day.run.__dict__["settings"] = day.run.settings.replace(consistent_views=views)
    states: list[tuple[int, ...]] = []
    whole = []
    for day in days:
        _finish(day)
        whole.append(_read(reader, views=views))
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            states.append(_read(reader, views=views))

    thread = threading.Thread(target=read)
    thread.start()
    began = time.perf_counter()
    for number in range(publishes):
        _finish(days[number % 2])
    seconds = time.perf_counter() - began
    ended.set()
    thread.join()
    return seconds, len(states), sum(state not in whole for state in states)


def _finish(day: Day) -> None:
    copies = pairs(day.run, day.run.tables)
    finish(
        day.run,
        Pending(
            run_id=day.run.run_id,
            pairs=copies,
            jobs=[],
            whole=day.target.published(day.run.run_id, {}),
            daily=day.own.published(day.run.run_id, {}),
        ),
    )


def _read(reader: Warehouse, *, views: bool) -> tuple[int, ...]:
    names = [f"{CONSISTENT}.{table.replace('.', '__')}" if views else table for table in TABLES]
    counts = [f"(SELECT COUNT(*) FROM `{reader.table(name)}`) AS n{place}" for place, name in enumerate(names)]
    (row,) = reader.rows(f"SELECT {', '.join(counts)}").to_pylist()
    return tuple(row.values())
