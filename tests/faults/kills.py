"""Processes are killed at random moments of a run; an ordinary run of the same day follows each kill."""

from __future__ import annotations

import contextlib
import functools
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from faults.environment import AnyHarness, FaultEnvironment, day_of, fill
from faults.result import Options, Result, scenario
from lumbung.pipeline.snapshot import Snapshot
from lumbung.storage.lake import Lake, sha256
from lumbung.storage.manifest import MANIFEST

CHAIN = 10  # days of one harness: each begins with what the kills before it left


class Line(Protocol):
    """A path of data that is killed.

    Attributes:
        name: what the scenario is called.
        targets: what can be killed; `task` is the run's own process group, `all` all of them at once.
    """

    name: str
    targets: tuple[str, ...]

    def harness(self) -> contextlib.AbstractContextManager[AnyHarness]:
        """A lake, a warehouse and sources of their own."""

    def fill(self, harness: AnyHarness, number: int) -> None:
        """Let the sources be those of the day with that number."""

    def kill(self, target: str) -> None:
        """Kill a server."""

    def revive(self, harness: AnyHarness) -> None:
        """Start the servers that were killed, as the next command or an engine of containers does."""


class Enrollments(Line):
    """The path of enrollments."""

    name, targets = "kills of a run", ("task", "warehouse", "source", "all")

    def __init__(self, environment: FaultEnvironment) -> None:
        self.environment = environment

    def harness(self) -> contextlib.AbstractContextManager[AnyHarness]:
        return self.environment.harness()

    def fill(self, harness: AnyHarness, number: int) -> None:
        fill(harness, number)

    def kill(self, target: str) -> None:
        {"warehouse": self.environment.kill_warehouse, "source": self.environment.kill_source}[target]()

    def revive(self, harness: AnyHarness) -> None:
        self.environment.revive(harness)


def run_kills(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb runs of enrollments: kill the task's process, the BigQuery server, PostgreSQL, or all of them at once."""
    return kill_line(environment, options, Enrollments(environment), options.kills)


def kill_line(environment: FaultEnvironment, options: Options, line: Line, kills: int) -> Result:
    """Kill something of a line at random moments of a run; run the same day again after each kill."""
    choice = random.Random(options.seed)
    with scenario(line.name) as result:
        chain = min(CHAIN, kills)
        expected, seconds = undisturbed_line(environment, line, chain)
        while result.tries < kills:
            with line.harness() as harness:
                before: dict[str, list[str]] = {}
                for number in range(min(chain, kills - result.tries)):
                    target, moment = choice.choice(line.targets), choice.uniform(0, seconds)
                    _kill_once(environment, line, harness, number, target, moment, before, expected[number], result)
                    before = expected[number]
                    options.say(f"kill {result.tries} of {kills}: {target} after {moment:.1f} s")
    return result


@functools.cache
def undisturbed(environment: FaultEnvironment, days: int) -> tuple[list[dict[str, list[str]]], float]:
    """The tables of enrollments after each of the days, undisturbed, and the seconds of the longest run."""
    return undisturbed_line(environment, Enrollments(environment), days)


def undisturbed_line(environment: FaultEnvironment, line: Line, days: int) -> tuple[list[dict[str, list[str]]], float]:
    """The tables after each of the days, undisturbed, and the seconds of the longest run."""
    tables, seconds = [], 0.0
    with line.harness() as harness:
        for number in range(days):
            line.fill(harness, number)
            began = time.monotonic()
            if outcome := environment.take(harness, day_of(number)):
                raise AssertionError(f"a run that nothing disturbed failed: {outcome}")
            seconds = max(seconds, time.monotonic() - began)
            tables.append(harness.contents())
    return tables, seconds


def _kill_once(
    environment: FaultEnvironment,
    line: Line,
    harness: AnyHarness,
    number: int,
    target: str,
    moment: float,
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    result: Result,
) -> None:
    """Kill the target after `moment` seconds of a run, run the day again, and compare the tables."""
    place = f"try {result.tries + 1}, {target} killed after {moment:.2f} s of day {number}"
    result.tries += 1
    line.fill(harness, number)
    run = environment.start(harness, day_of(number))
    time.sleep(moment)
    if target in ("task", "all"):
        run.kill()
    for server in line.targets[1:-1]:
        if target in (server, "all"):
            line.kill(server)
    line.revive(harness)
    outcome = run.wait()
    result.outcomes["killed" if outcome is None else "refused" if outcome else "ended well"] += 1
    if outcome and not outcome.startswith("refused: "):
        result.faults.append(f"{place}: the run said {outcome}")
    result.faults += [f"{place}: {fault}" for fault in (*broken(harness.lake), *half_published(harness, before, after))]
    again = environment.take(harness, day_of(number))
    if again != "":
        result.faults.append(f"{place}: the run after it said {again}")
    result.compare(place, after, harness.contents())
    result.faults += [f"{place}: {fault}" for fault in stray_builds(harness)]


def broken(lake: Lake) -> list[str]:
    """Committed snapshots whose files are not what their manifests say."""
    faults = []
    for stored in lake.files("raw"):
        if not MANIFEST.match(stored.path.rpartition("/")[2]):
            continue
        snapshot = Snapshot.model_validate_json(lake.read(stored.path))
        for file in filter(None, (snapshot.file, snapshot.rejects)):
            with lake.local(file.path) as path:
                if not path.exists() or (path.stat().st_size, sha256(path)) != (file.bytes, file.sha256):
                    faults.append(f"{stored.path} names {file.path}, which is not there as it says")
    return faults


def half_published(harness: AnyHarness, before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Tables that are neither those of before nor those of after."""
    tables = harness.contents(*(name for name in ("dwh", "datamart") if _exists(harness, name)))
    return [
        f"{table} is neither as before nor as after: {len(rows)} rows"
        for table, rows in tables.items()
        if rows not in (before.get(table, []), after[table])
    ]


def stray_builds(harness: AnyHarness) -> list[str]:
    """Build tables that never expire; those of killed runs must."""
    limit = datetime.now(UTC) + timedelta(hours=25)
    tables = [harness.warehouse.client.get_table(name) for name, _ in harness.warehouse.build_tables()]
    return [f"{table.table_id} stays" for table in tables if not table.expires or table.expires > limit]


def _exists(harness: AnyHarness, dataset: str) -> bool:
    datasets = {item.dataset_id for item in harness.warehouse.client.list_datasets()}
    return f"{harness.settings.dataset_prefix}{dataset}" in datasets
