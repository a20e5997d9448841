"""Snapshots: what was taken of a source for a day, and which of a system's snapshots belong together.

A snapshot's data files are written first and its manifest last, created only if absent, so a killed extract leaves
nothing that a reader sees. A system's version lists one snapshot of each of its sources; versions are totally ordered
by day and generation, and no clock takes part.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, Protocol

from lumbung.storage.lake import Lake
from lumbung.storage.manifest import MANIFEST as MANIFEST
from lumbung.storage.manifest import DataFile as DataFile
from lumbung.storage.manifest import Document as Document
from lumbung.storage.manifest import Manifest as Manifest
from lumbung.storage.manifest import commit as commit
from lumbung.storage.manifest import newest as newest


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


class Version(Manifest):
    """A system's manifest for a day: one snapshot of each source, references checked between them."""

    system: str
    day: date
    state: Literal["committed", "refused"]
    members: dict[str, Member]
    note: str = ""

    @property
    def order(self) -> tuple[date, int]:
        """Which of two versions is newer."""
        return self.day, self.generation

    @property
    def generations(self) -> dict[str, int]:
        """The generation of each source's snapshot."""
        return {entity: member.generation for entity, member in self.members.items()}

    @property
    def extracted_at(self) -> datetime:
        """When the latest of its sources was read."""
        return max(member.extracted_at for member in self.members.values())

    @property
    def provisional(self) -> bool:
        """Whether a source was read before the day was over."""
        return any(member.provisional for member in self.members.values())

    @property
    def changed(self) -> list[date]:
        """None: only incremental tables are made by days that changed."""
        return []

    @property
    def is_whole(self) -> bool:
        """Whether there are no other days than those that changed."""
        return True

    @property
    def partitions(self) -> dict[tuple[str, date], int | str]:
        """The staging partitions its tables are built from, by table and day, and what each must hold."""
        return {(entity, self.day): self.generation for entity in self.members}

    @property
    def facts(self) -> dict[str, Any]:
        """What else to write down when it is published."""
        return {}


class Target(Protocol):
    """What a run's tables are built from: a `Version`, or what stands for one where there are no snapshots."""

    @property
    def system(self) -> str: ...  # noqa: D102
    @property
    def day(self) -> date: ...  # noqa: D102
    @property
    def generation(self) -> int: ...  # noqa: D102
    @property
    def extracted_at(self) -> datetime: ...  # noqa: D102
    @property
    def provisional(self) -> bool: ...  # noqa: D102
    @property
    def changed(self) -> list[date]: ...  # noqa: D102
    @property
    def is_whole(self) -> bool: ...  # noqa: D102
    @property
    def partitions(self) -> dict[tuple[str, date], int | str]: ...  # noqa: D102
    @property
    def facts(self) -> dict[str, Any]: ...  # noqa: D102


def folder(system: str, entity: str, day: date) -> str:
    """Where a source's snapshots of a day lie."""
    return f"raw/{system}/{entity}/dt={day:%Y-%m-%d}"


def version_folder(system: str) -> str:
    """Where a system's versions lie, a folder a day."""
    return f"version/{system}"


def committed(lake: Lake, system: str, entity: str, day: date) -> Snapshot | None:
    """The newest committed snapshot of a source for a day."""
    return newest(lake, folder(system, entity, day), Snapshot, lambda one: one.state == "committed")


def attempted(lake: Lake, system: str, entity: str, day: date) -> Snapshot | None:
    """The newest snapshot of a source for a day, refused ones with rejects included.

    A refused one without, of a source that was away, says nothing of rows: those of the one before still stand.
    """
    where = folder(system, entity, day)
    return newest(lake, where, Snapshot, lambda one: one.state == "committed" or one.rejects is not None)


def version_of(lake: Lake, system: str, day: date, *, refused: bool = False) -> Version | None:
    """The system's newest version for a day; with `refused`, the newest attempt at one."""
    where = f"{version_folder(system)}/dt={day:%Y-%m-%d}"
    return newest(lake, where, Version, lambda one: refused or one.state == "committed")


def newest_version(lake: Lake, system: str) -> Version | None:
    """The system's version of the latest day that has one."""
    for name in reversed(lake.names(version_folder(system))):
        if version := version_of(lake, system, date.fromisoformat(name.removeprefix("dt="))):
            return version
    return None
