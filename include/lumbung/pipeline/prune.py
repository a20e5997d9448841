"""Prune: what the lake and staging hold of old days goes.

Of a day that goes, everything in the lake and its staging partitions go; of a day that stays, the generations that are
older than those of its newest committed version. The history in `dwh` and `datamart` (tables by day) and in
`ops.run_audit` stays in the warehouse. A day that went may be run again: it then takes today's rows. Tweets stay, but
for what nothing is made from any more (`tweet_prune`).

A prune may be killed anywhere and run again. What says that something is there goes before it: a partition's marker
before the partition, versions before snapshots, manifests before their files, the oldest first. A run that is in the
middle of a day that goes ends with "run the day again".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from lumbung.catalog.contract import Catalog, Contract
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline.snapshot import MANIFEST, Snapshot, Version, version_folder
from lumbung.storage.lake import Lake, Stored, open_lake
from lumbung.storage.warehouse import PARTITION_KEY, Warehouse
from lumbung.systems.cilvest import prune as tweet_prune
from lumbung.systems.cilvest.steps import SYSTEM as TWEETS

DAY = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})(?=/|\.json$)")
# A younger file without a manifest may be that of an extract at work.
ORPHAN_AGE = timedelta(days=1)
REJECTED, AUDIT = "staging.rejected_row", "ops.run_audit"


@dataclass(frozen=True)
class Pruned:
    """What was deleted, or would be.

    Attributes:
        days: the days that went as a whole, by system.
        files: files of the lake: data, manifests, markers, audit.
        bytes: their size.
        partitions: the staging partitions that are gone, as `<project>.<dataset>.<table>$YYYYMMDD`.
    """

    days: dict[str, list[date]]
    files: int
    bytes: int
    partitions: list[str]

    def __str__(self) -> str:
        """For people."""
        days = "; ".join(f"{system} {', '.join(map(str, days))}" for system, days in self.days.items() if days)
        size = f"{self.files:,} files ({self.bytes:,} bytes), {len(self.partitions):,} staging partitions"
        return f"{days or 'no day'}; {size}"


@dataclass(frozen=True)
class _Plan:
    """What goes of a system, each list in the order it goes in."""

    cutoff: date
    days: list[date]
    days_left: set[date]
    records: list[Stored]
    partitions: list[str]
    data: list[Stored]


def prune(settings: Settings, warehouse: Warehouse, *, keep: int, dry_run: bool = False) -> Pruned:
    """Keep each system's newest days, and what is or is being published; delete what is older.

    Other warehouses that share the lake keep their staging partitions: only the marks that they are loaded go, so the
    next run of such a day loads it anew.

    Args:
        settings: which lake.
        warehouse: whose staging partitions are dropped.
        keep: days with a committed version to keep, per system; at least 1.
        dry_run: delete nothing, only say what would go.

    Raises:
        LumbungError: `keep` is less than 1, or a run held a lease for 15 minutes.
    """
    if keep < 1:
        raise LumbungError(f"{keep} days to keep", where="prune", remedy="keep at least 1")
    lake, catalog = open_lake(settings), Catalog()
    plans: dict[str, _Plan] = {}
    for system in sorted({one.system for one in catalog.contracts.values() if one.source}):
        sources = catalog.sources(system)
        with ExitStack() as leases:
            if not dry_run:
                # In this order, as a publish takes leases of loads.
                names = [f"publish/{system}", f"version/{system}", *(f"load/{one.address}" for one in sources)]
                for name in names:
                    leases.enter_context(lake.lease(name))
            plan = plans[system] = _plan(lake, warehouse, system, sources, keep)
            if not dry_run:
                _delete(lake, warehouse, plan)
                for folder in (version_folder(system), *(f"raw/{system}/{one.table}" for one in sources)):
                    _delete_empty(lake, folder, plan.days)
    with ExitStack() as leases:
        if not dry_run:
            leases.enter_context(lake.lease(f"version/{TWEETS}"))
        dead, rejected = tweet_prune.survey(lake, datetime.now(UTC) - ORPHAN_AGE)
        for file in dead if not dry_run else ():
            lake.delete(file.path)
    shared = _plan_shared(lake, warehouse, list(plans.values()), rejected)
    if not dry_run:
        with lake.lease(f"load/{REJECTED}"), lake.lease(f"load/{AUDIT}"):
            _delete(lake, warehouse, shared)
            _delete_empty(lake, "audit", shared.days)
    everything = [*plans.values(), shared]
    files = [*dead, *(file for plan in everything for file in (*plan.records, *plan.data))]
    return Pruned(
        days={system: plan.days for system, plan in plans.items()},
        files=len(files),
        bytes=sum(file.bytes for file in files),
        partitions=[name for plan in everything for name in plan.partitions],
    )


def _plan(lake: Lake, warehouse: Warehouse, system: str, sources: list[Contract], keep: int) -> _Plan:
    # Listed before the manifests are read: what is written in between is in no list.
    versions, raw = _files(lake, version_folder(system)), _files(lake, f"raw/{system}")
    manifests: dict[str, Version | Snapshot] = {}
    for files, model in ((versions, Version), (raw, Snapshot)):
        for file in files:
            if MANIFEST.match(file.path.rpartition("/")[2]) and (content := lake.read(file.path)):
                manifests[file.path] = model.model_validate_json(content)

    newest: dict[date, Version] = {}
    for one in manifests.values():
        if isinstance(one, Version) and one.state == "committed":
            newest[one.day] = max(newest.get(one.day, one), one, key=lambda version: version.order)
    cutoff = sorted(newest)[-keep] if len(newest) >= keep else date.min
    published = _published(lake, system)

    def is_old(day: date) -> bool:
        return day < cutoff and day not in published

    def goes(one: Version | Snapshot) -> bool:
        if is_old(one.day):
            return True
        if (version := newest.get(one.day)) is None:
            return False
        if isinstance(one, Version):
            return one.generation < version.generation
        return one.entity in version.members and one.generation < version.members[one.entity].generation

    stay = {path for one in manifests.values() if not goes(one) for path in _paths(one)}
    go = {path for one in manifests.values() if goes(one) for path in _paths(one)}
    aged = datetime.now(UTC) - ORPHAN_AGE
    data = [
        file
        for file in (*versions, *raw)
        if file.path not in manifests and file.path not in stay and (file.path in go or file.modified < aged)
    ]
    going = [file for file in (*versions, *raw) if file.path in manifests and goes(manifests[file.path])]
    days = sorted({day for file in (*going, *data) if is_old(day := _day(file))})
    marker = re.compile(rf"state/[^/]+/{re.escape(system)}/(daily|staging/[^/]+)/dt=[^/]+")
    markers = [file for file in _files(lake, "state") if marker.fullmatch(file.path) and _day(file) in days]
    gone = {file.path for file in (*going, *data)}
    return _Plan(
        cutoff=cutoff,
        days=days,
        days_left={_day(file) for file in (*versions, *raw) if file.path not in gone},
        records=[*markers, *going],
        partitions=[_partition(warehouse, one.address, day) for day in days for one in sources],
        data=data,
    )


def _plan_shared(lake: Lake, warehouse: Warehouse, plans: list[_Plan], rejected: set[date]) -> _Plan:
    """What systems share of a day goes when no system has the day any more; rejects of tweets stay."""
    cutoff = min(plan.cutoff for plan in plans)
    left = {day for plan in plans for day in plan.days_left}
    audit = [file for file in _files(lake, "audit") if (day := _day(file)) < cutoff and day not in left]
    days = {day for plan in plans for day in plan.days if day < cutoff and day not in left} | set(map(_day, audit))
    return _Plan(
        cutoff=cutoff,
        days=sorted(days),
        days_left=left,
        records=[],
        partitions=[_partition(warehouse, REJECTED, day) for day in sorted(days - rejected)],
        data=audit,
    )


def _delete(lake: Lake, warehouse: Warehouse, plan: _Plan) -> None:
    for file in plan.records:
        lake.delete(file.path)
    for partition in plan.partitions:
        warehouse.drop(partition)
    for file in plan.data:
        lake.delete(file.path)


def _delete_empty(lake: Lake, folder: str, days: Iterable[date]) -> None:
    for day in days:
        lake.delete_empty(f"{folder}/dt={day}")


def _published(lake: Lake, system: str) -> set[date]:
    """The days that are, or are being, published in any warehouse that shares the lake."""
    found = set()
    for warehouse in lake.names("state"):
        folder = f"state/{warehouse}/{system}"
        pending = lake.read_json(f"{folder}/pending.json") or {}
        for facts in (lake.read_json(f"{folder}/published.json"), pending.get("whole"), pending.get("daily")):
            if facts:
                found.add(date.fromisoformat(facts["day"]))
    return found


def _paths(manifest: Version | Snapshot) -> list[str]:
    parts = manifest.members.values() if isinstance(manifest, Version) else [manifest]
    return [file.path for part in parts for file in (part.file, part.rejects) if file]


def _files(lake: Lake, folder: str) -> list[Stored]:
    """The files that belong to a day; whatever else people put into the lake is theirs."""
    return [file for file in lake.files(folder) if DAY.search(file.path)]


def _day(file: Stored) -> date:
    found = DAY.search(file.path)
    assert found
    return date.fromisoformat(found[1])


def _partition(warehouse: Warehouse, address: str, day: date) -> str:
    return f"{warehouse.table(address)}${day.strftime(PARTITION_KEY)}"
