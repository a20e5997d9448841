"""Retention: what is deleted of a system of snapshots, and in which order.

Of a day that goes, everything in the lake and its staging partitions go; of a day that stays, the generations that are
older than those of its newest committed version. What is or is being published stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from lumbung.catalog.contract import Contract
from lumbung.pipeline.snapshot import Snapshot, Version, version_folder
from lumbung.storage import state
from lumbung.storage.lake import Lake, Stored
from lumbung.storage.manifest import MANIFEST
from lumbung.storage.warehouse import PARTITION_KEY, Warehouse

DAY = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})(?=/|\.json$)")


@dataclass(frozen=True)
class Plan:
    """What goes of a system; the lists in the order they are deleted in.

    Attributes:
        cutoff: days before it are old; date.max: for the system, what systems share of a day may go.
        days: the days that go as a whole.
        days_left: the days of which something stays.
        records: manifests and markers, which say that something is there.
        partitions: staging partitions, by full name.
        data: files that the records name, and files that nothing names.
        folders: folders of days; those of `days` are deleted when they are empty.
        days_with_rejects: days that keep their partition of `staging.rejected_row`.
    """

    cutoff: date
    days: list[date] = field(default_factory=list)
    days_left: set[date] = field(default_factory=set)
    records: list[Stored] = field(default_factory=list)
    partitions: list[str] = field(default_factory=list)
    data: list[Stored] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    days_with_rejects: set[date] = field(default_factory=set)


def plan_snapshots(
    lake: Lake, warehouse: Warehouse, system: str, sources: Sequence[Contract], *, keep: int, before: datetime
) -> Plan:
    """What goes of a system of snapshots.

    Args:
        lake: the lake.
        warehouse: whose staging partitions go.
        system: the system.
        sources: its staging tables.
        keep: days with a committed version to keep.
        before: a younger file that no manifest names may be that of an extract at work.
    """
    # Listed before the manifests are read: what is written in between is in no list.
    versions, raw = day_files(lake, version_folder(system)), day_files(lake, f"raw/{system}")
    manifests: dict[str, Version | Snapshot] = {}
    for files, model in ((versions, Version), (raw, Snapshot)):
        for file in files:
            if MANIFEST.match(file.path.rpartition("/")[2]) and (content := lake.read(file.path)):
                manifests[file.path] = model.model_validate_json(content)

    newest: dict[date, Version] = {}
    for manifest in manifests.values():
        if isinstance(manifest, Version) and manifest.state == "committed":
            newest[manifest.day] = max(newest.get(manifest.day, manifest), manifest, key=lambda version: version.order)
    if not versions and not raw:  # it has never run here
        return Plan(cutoff=date.max)
    cutoff = sorted(newest)[-keep] if len(newest) >= keep else date.min
    published = _published(lake, system)

    def is_old(day: date) -> bool:
        return day < cutoff and day not in published

    def goes(manifest: Version | Snapshot) -> bool:
        if is_old(manifest.day):
            return True
        if (version := newest.get(manifest.day)) is None:
            return False
        if isinstance(manifest, Version):
            return manifest.generation < version.generation
        return manifest.entity in version.members and manifest.generation < version.members[manifest.entity].generation

    stay = {path for manifest in manifests.values() if not goes(manifest) for path in _paths(manifest)}
    go = {path for manifest in manifests.values() if goes(manifest) for path in _paths(manifest)}
    data = [
        file
        for file in (*versions, *raw)
        if file.path not in manifests and file.path not in stay and (file.path in go or file.modified < before)
    ]
    going = [file for file in (*versions, *raw) if file.path in manifests and goes(manifests[file.path])]
    days = sorted({day for file in (*going, *data) if is_old(day := day_of(file))})
    of_a_day = state.day_documents(system)
    markers = [file for file in day_files(lake, state.ROOT) if of_a_day.fullmatch(file.path) and day_of(file) in days]
    gone = {file.path for file in (*going, *data)}
    return Plan(
        cutoff=cutoff,
        days=days,
        days_left={day_of(file) for file in (*versions, *raw) if file.path not in gone},
        records=[*markers, *going],
        partitions=[partition(warehouse, source.address, day) for day in days for source in sources],
        data=data,
        folders=[
            version_folder(system),
            *(f"raw/{system}/{source.table}" for source in sources),
            *(f"{documents.folder}/build" for documents in state.of_system(lake, system)),
        ],
    )


def _published(lake: Lake, system: str) -> set[date]:
    """The days that are, or are being, published in any warehouse that shares the lake."""
    days = set()
    for documents in state.of_system(lake, system):
        pending = documents.pending()
        for published in (documents.published(), pending and pending.whole, pending and pending.daily):
            if published:
                days.add(published.day)
    return days


def _paths(manifest: Version | Snapshot) -> list[str]:
    parts = manifest.members.values() if isinstance(manifest, Version) else [manifest]
    return [file.path for part in parts for file in (part.file, part.rejects) if file]


def day_files(lake: Lake, folder: str) -> list[Stored]:
    """The files that belong to a day; whatever else people put into the lake is theirs."""
    return [file for file in lake.files(folder) if DAY.search(file.path)]


def day_of(file: Stored) -> date:
    """The day that a file belongs to."""
    match = DAY.search(file.path)
    assert match
    return date.fromisoformat(match[1])


def partition(warehouse: Warehouse, address: str, day: date) -> str:
    """The full name of a table's partition.

    Args:
        warehouse: where the table is.
        address: the table, `<dataset>.<table>`.
        day: the partition.
    """
    return f"{warehouse.table(address)}${day.strftime(PARTITION_KEY)}"
