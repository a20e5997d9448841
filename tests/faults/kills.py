"""Kills at random moments of a run, each followed by an ordinary run of the same day."""

from __future__ import annotations

import functools
import random
import time
from datetime import UTC, datetime, timedelta

from faults.ground import Ground, day_of, fill
from faults.result import Options, Result, scenario
from lumbung.lake import Lake, sha256
from lumbung.snapshot import MANIFEST, Snapshot
from pipeline import House, contents

TARGETS = ("task", "warehouse", "source", "all")
CHAIN = 10  # days of one house: each begins with what the kills before it left


def run_kills(ground: Ground, options: Options) -> Result:
    """Kill the task's process, the BigQuery server, PostgreSQL, or all of them at once."""
    choice = random.Random(options.seed)
    with scenario("kills of a run") as result:
        chain = min(CHAIN, options.kills)
        expected, seconds = undisturbed(ground, chain)
        while result.tries < options.kills:
            with ground.house() as house:
                before: dict[str, list[str]] = {}
                for number in range(min(chain, options.kills - result.tries)):
                    target, moment = choice.choice(TARGETS), choice.uniform(0, seconds)
                    _one(ground, house, number, target, moment, before, expected[number], result)
                    before = expected[number]
                    options.say(f"kill {result.tries} of {options.kills}: {target} after {moment:.1f} s")
    return result


@functools.cache
def undisturbed(ground: Ground, days: int) -> tuple[list[dict[str, list[str]]], float]:
    """The tables after each of the days in peace, and how long the longest run takes."""
    tables, seconds = [], 0.0
    with ground.house() as house:
        for number in range(days):
            fill(house, number)
            began = time.monotonic()
            if said := ground.take(house, day_of(number)):
                raise AssertionError(f"a run that nothing disturbed failed: {said}")
            seconds = max(seconds, time.monotonic() - began)
            tables.append(contents(house.warehouse))
    return tables, seconds


def _one(
    ground: Ground,
    house: House,
    number: int,
    target: str,
    moment: float,
    before: dict[str, list[str]],
    after: dict[str, list[str]],
    result: Result,
) -> None:
    place = f"try {result.tries + 1}, {target} killed after {moment:.2f} s of day {number}"
    result.tries += 1
    fill(house, number)
    run = ground.start(house, day_of(number))
    time.sleep(moment)
    if target in ("task", "all"):
        run.kill()
    if target in ("warehouse", "all"):
        ground.kill_warehouse()
    if target in ("source", "all"):
        ground.kill_source()
    ground.revive(house)  # whoever starts it: a command of another person, or an engine of containers
    said = run.wait()
    result.facts["killed" if said is None else "refused" if said else "ended well"] += 1
    if said and not said.startswith("refused: "):
        result.faults.append(f"{place}: the run said {said}")
    result.faults += [f"{place}: {fault}" for fault in (*broken(house.lake), *half_published(house, before, after))]
    again = ground.take(house, day_of(number))
    if again != "":
        result.faults.append(f"{place}: the run after it said {again}")
    result.compare(place, after, contents(house.warehouse))
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


def half_published(house: House, before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Tables that are neither those of before nor those of after."""
    found = contents(house.warehouse, *(name for name in ("dwh", "datamart") if _exists(house, name)))
    return [
        f"{table} is neither as before nor as after: {len(rows)} rows"
        for table, rows in found.items()
        if rows not in (before.get(table, []), after[table])
    ]


def stray_builds(house: House) -> list[str]:
    """Build tables that stay for good: those of killed runs go by themselves."""
    limit = datetime.now(UTC) + timedelta(hours=25)
    tables = [house.warehouse.client.get_table(name) for name, _ in house.warehouse.build_tables()]
    return [f"{table.table_id} stays" for table in tables if not table.expires or table.expires > limit]


def _exists(house: House, dataset: str) -> bool:
    there = {item.dataset_id for item in house.warehouse.client.list_datasets()}
    return f"{house.settings.dataset_prefix}{dataset}" in there
