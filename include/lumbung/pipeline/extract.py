"""Extract: one source, one day, into the lake's raw folder.

Rows that cannot be read by the contract, identical repeats (the first is kept) and all rows of a key that come with
different contents are rejects; they are kept beside the snapshot with their reason.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.core import day as business_day
from lumbung.core.errors import SourceError
from lumbung.pipeline import snapshot
from lumbung.pipeline.rejects import AGAIN, TABLE, RejectWriter, masked, place, too_many
from lumbung.pipeline.repeats import Hashes, KeyHashes
from lumbung.pipeline.snapshot import Snapshot
from lumbung.sources import Batch, Reject, is_absent, read
from lumbung.storage.duck import engine, literal, parquet, quote, store
from lumbung.storage.lake import Lake, sha256
from lumbung.storage.manifest import are_there, commit

READER_VERSION = 1
"""Raised when a reader of files reads the same bytes otherwise: then no snapshot is taken by its checksum once."""


def extract(
    contract: Contract,
    day: date,
    *,
    lake: Lake,
    data_source: Path,
    dsn: str | None,
    run_id: str,
    started_at: datetime,
    refresh: bool = False,
) -> tuple[Snapshot, bool]:
    """Take a source's rows for a day, or reuse the snapshot that is there.

    A committed snapshot is reused, unless a refresh is asked for, or it was taken before its day was over and the run
    started before the end of the next day. One taken since the run started is good enough, unless another refresh took
    it. Where the source is a file that has not changed since the last snapshot, that is taken by its checksum: the new
    one has the same rows and rejects, and the file is not read row by row again.

    Args:
        contract: the staging table's contract, with its source.
        day: the business day.
        lake: where the snapshot goes.
        data_source: folder of the files.
        dsn: the PostgreSQL of a `postgres` source.
        run_id: the run.
        started_at: when it started.
        refresh: take the source again whatever is there.

    Returns:
        The snapshot, and whether it was taken now; by its checksum, if it names a generation as `same_as`.

    Raises:
        SourceError: the source is missing and not optional, empty or unreadable, or has more rejects than its contract
            allows. The rejects are in the lake; no snapshot is committed.
    """
    folder = snapshot.folder(contract.system, contract.table, day)
    previous = snapshot.committed(lake, contract.system, contract.table, day, run_id)
    if previous and (previous.extracted_at >= started_at or not (refresh or _is_due(previous, started_at))):
        return previous, False
    refreshed = refresh and previous is not None and datetime.now(UTC) >= business_day.ends_at(day)
    origin = {"taken_by": run_id, "refreshed": refreshed}
    file = _SourceFile.of(contract, data_source)
    if (
        file
        and previous
        and previous.made_from == file.made_from
        and (again := _take_again(previous, lake, folder, origin))
    ):
        return again, True
    with tempfile.TemporaryDirectory(prefix="lumbung-") as local:
        absent = is_absent(contract, data_source)
        attempt = _Attempt(contract, day, lake, Path(local), absent=absent, refreshed=refreshed)
        try:
            refusal = attempt.run(() if absent else read(contract, data_source=data_source, dsn=dsn))
        except SourceError as error:
            refusal = error
        document = attempt.document(folder, refusal)
    if file and file.is_unchanged():
        origin["made_from"] = file.made_from
    committed = commit(
        lake, folder, lambda generation: document.model_copy(update={**origin, "generation": generation})
    )
    if refusal:
        raise refusal
    return committed, True


def _is_due(previous: Snapshot, started_at: datetime) -> bool:
    """Whether a snapshot from before its day was over is to be taken again."""
    return previous.provisional and started_at < business_day.ends_at(previous.day + timedelta(days=1))


class _SourceFile(NamedTuple):
    """A source's file as it was before it was read.

    Attributes:
        path: where it is.
        state: tells by the file system that it was not changed while it was read.
        made_from: names its bytes and how they are read.
    """

    path: Path
    state: tuple[int, int, int]
    made_from: str

    @classmethod
    def of(cls, contract: Contract, data_source: Path) -> _SourceFile | None:
        """The file of a contract's source; None: it is not a file, or cannot be read, which reading it tells better."""
        if contract.source is None or contract.source.path is None:
            return None
        path = data_source / contract.source.path
        try:
            if not path.is_file():
                return None
            state = cls._state(path)
            read_by = f"{READER_VERSION} {contract.definition}"
            made_from = hashlib.sha256(f"{sha256(path)} {read_by}".encode()).hexdigest()
        except OSError:
            return None
        return cls(path, state, made_from)

    @staticmethod
    def _state(path: Path) -> tuple[int, int, int]:
        status = path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def is_unchanged(self) -> bool:
        """Whether the file is still as it was."""
        try:
            return self._state(self.path) == self.state
        except OSError:
            return False


