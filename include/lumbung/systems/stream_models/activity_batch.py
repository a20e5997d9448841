"""Batches of the stream: their manifests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document, Manifest, newest
from lumbung.systems.stream_models.by import By

BATCHES = "batches/stream_models"


class OffsetRange(Document):
    """Offsets of a partition, from `start` to before `end`."""

    topic_id: str
    partition: int
    start: int
    end: int


class ActivityBatch(Manifest):
    """A numbered part of the stream, as a file.

    A newer generation has the rows of the one before, and rows that came later.

    Attributes:
        by: how the stream was cut.
        number: of the batch: 1, 2, … by count; the start in Jakarta as YYYYMMDDhhmmss by windows.
        start: when the window starts; None by count.
        end: when it ends.
        first_seq: the least `seq` of its rows and rejects; None where rows are not numbered.
        last_seq: the greatest.
        rows: rows in the file.
        rejected: rows of the stream that cannot be read, which count as part of the batch.
        file: the rows, sorted by `seq`; where rows are not numbered, by partition and offset, late ones behind.
        csv: the same as CSV; None where it was not asked for.
        ranges: for each partition the offsets from the first row to the last; only where rows are not numbered.
        days: rows by the Jakarta day of `event_at`.
    """

    by: str
    number: int
    start: datetime | None
    end: datetime | None
    first_seq: int | None
    last_seq: int | None
    rows: int
    rejected: int
    file: DataFile
    csv: DataFile | None = None
    ranges: list[OffsetRange]
    days: dict[date, int]

    @property
    def folder(self) -> str:
        """The folder of its manifests and files."""
        return f"{BATCHES}/{By.parse(self.by).folder}/{self.number}"


def newest_batches(lake: Lake, by: By) -> list[ActivityBatch]:
    """The newest generation of every batch that is closed, in order.

    Args:
        lake: the lake.
        by: how the stream is cut.
    """
    folder = f"{BATCHES}/{by.folder}"
    numbers = sorted(int(name) for name in lake.names(folder) if name.isdecimal())

    def read(number: int) -> ActivityBatch | None:
        return newest(lake, f"{folder}/{number}", ActivityBatch, lambda _: True)

    with ThreadPoolExecutor(8) as pool:  # a bucket answers each after a while
        return [batch for batch in pool.map(read, numbers) if batch]
