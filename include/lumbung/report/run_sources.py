"""Where the rows of a run's sources went, by what its own tasks took: another run of the day may have taken others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import pyarrow.parquet as pq

from lumbung.catalog.contract import Catalog
from lumbung.pipeline import snapshot
from lumbung.pipeline.rejects import RejectedFile
from lumbung.pipeline.snapshot import Snapshot, Version
from lumbung.pipeline.system import SnapshotSystem, System
from lumbung.serving.reasons import without_values
from lumbung.serving.schema import FAILED, RejectedRow, Result
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import newest

REFUSED = "refused"
RAW_ROWS = 100
_EXTRACT = "extract."
_GENERATION = re.compile(r"\bgeneration ([0-9]+)")

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class SourceRows(Result):
    """Where the rows of one source went in the run.

    Attributes:
        source: what people call it.
        table: the staging table, or what else rows came to.
        task: who counted them last.
        rows_read: rows read.
        rows_loaded: rows kept; they are loaded once the run has come that far.
        rows_rejected: rows rejected.
        note: what else is known.
        is_loaded: whether it has; if not, they are taken from the source, and nothing more.
    """

    source: str
    table: str
    task: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    note: str
    is_loaded: bool

    @property
    def balanced(self) -> bool:
        """Whether rows read = rows loaded + rows rejected; of a source that was refused no row is kept."""
        kept = self.rows_read == self.rows_loaded + self.rows_rejected
        return kept or (self.is_refused and not self.rows_loaded)

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it is loaded, as it or another source of the version broke a limit."""
        return self.note == REFUSED


@dataclass(frozen=True)
class ReasonCount(Result):
    """How many rows of a source were rejected for one kind of reason."""

    source: str
    reason: str
    rows: int


@dataclass(frozen=True)
class Taken:
    """What a run has taken of a system of snapshots; refused attempts, too.

    Attributes:
        snapshots: by source.
        version: what they make together; None: the run has not come that far.
    """

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    version: Version | None = None

    def rejects(self) -> Iterator[RejectedFile]:
        """The files of their rejects."""
        for entity, taken in self.snapshots.items():
            member = self.version.members.get(entity) if self.version else None
            for file in (taken.rejects, member.rejects if member else None):
                if file:
                    yield RejectedFile(taken.system, entity, file)


def taken_by(records: Records, system: System, lake: Lake, day: date) -> Taken:
    """What a run has taken: its tasks recorded the generation, or the error that the refused attempt has, too.

    Args:
        records: what the run's tasks did.
        system: the system; one of streams takes no snapshots.
        lake: the lake.
        day: the business day.
    """
    snapshots, version = {}, None
    if not isinstance(system, SnapshotSystem):
        return Taken()
    for record in records:
        said = record["note"]
        if record["task"].startswith(_EXTRACT):
            entity = record["table"].partition(".")[2]
            where = snapshot.folder(system.name, entity, day)
            if found := newest(lake, where, Snapshot, partial(_is_of, said)):
                snapshots[entity] = found
        elif record["task"] == system.decision_task:
            where = f"{snapshot.version_folder(system.name)}/dt={day}"
            version = newest(lake, where, Version, partial(_is_of, said))
    return Taken(snapshots, version)


def _is_of(said: str, attempt: Snapshot | Version) -> bool:
    """Whether an attempt is that of a task which has recorded this note."""
    if said.startswith(FAILED):  # a version's note has the errors of all sources, a record that of the first
        return attempt.state == "refused" and attempt.note.startswith(said.removeprefix(FAILED))
    generation = _GENERATION.search(said)
    return generation is not None and attempt.generation == int(generation[1])


def sources(records: Records, taken: Taken, system: System, catalog: Catalog) -> list[SourceRows]:
    """The last count of each source: the version and loads count what references between sources rejected, too.

    Args:
        records: what the run's tasks did.
        taken: what they took.
        system: the system.
        catalog: the contracts.
    """
    labels = {contract.address: contract.source.label for contract in catalog.sources(system.name) if contract.source}
    counted: dict[str, SourceRows] = {}

    def count(table: str, task: str, numbers: tuple[int, int, int], note: str, *, is_loaded: bool = False) -> None:
        counted[table] = SourceRows(labels.get(table, table), table, task, *numbers, note, is_loaded)

    for record in records:
        table, task, note = record["table"], record["task"], record["note"]
        read, kept, rejected = record["rows_in"], record["rows_out"], record["rows_rejected"]
        attempt = taken.snapshots.get(table.partition(".")[2]) if note.startswith(FAILED) else None
        if attempt and attempt.rows_read:  # the record of a source that was refused has no counts
            count(table, task, (attempt.rows_read, attempt.rows_kept, attempt.rows_rejected), REFUSED)
        elif task == system.decision_task and taken.version:
            refused = REFUSED if taken.version.state == "refused" else ""
            for entity, member in taken.version.members.items():
                numbers = (member.rows_read, member.file.rows, member.rows_rejected)
                count(f"staging.{entity}", task, numbers, refused or member.note)
        elif read is not None and rejected is not None and table != system.name and not note.startswith(FAILED):
            count(table, task, (read, kept or 0, rejected), note, is_loaded=not task.startswith(_EXTRACT))
    return list(counted.values())


def rejects(
    files: Iterable[RejectedFile], lake: Lake, names: Collection[str]
) -> tuple[list[ReasonCount], list[RejectedRow]]:
    """Rejects counted by source and reason, and the first of them.

    Args:
        files: where they are.
        lake: the lake.
        names: names of contracts, which reasons may show.
    """
    counts: Counter[tuple[str, str]] = Counter()
    rows: list[RejectedRow] = []
    for rejected in files:
        with lake.local(rejected.file.path) as path, pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["line", "raw", "reason"]):
                reasons = batch.column("reason").to_pylist()
                counts.update((rejected.entity, without_values(reason, names)) for reason in reasons)
                rows += [
                    RejectedRow(rejected.entity, row["line"], row["raw"] or "", row["reason"])
                    for row in batch.slice(0, max(0, RAW_ROWS - len(rows))).to_pylist()
                ]
    return [ReasonCount(entity, reason, count) for (entity, reason), count in counts.most_common()], rows
