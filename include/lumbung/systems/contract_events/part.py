"""Files of events in the lake, in the order they are sent."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.core.errors import LumbungError
from lumbung.storage.duck import store
from lumbung.storage.lake import Lake, sha256
from lumbung.storage.manifest import DataFile
from lumbung.systems.contract_events.message import DELETE, TOMBSTONE
from lumbung.systems.contract_events.sending import EVENTS

PART_EVENTS = 100_000
"""Messages of a file at most; a file is a transaction."""

SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),  # in the sending, from 0; a tombstone has its event's
        pa.field("contract_id", pa.string(), nullable=False),  # the message's key
        pa.field("operation", pa.string(), nullable=False),  # INSERT, UPDATE, DELETE or TOMBSTONE
        pa.field("event_id", pa.string()),
        pa.field("value", pa.string()),  # the message: JSON without a registry's prefix; null: a tombstone
    ]
)
GROUP_EVENTS = 10_000


class Event(NamedTuple):
    """A row of a file of events, as `SCHEMA` says."""

    position: int
    contract_id: str
    operation: str
    event_id: str | None
    value: str | None


class PartWriter:
    """Events on their way into files of the lake.

    The same events give the same files, however they come: what names a file in Kafka is its checksum.

    Args:
        lake: where the files go.
        key: names them.
        folder: for files that are not finished yet.
        tombstones: whether a message without a value follows each DELETE event, in the same file.
    """

    def __init__(self, lake: Lake, key: str, folder: Path, *, tombstones: bool = False) -> None:
        self._lake, self._key, self._folder, self._tombstones = lake, key, folder, tombstones
        self._rows = SCHEMA.empty_table()
        self._position = self._count = 0
        self._writer: pq.ParquetWriter | None = None
        self._parts: list[DataFile] = []

    def add(self, events: Sequence[tuple[str, str, str, str]]) -> int:
        """Append events.

        Args:
            events: contract, operation, identifier and message of each.

        Returns:
            How many tombstones follow them.
        """
        rows: list[tuple[int, str, str, str | None, str | None]] = []
        for position, event in enumerate(events, self._position):
            rows.append((position, *event))
            if self._tombstones and event[1] == DELETE:
                rows.append((position, event[0], TOMBSTONE, None, None))
        self._position += len(events)
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self._rows = pa.concat_tables([self._rows, pa.table(columns, schema=SCHEMA)])
        self._write()
        return len(rows) - len(events)

    def close(self) -> list[DataFile]:
        """The files, in order."""
        self._write(until=0)
        self._end()
        return self._parts

    @property
    def _file(self) -> Path:
        return self._folder / f"part-{len(self._parts) + 1:04}.parquet"

    def _write(self, until: int | None = None) -> None:
        """Write groups of rows, but for the last ones, which may have a tombstone behind them that is still to come."""
        while len(self._rows) > (min(GROUP_EVENTS, PART_EVENTS - self._count) if until is None else until):
            size = min(GROUP_EVENTS, PART_EVENTS - self._count)
            if size < len(self._rows) and self._rows["operation"][size].as_py() == TOMBSTONE:
                size += 1
            group, self._rows = self._rows.slice(0, size), self._rows.slice(size)
            self._writer = self._writer or pq.ParquetWriter(self._file, SCHEMA, compression="zstd")
            self._writer.write_table(group)
            self._count += len(group)
            if self._count >= PART_EVENTS:
                self._end()

    def _end(self) -> None:
        if self._writer:
            self._writer.close()
            path = f"{EVENTS}/{self._key}-{len(self._parts) + 1:04}.parquet"
            self._parts.append(store(self._lake, self._file, path))
        self._writer, self._count = None, 0


def read(lake: Lake, part: DataFile) -> Iterator[Event]:
    """The events of a file, as they come.

    Raises:
        LumbungError: the file is not what it was when it was written.
    """
    with local(lake, part) as file, contextlib.closing(pq.ParquetFile(file)) as parquet:
        for batch in parquet.iter_batches(GROUP_EVENTS):
            yield from map(Event._make, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def messages(
    lake: Lake, part: DataFile, frame: bytes, operations: Counter[str]
) -> Iterator[tuple[bytes, bytes | None]]:
    """Key and value of each message of a file, for Kafka.

    Args:
        lake: the lake.
        part: the file.
        frame: what stands before each value.
        operations: is given how many messages of each operation have been read.

    Raises:
        LumbungError: the file is not what it was when it was written.
    """
    with local(lake, part) as file, contextlib.closing(pq.ParquetFile(file)) as parquet:
        for batch in parquet.iter_batches(GROUP_EVENTS, columns=["contract_id", "operation", "value"]):
            keys, values = (batch[name].cast(pa.binary()).to_pylist() for name in ("contract_id", "value"))
            operations.update(batch["operation"].to_pylist())
            yield from zip(keys, (value and frame + value for value in values) if frame else values, strict=True)


@contextlib.contextmanager
def local(lake: Lake, part: DataFile) -> Iterator[Path]:
    """A local copy of a file of events.

    Raises:
        LumbungError: the file is missing, or not what it was when it was written.
    """
    with lake.local(part.path) as file:
        try:
            checksum = sha256(file)
        except FileNotFoundError:
            checksum = None
        if checksum != part.sha256:
            raise LumbungError(
                "the file is missing, or not what was written",
                where=lake.address(part.path),
                remedy="restore it from a copy of the lake",
            )
        yield file
