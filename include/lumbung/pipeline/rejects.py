"""Rejected rows: where they are kept, how many a contract allows, and the table that shows them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.core.errors import SourceError
from lumbung.pipeline import snapshot
from lumbung.pipeline.run import Run, Step
from lumbung.serving.reasons import names_of, without_values
from lumbung.sources import REJECT_SCHEMA, Reject
from lumbung.storage.columns import arrow_schema
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile

TABLE = "staging.rejected_row"
AGAIN = " and run the day again with --refresh"
"""What to do, after the source is fixed, where a run would reuse a snapshot."""
SCHEMA = pa.schema([*REJECT_SCHEMA, ("key", pa.map_(pa.string(), pa.string())), ("loses_row", pa.bool_())])
"""Of the files that keep a snapshot's rejects; those of earlier releases have the columns of `REJECT_SCHEMA` only."""


@dataclass(frozen=True)
class RejectedFile:
    """A file of rejects in the lake, and whose they are."""

    system: str
    entity: str
    file: DataFile


Finder = Callable[[Lake, date], Iterable[RejectedFile]]
"""Gives the files of a day's rejects, of all systems."""


class RejectWriter:
    """Rejects on local disk, written as they come.

    Attributes:
        count: how many were written.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.count = file, 0
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")

    def add(self, rejects: Sequence[Reject]) -> None:
        """Append rejects."""
        if rejects:
            rows = [
                {**vars(reject), "key": None if reject.key is None else list(reject.key.items())} for reject in rejects
            ]
            self._writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
            self.count += len(rejects)

    def close(self) -> Path:
        """The finished file."""
        self._writer.close()
        return self.file


def keys(file: Path) -> Iterator[tuple[dict[str, str | None], bool]]:
    """The key of each reject in a file of them, and whether a row is lost by it.

    A key lacks what cannot be read. Of files of earlier releases no key can be read, and each reject may lose a row.

    Args:
        file: the file, on local disk.
    """
    with pq.ParquetFile(file) as rejects:
        if "key" not in rejects.schema_arrow.names:
            yield from (({}, True) for _ in range(rejects.metadata.num_rows))
            return
        for batch in rejects.iter_batches(columns=["key", "loses_row"]):
            for row in batch.to_pylist():
                yield dict(row["key"] or []), row["loses_row"]


def too_many(
    contract: Contract,
    day: date,
    *,
    rejected: int,
    read: int,
    reason: str,
    line: int | None = None,
    cause: str = "",
    remedy: str = "",
    by_refresh: bool = False,
) -> SourceError | None:
    """The error, if more of the rows read are rejected than the contract allows (one always is).

    Logs, notes and pages show it, also to people who may not see rows: it has the reason without what that quotes.

    Args:
        contract: the staging table's contract, with its source.
        day: the business day.
        rejected: rows rejected.
        read: rows read.
        reason: why the first of them was rejected.
        line: its line in the source, from 1.
        cause: what led to it, where that is known.
        remedy: what to do, if it is not to fix the source or to allow more.
        by_refresh: whether only a refresh takes the source again.
    """
    assert contract.source
    allowed = max(1, int(contract.source.max_rejects * read))
    if rejected <= allowed:
        return None
    # A higher limit does not help where nothing would be left.
    instead = "correct" if rejected == read else "raise max_rejects in"
    again = AGAIN if by_refresh else ""
    return SourceError(
        f"{rejected} of {read} rows are rejected, {allowed} allowed; the first: {masked(contract, reason)}"
        f"{cause and f' ({cause})'}",
        where=place(contract.source.label, day, line),
        remedy=remedy
        or f"fix the source{again} (the rejects are in {TABLE}), or {instead} {contract.dataset}/{contract.path.name}",
    )


def masked(contract: Contract, reason: str) -> str:
    """A reject's reason as an error has it: without values of the row, which are in `TABLE`."""
    return without_values(reason, names_of([contract]), counts=True)


def place(label: str, day: date, line: int | None) -> str:
    """Where in a source something is, for an error.

    Args:
        label: what people call the source.
        day: the business day.
        line: its line, from 1; None: it has no lines.
    """
    return f"{label}{f':{line}' if line else ''}, day {day}"


def of_snapshots(lake: Lake, system: str, day: date) -> Iterator[RejectedFile]:
    """A day's rejects of a system of snapshots: of each source as `attempted` says, and of references between them.

    Args:
        lake: the lake.
        system: the system.
        day: the business day.
    """
    version = snapshot.version_of(lake, system, day, refused=True)
    for entity in lake.names(f"raw/{system}"):
        attempt = snapshot.attempted(lake, system, entity, day, version)
        if attempt is None:
            continue
        member = version.members.get(entity) if version else None
        dangling = member.rejects if member and member.generation == attempt.generation else None
        for file in (attempt.rejects, dangling):
            if file:
                yield RejectedFile(system, entity, file)


def load_rejected(run: Run, days: Sequence[date], find: Finder) -> Step:
    """Rebuild the days' partitions of `staging.rejected_row` from what is in the lake.

    Args:
        run: the run.
        days: the days, at least one.
        find: gives a day's files of all systems.

    Returns:
        The rows, bytes and seconds of all days, and the last job.
    """
    steps = [_load_day(run, day, find) for day in days]
    return Step.written(
        TABLE,
        rows_out=sum(step.rows_out or 0 for step in steps),
        bytes=sum(step.bytes or 0 for step in steps),
        seconds=round(sum(step.seconds or 0 for step in steps), 3),
        job_id=steps[-1].job_id,
    )


def _load_day(run: Run, day: date, find: Finder) -> Step:
    contract = run.catalog[TABLE]
    # Listed under the lease, so the last one to load has seen all files.
    with run.lake.lease(f"load/{TABLE}"), tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file = Path(folder) / "rejected.parquet"
        rows = 0
        with pq.ParquetWriter(file, arrow_schema(contract)) as writer:
            for rejected in find(run.lake, day):
                with run.lake.local(rejected.file.path) as part:
                    for batch in pq.ParquetFile(part).iter_batches():
                        stamped = _stamp(batch, contract, day, rejected)
                        writer.write_batch(stamped)
                        rows += stamped.num_rows
        job = run.warehouse.load(contract, file, day, {**run.labels, "table": contract.table})
        run.warehouse.describe(contract, {"layer": contract.dataset})
    return Step.written(TABLE, rows_out=rows, bytes=job.bytes, seconds=job.seconds, job_id=job.job_id)


def _stamp(batch: pa.RecordBatch, contract: Contract, day: date, rejected: RejectedFile) -> pa.RecordBatch:
    """The batch with the columns that say whose rejects they are."""
    fixed = {"snapshot_date": day, "system": rejected.system, "entity": rejected.entity}
    schema = arrow_schema(contract)
    columns = [
        pa.array([fixed[name]] * batch.num_rows, schema.field(name).type) if name in fixed else batch.column(name)
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
