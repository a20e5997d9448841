"""Files of events in the lake, in the order they are sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.core.errors import LumbungError
from lumbung.storage.duck import store
from lumbung.storage.lake import Lake, sha256
from lumbung.storage.manifest import DataFile
from lumbung.systems.contract_events.message import TOMBSTONE
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
        folder: for files that are not whole yet.
    """

    def __init__(self, lake: Lake, key: str, folder: Path) -> None:
        self._lake, self._key, self._folder = lake, key, folder
        self._rows: list[Event] = []
        self._position = self._count = 0
        self._writer: pq.ParquetWriter | None = None
        self._parts: list[DataFile] = []

    def add(self, contract_id: str, operation: str, event_id: str, value: str, *, tombstone: bool) -> None:
        """Append an event, and a message without a value behind it: both are in the same file.

        Args:
            contract_id: the contract.
            operation: what the event is.
            event_id: the event's identifier.
            value: the message.
            tombstone: whether a message without a value follows.
        """
        if self._count + len(self._rows) >= PART_EVENTS:
            self._end()
        self._rows.append(Event(self._position, contract_id, operation, event_id, value))
        if tombstone:
            self._rows.append(Event(self._position, contract_id, TOMBSTONE, None, None))
        self._position += 1
        if len(self._rows) >= GROUP_EVENTS:
            self._flush()

    def close(self) -> list[DataFile]:
        """The files, in order."""
        self._end()
        return self._parts

    @property
    def _file(self) -> Path:
        return self._folder / f"part-{len(self._parts) + 1:04}.parquet"

    def _flush(self) -> None:
        if self._rows:
            self._writer = self._writer or pq.ParquetWriter(self._file, SCHEMA, compression="zstd")
            self._writer.write_table(pa.table(list(map(list, zip(*self._rows, strict=True))), schema=SCHEMA))
            self._count += len(self._rows)
            self._rows.clear()

    def _end(self) -> None:
        self._flush()
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
