"""Kills at random moments of a run, each followed by an ordinary run of the same day."""

from __future__ import annotations

import contextlib
import functools
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from faults.ground import AnyHouse, Ground, day_of, fill
from faults.result import Options, Result, scenario
from lumbung.pipeline.snapshot import MANIFEST, Snapshot
from lumbung.storage.lake import Lake, sha256

CHAIN = 10  # days of one house: each begins with what the kills before it left


class Line(Protocol):
    """A path of data that is killed.

    Attributes:
        name: what the scenario is called.
        targets: what can be killed; `task` is the run's own process group, `all` all of them at once.
    """

    name: str
    targets: tuple[str, ...]

    def house(self) -> contextlib.AbstractContextManager[AnyHouse]:
        """A lake, a warehouse and sources of their own."""

    def fill(self, house: AnyHouse, number: int) -> None:
        """Let the sources be those of the day with that number."""

    def kill(self, target: str) -> None:
        """Kill a server."""

    def revive(self, house: AnyHouse) -> None:
        """Start the servers that were killed, as the next command or an engine of containers does."""


class Enrollments(Line):
    """The path of enrollments."""

    name, targets = "kills of a run", ("task", "warehouse", "source", "all")

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def house(self) -> contextlib.AbstractContextManager[AnyHouse]:
        return self.ground.house()

    def fill(self, house: AnyHouse, number: int) -> None:
        fill(house, number)

    def kill(self, target: str) -> None:
        {"warehouse": self.ground.kill_warehouse, "source": self.ground.kill_source}[target]()

    def revive(self, house: AnyHouse) -> None:
        self.ground.revive(house)


def run_kills(ground: Ground, options: Options) -> Result:
    """Kill the task's process, the BigQuery server, PostgreSQL, or all of them at once."""
    return kill_line(ground, options, Enrollments(ground), options.kills)


def kill_line(ground: Ground, options: Options, line: Line, kills: int) -> Result:
    """Kill something of a line at random moments of a run; run the same day again after each kill."""
    choice = random.Random(options.seed)
    with scenario(line.name) as result:
        chain = min(CHAIN, kills)
        expected, seconds = undisturbed_line(ground, line, chain)
        while result.tries < kills:
            with line.house() as house:
                before: dict[str, list[str]] = {}
                for number in range(min(chain, kills - result.tries)):
                    target, moment = choice.choice(line.targets), choice.uniform(0, seconds)
                    _one(ground, line, house, number, target, moment, before, expected[number], result)
                    before = expected[number]
                    options.say(f"kill {result.tries} of {kills}: {target} after {moment:.1f} s")
    return result


@functools.cache
def undisturbed(ground: Ground, days: int) -> tuple[list[dict[str, list[str]]], float]:
    """The tables of enrollments after each of the days in peace, and how long the longest run takes."""
    return undisturbed_line(ground, Enrollments(ground), days)


def undisturbed_line(ground: Ground, line: Line, days: int) -> tuple[list[dict[str, list[str]]], float]:
    """The tables after each of the days in peace, and how long the longest run takes."""
    tables, seconds = [], 0.0
    with line.house() as house:
        for number in range(days):
            line.fill(house, number)
            began = time.monotonic()
            if said := ground.take(house, day_of(number)):
                raise AssertionError(f"a run that nothing disturbed failed: {said}")
            seconds = max(seconds, time.monotonic() - began)
            tables.append(house.contents())
    return tables, seconds


def _one(
    ground: Ground,
    line: Line,
    house: AnyHouse,
    number: int,
    target: str,
    moment: float,
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    result: Result,
) -> None:
    place = f"try {result.tries + 1}, {target} killed after {moment:.2f} s of day {number}"
    result.tries += 1
    line.fill(house, number)
    run = ground.start(house, day_of(number))
    time.sleep(moment)
    if target in ("task", "all"):
        run.kill()
    for server in line.targets[1:-1]:
        if target in (server, "all"):
            line.kill(server)
    line.revive(house)
    said = run.wait()
    result.facts["killed" if said is None else "refused" if said else "ended well"] += 1
    if said and not said.startswith("refused: "):
        result.faults.append(f"{place}: the run said {said}")
    result.faults += [f"{place}: {fault}" for fault in (*broken(house.lake), *half_published(house, before, after))]
    again = ground.take(house, day_of(number))
    if again != "":
        result.faults.append(f"{place}: the run after it said {again}")
    result.compare(place, after, house.contents())
    result.faults += [f"{place}: {fault}" for fault in stray_builds(house)]


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


def half_published(house: AnyHouse, before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Tables that are neither those of before nor those of after."""
    found = house.contents(*(name for name in ("dwh", "datamart") if _exists(house, name)))
    return [
        f"{table} is neither as before nor as after: {len(rows)} rows"
        for table, rows in found.items()
        if rows not in (before.get(table, []), after[table])
    ]


def stray_builds(house: AnyHouse) -> list[str]:
    """Build tables that stay for good: those of killed runs go by themselves."""
    limit = datetime.now(UTC) + timedelta(hours=25)
    tables = [house.warehouse.client.get_table(name) for name, _ in house.warehouse.build_tables()]
    return [f"{table.table_id} stays" for table in tables if not table.expires or table.expires > limit]


def _exists(house: AnyHouse, dataset: str) -> bool:
    there = {item.dataset_id for item in house.warehouse.client.list_datasets()}
    return f"{house.settings.dataset_prefix}{dataset}" in there
