"""Snapshots: what was taken of a source for a day, and which of a system's snapshots belong together.

A snapshot's data files are written first and its manifest last, created only if absent, so a killed extract leaves
nothing that a reader sees. A system's version lists one snapshot of each of its sources; versions are totally ordered
by day and generation, and no clock takes part.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.pipeline.target import Partition, Target
from lumbung.serving.schema import Accounting
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document, Manifest, manifests, newest


class Snapshot(Manifest):
    """A source's manifest for a day; a refused one holds rejects and the reason, and is never loaded."""

    system: str
    entity: str
    day: date
    state: Literal["committed", "refused"]
    columns: list[str]
    rows_read: int
    rows_kept: int
    rows_rejected: int
    file: DataFile | None
    rejects: DataFile | None
    source: str
    extracted_at: datetime
    provisional: bool
    note: str = ""
    made_from: str | None = None
    """Names the bytes of the source's file and how they are read; None: it is not known, or not a file."""
    same_as: int | None = None
    """The generation whose files it has, as the source's file is the same; None: it has files of its own."""
    taken_by: str = ""
    """The run that took it; empty: taken by an earlier release."""
    refreshed: bool = False
    """Whether a refresh took it in place of another one, of a day that was over."""


class Member(Document):
    """One source's part of a version: the snapshot and what of it goes to staging."""

    generation: int
    columns: list[str]
    file: DataFile
    rejects: DataFile | None
    rows_read: int
    rows_rejected: int
    extracted_at: datetime
    provisional: bool
    note: str = ""
    taken: str | None = None
    """Checksum of the snapshot's file, before references were checked; None: written by an earlier release."""


class Version(Manifest):
    """A system's manifest for a day: one snapshot of each source, references checked between them."""

    system: str
    day: date
    state: Literal["committed", "refused"]
    members: dict[str, Member]
    note: str = ""
    rules: str = ""
    """Names the contracts by which references were checked."""

    @property
    def order(self) -> tuple[date, int]:
        """Which of two versions is newer."""
        return self.day, self.generation

    @property
    def rows_read(self) -> int:
        """Rows read of all sources."""
        return sum(member.rows_read for member in self.members.values())

    @property
    def rows_kept(self) -> int:
        """Rows of all sources that go to staging."""
        return sum(member.file.rows for member in self.members.values())

    @property
    def rows_rejected(self) -> int:
        """Rejects of all sources, with those of references between them."""
        return sum(member.rows_rejected for member in self.members.values())

    @property
    def generations(self) -> dict[str, int]:
        """The generation of each source's snapshot."""
        return {entity: member.generation for entity, member in self.members.items()}

    def target(self) -> Target:
        """The version as what tables are built from."""
        return Target(
            system=self.system,
            day=self.day,
            generation=self.generation,
            extracted_at=max(member.extracted_at for member in self.members.values()),
            provisional=any(member.provisional for member in self.members.values()),
            manifest=f"{version_folder(self.system)}/dt={self.day}/manifest-{self.generation:06}.json",
            partitions=[Partition(table=entity, day=self.day, holds=self.generation) for entity in self.members],
        )


def folder(system: str, entity: str, day: date) -> str:
    """Where a source's snapshots of a day lie.

    Args:
        system: the system.
        entity: the source: its staging table, without the data set.
        day: the business day.
    """
    return f"raw/{system}/{entity}/dt={day:%Y-%m-%d}"


def version_folder(system: str) -> str:
    """Where a system's versions lie, a folder a day."""
    return f"version/{system}"


def committed(lake: Lake, system: str, entity: str, day: date, run_id: str) -> Snapshot | None:
    """The committed snapshot of a source for a day that a run goes on with.

    It is the newest one, with two exceptions until a version lists it. What a refresh took is for that refresh only, so
    that others get all of it or nothing; and a run prefers what it took itself, but not rows from before the end of the
    day to later ones.

    Args:
        lake: the lake.
        system: the system.
        entity: the source.
        day: the business day.
        run_id: the run.
    """
    listed: int | None = None
    newest_of_others: Snapshot | None = None
    for taken in manifests(lake, folder(system, entity, day), Snapshot):
        if not _is_committed(taken):
            continue
        if taken.taken_by == run_id:
            is_early = taken.provisional and newest_of_others and not newest_of_others.provisional
            return newest_of_others if is_early else taken
        if listed is None and taken.generation > 1:  # the first one is seen by all
            listed = _listed(version_of(lake, system, day), entity)
        if listed is None or taken.generation <= listed:
            return newest_of_others or taken
        if not taken.refreshed:
            newest_of_others = newest_of_others or taken
    return newest_of_others


def of_generation(lake: Lake, system: str, entity: str, day: date, generation: int) -> Snapshot:
    """A source's snapshot that a version lists.

    Args:
        lake: the lake.
        system: the system.
        entity: the source.
        day: the business day.
        generation: which of the day's snapshots.

    Raises:
        LumbungError: it is not there any more.
    """
    path = f"{folder(system, entity, day)}/manifest-{generation:06}.json"
    content = lake.read(path)
    if content is None:
        raise LumbungError(
            "the snapshot is not in the lake any more", where=lake.address(path), remedy="run the day again"
        )
    return Snapshot.model_validate_json(content)


def attempted(lake: Lake, system: str, entity: str, day: date, version: Version | None) -> Snapshot | None:
    """The newest snapshot of a source for a day, refused ones with rejects included.

    A refused one without, of a source that was away, says nothing of rows: those of the one before still stand. One
    that no version of the day lists yet does not count where there is a version.

    Args:
        lake: the lake.
        system: the system.
        entity: the source.
        day: the business day.
        version: the newest attempt at a version of the day; None: there is none.
    """
    listed = _listed(version, entity)

    def has_rows(attempt: Snapshot) -> bool:
        if not _is_committed(attempt):
            return attempt.rejects is not None
        return version is None or attempt.generation <= listed

    return newest(lake, folder(system, entity, day), Snapshot, has_rows)


def version_of(lake: Lake, system: str, day: date, *, refused: bool = False) -> Version | None:
    """The system's newest version for a day; with `refused`, the newest attempt at one.

    Args:
        lake: the lake.
        system: the system.
        day: the business day.
        refused: whether an attempt that was refused counts.
    """
    where = f"{version_folder(system)}/dt={day:%Y-%m-%d}"
    return newest(lake, where, Version, lambda version: refused or _is_committed(version))


def newest_version(lake: Lake, system: str) -> Version | None:
    """The system's version of the latest day that has one."""
    for name in reversed(lake.names(version_folder(system))):
        if version := version_of(lake, system, date.fromisoformat(name.removeprefix("dt="))):
            return version
    return None


def accounting(lake: Lake, system: str, day: date) -> list[Accounting]:
    """Where the rows of each of a system's sources of a day went: read = loaded + rejected."""
    version = version_of(lake, system, day)
    if version is None:
        return []
    labels = {contract.table: contract.source.label for contract in Catalog().sources(system) if contract.source}
    return [
        Accounting(labels.get(name, name), day, member.rows_read, member.file.rows, member.rows_rejected, member.note)
        for name, member in version.members.items()
    ]


def _is_committed(document: Snapshot | Version) -> bool:
    return document.state == "committed"


def _listed(version: Version | None, entity: str) -> int:
    return version.members[entity].generation if version and entity in version.members else 0