def _take_again(previous: Snapshot, lake: Lake, folder: str, origin: dict[str, Any]) -> Snapshot | None:
    """A new snapshot with the files of the last one; None: it is not the run's any more, or its files are gone."""
    now = datetime.now(UTC)
    notes = [note for note in previous.note.split("; ") if note and note != _late_note(previous.extracted_at)]
    is_over = now >= business_day.ends_at(previous.day)
    changes = {
        "extracted_at": now,
        "provisional": not is_over,
        "note": "; ".join([*([_late_note(now)] if is_over else []), *notes]),
        "same_as": previous.same_as or previous.generation,
        **origin,
    }
    with lake.lease(f"version/{previous.system}"):  # a prune that deletes the day's files holds it
        if snapshot.committed(lake, previous.system, previous.entity, previous.day, origin["taken_by"]) != previous:
            return None
        if not are_there(lake, folder, (previous.file, previous.rejects)):
            return None
        return commit(
            lake, folder, lambda generation: previous.model_copy(update={**changes, "generation": generation})
        )


def _late_note(extracted_at: datetime) -> str:
    return f"rows of {extracted_at:%Y-%m-%d %H:%M} UTC"


class _Attempt:
    """One attempt at a source: rows and rejects on local disk, then in the lake."""

    def __init__(
        self, contract: Contract, day: date, lake: Lake, folder: Path, *, absent: bool, refreshed: bool
    ) -> None:
        self.contract, self.day, self.lake, self.folder = contract, day, lake, folder
        self.absent, self.refreshed = absent, refreshed
        self.columns = [column.name for column in contract.business_columns]
        self.schema = pa.schema([*((name, pa.string()) for name in self.columns), ("snapshot_date", pa.date32())])
        self.extracted_at = datetime.now(UTC)
        self.rows = self.folder / "rows.parquet"
        self.rejects = RejectWriter(self.folder / "rejects.parquet")
        self.read = self.kept = 0
        self.first_reject: Reject | None = None
        self.notes: list[str] = []

    def run(self, batches: Iterable[Batch]) -> SourceError | None:
        """Read all batches; the error, if the contract does not allow what came."""
        lines = array("q")
        with engine(self.folder) as db, KeyHashes(db, self.contract.key, self.folder) as hashes:
            with pq.ParquetWriter(self.rows, self.schema, compression="zstd") as writer:
                for batch in batches:
                    rows = batch.rows
                    stamp = pa.repeat(pa.scalar(self.day, pa.date32()), rows.num_rows)
                    writer.write_batch(pa.RecordBatch.from_arrays([*rows.columns, stamp], schema=self.schema))
                    hashes.add(rows)
                    if batch.lines is not None:
                        lines.extend(batch.lines)
                    if batch.note:
                        self.notes.append(batch.note)
                    self._reject(batch.rejects)
                    self.kept += rows.num_rows
                    self.read += rows.num_rows + len(batch.rejects)
            if len(suspects := hashes.repeated()):
                self._drop_repeats(db, hashes.expression, suspects, lines)
        return self._refusal()

    def _reject(self, rejects: Sequence[Reject]) -> None:
        if rejects and self.first_reject is None:
            self.first_reject = rejects[0]
        self.rejects.add(rejects)

    def _drop_repeats(self, db: duckdb.DuckDBPyConnection, hashed: str, suspects: Hashes, lines: array[int]) -> None:
        """Reject the rows whose key another row has, too.

        Args:
            db: the engine.
            hashed: gives a row's hash.
            suspects: the hashes that more than one row has.
            lines: each row's line in the source; none where it has no lines.
        """
        source = parquet(self.rows)
        db.from_arrow(pa.table({"h": suspects})).create("suspect")
        compared = [column.name for column in self.contract.business_columns if column.compared]
        row, contents, key = (
            ", ".join(f"{quote(name)} := {quote(name)}" for name in names)
            for names in (self.columns, compared, self.contract.key)
        )
        db.execute(f"""
            CREATE TEMP TABLE repeat AS
            WITH candidate AS (
                SELECT file_row_number AS n, to_json(struct_pack({row}))::VARCHAR AS raw,
                    to_json(struct_pack({contents}))::VARCHAR AS contents, struct_pack({key}) AS key
                FROM {source} WHERE {hashed} IN (SELECT h FROM suspect)
            ), compared AS (
                SELECT n, raw, key, count(*) OVER same AS times, min(n) OVER same AS first,
                    min(contents) OVER same <> max(contents) OVER same AS differs
                FROM candidate WINDOW same AS (PARTITION BY key)
            )
            SELECT * FROM compared WHERE times > 1 AND (differs OR n > first)
        """)
        repeats = db.execute("SELECT n, raw, key, times, differs, first FROM repeat ORDER BY n")
        while rows := repeats.fetchmany(10_000):
            self._reject([self._repeat(lines, *row) for row in rows])
            self.kept -= len(rows)
        kept = self.folder / "kept.parquet"
        db.execute(
            f"COPY (SELECT * EXCLUDE (file_row_number) FROM {source}"
            f" WHERE file_row_number NOT IN (SELECT n FROM repeat) ORDER BY file_row_number)"
            f" TO {literal(kept)} (FORMAT parquet, COMPRESSION zstd)"
        )
        self.rows = kept

    def _repeat(
        self, lines: array[int], n: int, raw: str, key: dict[str, str], times: int, differs: bool, first: int
    ) -> Reject:
        if differs:
            reason = f"{times} rows with the same {', '.join(self.contract.key)} and different contents"
        else:
            earlier = f"line {lines[first]}" if lines else f"row {first + 1}"
            reason = f"an identical repeat of {earlier}"
        return Reject(line=lines[n] if lines else None, raw=raw, reason=reason, key=key, loses_row=differs)

    def _refusal(self) -> SourceError | None:
        source = self.contract.source
        assert source
        first = self.first_reject
        if first and (
            refusal := too_many(
                self.contract,
                self.day,
                rejected=self.rejects.count,
                read=self.read,
                reason=first.reason,
                line=first.line,
                by_refresh=self.refreshed,
            )
        ):
            return refusal
        if self.kept < source.min_rows and not self.absent:
            again = AGAIN if self.refreshed else ""
            rejected, remedy = "", f"fill the source{again}"
            if first:
                rejected = f"; {self.rejects.count} rejected, the first: {masked(self.contract, first.reason)}"
                remedy = f"fix the source{again} (the rejects are in {TABLE})"
            return SourceError(
                f"{self.kept} rows, where the contract expects at least {source.min_rows}{rejected}",
                where=place(source.label, self.day, first.line if first else None),
                remedy=f"{remedy}, or lower min_rows in {self.contract.dataset}/{self.contract.path.name}",
            )
        return None

    def document(self, folder: str, refusal: SourceError | None) -> Snapshot:
        """The manifest, its files put into the lake; the generation is not chosen yet."""
        unique = uuid.uuid4().hex[:12]
        rejects = self.rejects.close()
        is_over = self.extracted_at >= business_day.ends_at(self.day)
        notes = [_late_note(self.extracted_at)] if is_over else []
        notes += ["the file is missing, which the contract allows"] if self.absent else []
        return Snapshot(
            system=self.contract.system,
            entity=self.contract.table,
            day=self.day,
            generation=0,
            state="refused" if refusal else "committed",
            columns=self.columns,
            rows_read=self.read,
            rows_kept=0 if refusal else self.kept,
            rows_rejected=self.rejects.count,
            file=None if refusal else store(self.lake, self.rows, f"{folder}/part-{unique}.parquet"),
            rejects=store(self.lake, rejects, f"{folder}/rejects-{unique}.parquet") if self.rejects.count else None,
            source=self.contract.source.label if self.contract.source else "",
            extracted_at=self.extracted_at,
            provisional=not is_over,
            note=str(refusal) if refusal else "; ".join([*notes, *self.notes]),
        )
