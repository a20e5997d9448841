"""A batch: messages of one partition that are not landed yet, and the Parquet files they are written to."""

from __future__ import annotations

import hashlib
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from lumbung.core import day as business_day
from lumbung.storage.lake import Lake
from lumbung.stream.feed import Feed, Record, RefusedError, UnreadableError
from lumbung.stream.kafka import Topic
from lumbung.stream.landing import LandedFile, Landing

if TYPE_CHECKING:
    import pyarrow as pa
    from confluent_kafka import Message

WRITERS = 4
LATEST_MS = 4_102_444_800_000  # the year 2100: producers set messages' times


@dataclass(frozen=True)
class Bounds:
    """The batches of all partitions are landed when they together have so many messages or bytes, or one is so old."""

    rows: int
    bytes: int
    seconds: float


@dataclass
class Batch:
    """Messages of one partition that are not landed yet.

    Attributes:
        feed: what they are.
        start: the offset where the manifests in the lake end.
        next: behind the last offset that was seen.
        days: rows by Jakarta day.
        rejects: messages that are not what the topic holds, each with the reason.
        rows: messages, rejects too, without ticks.
        bytes: of their values.
        appended_to: the latest time in Kafka of a message, ticks too; None before the first one.
        since: when the first offset was seen, by the monotonic clock; None before that.
    """

    feed: Feed
    start: int
    next: int
    days: dict[date, list[dict[str, Any]]] = field(default_factory=dict)
    rejects: list[tuple[Message, UnreadableError]] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    appended_to: datetime | None = None
    since: float | None = None

    def advance(self, offset: int) -> None:
        """Note that all before `offset` was seen."""
        if offset > self.next:
            self.next = offset
            self.since = self.since or time.monotonic()

    def add(self, message: Message) -> None:
        """Read a message."""
        record = Record(
            value=message.value(),
            key=message.key(),
            partition=partition_of(message),
            offset=offset_of(message),
            at=_time_of(message),
        )
        self.appended_to = max(self.appended_to or record.at, record.at)
        self.advance(record.offset + 1)
        try:
            parsed = self.feed.parse(record)
        except UnreadableError as error:
            self.rejects.append((message, error))
        else:
            if parsed is None:
                return
            day, row = parsed
            self.days.setdefault(day, []).append(row)
        self.rows += 1
        self.bytes += len(record.value or b"")

    def write(self, lake: Lake, topic: Topic, partition: int) -> Landing:
        """Write the files.

        Args:
            lake: where to.
            topic: the topic as it was at the start.
            partition: the partition.

        Returns:
            The manifest that names them, which is not written yet.
        """
        # Not the id first: it may start with `_`, and Spark passes over such files without a word.
        entity = self.feed.raw.rpartition("/")[2]
        name = f"{entity}-{topic.id}-{partition}-{self.start:020}-{uuid.uuid4().hex[:12]}.parquet"
        with ThreadPoolExecutor(WRITERS) as pool:  # each waits for the disk or the bucket
            writing = [
                pool.submit(self._write, lake, f"{self.feed.raw}/dt={day:%Y-%m-%d}/{name}", day, self._table(rows))
                for day, rows in sorted(self.days.items())
            ]
            files = [future.result() for future in writing]
        rejects = None
        if self.rejects:
            day = business_day.today(_time_of(self.rejects[0][0]))
            rejects = self._write(lake, f"{self.feed.raw}/rejected/{name}", day, self._rejects())
        return self.landing(topic, partition, files, rejects)

    def landing(
        self, topic: Topic, partition: int, files: list[LandedFile] | None = None, rejects: LandedFile | None = None
    ) -> Landing:
        """The manifest of the batch.

        Args:
            topic: the topic as it was at the start.
            partition: the partition.
            files: those of the rows.
            rejects: that of the rejects.
        """
        landing = Landing(
            topic=topic.name,
            topic_id=topic.id,
            partition=partition,
            start_offset=self.start,
            next_offset=self.next,
            rows_read=self.rows,
            rows_kept=self.rows - len(self.rejects),
            rows_rejected=len(self.rejects),
            files=files or [],
            rejects=rejects,
            landed_at=datetime.now(UTC),
        )
        if not self.feed.by_append_time:
            return landing  # as older versions read it
        return landing.model_copy(update={"appended_to": self.appended_to, "partitions": len(topic.partitions)})

    def _table(self, rows: list[dict[str, Any]]) -> pa.Table:
        import pyarrow as pa

        return pa.Table.from_pylist(rows, self.feed.schema)

    def _rejects(self) -> pa.Table:
        import pyarrow as pa

        from lumbung.sources import REJECT_SCHEMA

        rows = [_reject(message, error) for message, error in self.rejects]
        if not self.feed.by_append_time:
            return pa.Table.from_pylist(rows, REJECT_SCHEMA)
        places = [
            {
                "seq": error.line if isinstance(error, RefusedError) else None,
                "offset": offset_of(message),
                "appended_at": _time_of(message),
            }
            for message, error in self.rejects
        ]
        schema = pa.schema([*REJECT_SCHEMA, *(self.feed.schema.field(name) for name in places[0])])
        return pa.Table.from_pylist([row | place for row, place in zip(rows, places, strict=True)], schema)

    def _write(self, lake: Lake, path: str, day: date, table: pa.Table) -> LandedFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", use_dictionary=list(self.feed.dictionary))
        content = sink.getvalue().to_pybytes()
        lake.write(path, content)
        return LandedFile(
            path=path, rows=table.num_rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), day=day
        )


def offset_of(message: Message) -> int:
    """The message's offset, which every consumed message has."""
    offset = message.offset()
    assert offset is not None
    return offset


def partition_of(message: Message) -> int:
    """The message's partition, which every consumed message has."""
    partition = message.partition()
    assert partition is not None
    return partition


def _time_of(message: Message) -> datetime:
    return datetime.fromtimestamp(min(max(message.timestamp()[1], 0), LATEST_MS) / 1000, UTC)


def _reject(message: Message, error: UnreadableError) -> dict[str, Any]:
    if isinstance(error, RefusedError):
        return {"line": error.line, "raw": error.raw, "reason": str(error)}
    # The dead letter has the bytes as they came.
    raw = (message.value() or b"").decode("utf-8", "backslashreplace")
    return {"line": message.offset(), "raw": raw, "reason": str(error)}
