"""Prune: what the lake and staging hold of old days is deleted.

Of a day that goes, everything in the lake and its staging partitions go; of a day that stays, the generations that are
older than those of its newest committed version. The history in `dwh` and `datamart` (tables by day) and in
`ops.run_audit` stays in the warehouse. A day that went may be run again: it then takes today's rows. A system
may keep more: it plans what goes of it.

A prune may be killed anywhere and run again. What says that something is there goes before it: a partition's marker
before the partition, versions before snapshots, manifests before their files, the oldest first. A run that is in the
middle of a day that goes ends with "run the day again".
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline import operations, rejects
from lumbung.pipeline.retention import Plan, day_files, day_of, partition
from lumbung.pipeline.system import System
from lumbung.storage.lake import Lake, open_lake
from lumbung.storage.warehouse import Warehouse

# A younger file without a manifest may be that of an extract at work.
ORPHAN_AGE = timedelta(days=1)


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


def prune(
    settings: Settings, warehouse: Warehouse, systems: Iterable[System], *, keep: int, dry_run: bool = False
) -> Pruned:
    """Keep each system's newest days, and what is or is being published; delete what is older.

    Other warehouses that share the lake keep their staging partitions: only the marks that they are loaded go, so the
    next run of such a day loads it again.

    Args:
        settings: which lake.
        warehouse: whose staging partitions are dropped.
        systems: all systems: what they share of a day goes when none has the day any more.
        keep: days with a committed version to keep, per system; at least 1.
        dry_run: delete nothing, only say what would go.

    Raises:
        LumbungError: `keep` is less than 1, or a run held a lease for 15 minutes.
    """
    if keep < 1:
        raise LumbungError(f"{keep} days to keep", where="prune", remedy="keep at least 1")
    lake, catalog, before = open_lake(settings), Catalog(), datetime.now(UTC) - ORPHAN_AGE
    plans: dict[str, Plan] = {}
    for system in systems:
        with _held(lake, () if dry_run else system.leases_of_prune(catalog)):
            plan = plans[system.name] = system.plan_prune(lake, warehouse, catalog, keep=keep, before=before)
            if not dry_run:
                _delete(lake, warehouse, plan)
    shared = _plan_shared(lake, warehouse, list(plans.values()))
    with _held(lake, () if dry_run else (f"load/{rejects.TABLE}", f"load/{operations.AUDIT}")):
        if not dry_run:
            _delete(lake, warehouse, shared)
    everything = [*plans.values(), shared]
    files = [file for plan in everything for file in (*plan.records, *plan.data)]
    return Pruned(
        days={system: plan.days for system, plan in plans.items() if catalog.sources(system)},
        files=len(files),
        bytes=sum(file.bytes for file in files),
        partitions=[name for plan in everything for name in plan.partitions],
    )


def _plan_shared(lake: Lake, warehouse: Warehouse, plans: list[Plan]) -> Plan:
    """What systems share of a day goes when no system has the day any more."""
    # Where no system has snapshots, no day is known to be old.
    cutoff = min((plan.cutoff for plan in plans if plan.cutoff != date.max), default=date.min)
    left = {day for plan in plans for day in plan.days_left}
    audit = [file for file in day_files(lake, "audit") if (day := day_of(file)) < cutoff and day not in left]
    days = {day for plan in plans for day in plan.days if day < cutoff and day not in left} | set(map(day_of, audit))
    with_rejects = {day for plan in plans for day in plan.days_with_rejects}
    return Plan(
        cutoff=cutoff,
        days=sorted(days),
        partitions=[partition(warehouse, rejects.TABLE, day) for day in sorted(days - with_rejects)],
        data=audit,
        folders=["audit"],
    )


def _held(lake: Lake, leases: Iterable[str]) -> ExitStack:
    """Leases, taken in this order and held until the stack is closed."""
    with ExitStack() as stack:
        for name in leases:
            stack.enter_context(lake.lease(name))
        return stack.pop_all()


def _delete(lake: Lake, warehouse: Warehouse, plan: Plan) -> None:
    """Delete what a plan names: what says that something is there goes before it, so a kill leaves no false claim."""
    for file in plan.records:
        lake.delete(file.path)
    for name in plan.partitions:
        warehouse.drop(name)
    for file in plan.data:
        lake.delete(file.path)
    for folder in plan.folders:
        for day in plan.days:
            lake.delete_empty(f"{folder}/dt={day}")
