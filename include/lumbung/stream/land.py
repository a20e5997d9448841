"""Kafka to the lake, exactly once.

A lander writes what it reads as Parquet files, one for each day that tweets were made on, and then one manifest for all
of them, named by the topic's id, the partition and the offset it starts at. The manifest is created only if there is
none, and starts where the one before ended: the manifests of a partition are a chain without gaps or overlaps, whoever
writes them. Where to read on is read from that chain, never from the group's offsets, so a lander that was killed,
lost its partition or slept through both can only find its place taken; its files are then deleted, or, if it was
killed, named by nobody.

Parquet with zstd, not gzipped JSON lines: Spark reads only the columns it wants, types need no guessing, and what is
kept of a tweet as it came is compressed as well as there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document
from lumbung.stream import envelope
from lumbung.stream.kafka import REACH_SECONDS, WAIT_SECONDS, Cluster, KafkaUnavailableError, Offsets, Topic

if TYPE_CHECKING:
    import pyarrow as pa
    from confluent_kafka import Consumer, Message, TopicPartition

RAW = "raw/cilvest/tweet"
LANDED = "landed/cilvest/tweet"
GROUP = "landed/cilvest/group.json"

# A batch of all partitions together is landed when it has so many messages, or bytes, or its oldest is so old.
BATCH_ROWS = 20_000
BATCH_BYTES = 32 << 20
BATCH_SECONDS = 300.0
# Another lander may hold a partition's messages for BATCH_SECONDS.
PATIENCE_SECONDS = 2 * BATCH_SECONDS
WRITERS = 4
LATEST_MS = 4_102_444_800_000  # the year 2100: producers set messages' times


class LandedFile(DataFile):
    """A Parquet file of one Jakarta day."""

    day: date


class Landing(Document):
    """A manifest: what a range of a partition's offsets became.

    Attributes:
        topic: the topic's name.
        topic_id: Kafka's own id of it.
        partition: the partition.
        start_offset: where the manifest before ended; 0 for the first.
        next_offset: behind the last offset of the range. Offsets without a message (the ends of transactions, messages
            of aborted ones) are in it too, so the range is often longer than `rows_read`.
        rows_read: messages in the range: kept and rejected ones.
        rows_kept: those in `files`.
        rows_rejected: those in `rejects` and in the topic of dead letters.
        files: tweets, a file for each Jakarta day they were made on.
        rejects: messages that are no tweets; its day is the Jakarta day of the first one's time in Kafka.
        landed_at: when.
    """

    topic: str
    topic_id: str
    partition: int
    start_offset: int
    next_offset: int
    rows_read: int
    rows_kept: int
    rows_rejected: int
    files: list[LandedFile]
    rejects: LandedFile | None
    landed_at: datetime


@dataclass
class Landed:
    """What a lander did.

    Attributes:
        landings: manifests it wrote.
        rows: tweets in them.
        rejected: messages in them that are no tweets.
        days: Jakarta days that got tweets.
    """

    landings: int = 0
    rows: int = 0
    rejected: int = 0
    days: set[date] = field(default_factory=set)


def landings(lake: Lake) -> list[Landing]:
    """Every manifest of the lake, by topic id, partition and offset."""
    paths = [
        f"{LANDED}/{topic}/{partition}/{name}"
        for topic in lake.names(LANDED)
        for partition in sorted(lake.names(f"{LANDED}/{topic}"), key=int)
        for name in lake.names(f"{LANDED}/{topic}/{partition}")
    ]
    with ThreadPoolExecutor(8) as pool:  # a bucket answers each after a while
        contents = list(pool.map(lake.read, paths))
    return [Landing.model_validate_json(content) for content in contents if content is not None]


def lag(settings: Settings, lake: Lake) -> dict[int, int]:
    """How many offsets of each partition are not landed yet.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: it refuses, or there is no such topic.
    """
    cluster = Cluster(settings)
    topic = cluster.topic(REACH_SECONDS)
    offsets = cluster.offsets(topic)
    return {partition: one.end - _position(lake, topic, partition) for partition, one in offsets.items()}


def land(
    settings: Settings,
    lake: Lake,
    *,
    forever: bool = False,
    skip_lost: bool = False,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
    batch_seconds: float = BATCH_SECONDS,
) -> Landed:
    """Land what the topic of tweets holds.

    Args:
        settings: which Kafka.
        lake: where it is landed.
        forever: go on until the process is ended; nothing has to be saved then. Else the end is reached when all that
            was committed to the topic at the start is in the lake, also what other landers hold by then.
        skip_lost: go on where messages were deleted before they were landed, and write that down as a landing without
            rows.
        batch_rows: messages that are held at most before they are landed.
        batch_bytes: their bytes, likewise.
        batch_seconds: how long the oldest of them waits at most, if the end is not reached before.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: messages are gone that were not landed, the topic was made anew meanwhile, another lander does not
            come to an end, or Kafka refuses. All that was landed stands; landing again goes on from there.
    """
    cluster = Cluster(settings)
    cluster.ensure_topics()
    topic = cluster.topic()
    offsets = _without_gaps(cluster, lake, topic, skip_lost=skip_lost)
    wanted = None if forever else {partition: one.end for partition, one in offsets.items()}
    lander = _Lander(cluster, lake, topic, wanted, _Bounds(batch_rows, batch_bytes, batch_seconds))
    while not lander.is_done():
        # After a lost race all is read again from the lake, by a consumer that holds nothing of what was before.
        with contextlib.suppress(_LostRaceError):
            lander.run()
    return lander.landed


def _folder(topic: Topic, partition: int) -> str:
    return f"{LANDED}/{topic.id}/{partition}"


def _path(topic: Topic, partition: int, start: int) -> str:
    return f"{_folder(topic, partition)}/{start:020}.json"


def _position(lake: Lake, topic: Topic, partition: int) -> int:
    """Where the chain of a partition's manifests ends."""
    names = lake.names(_folder(topic, partition))
    content = lake.read(f"{_folder(topic, partition)}/{names[-1]}") if names else None
    return Landing.model_validate_json(content).next_offset if content else 0


def _create(lake: Lake, topic: Topic, landing: Landing) -> bool:
    path, content = _path(topic, landing.partition, landing.start_offset), landing.model_dump_json(indent=2).encode()
    # A bucket's client may have sent it twice, and then been told that it is there: its own.
    return lake.create(path, content) or lake.read(path) == content


def _without_gaps(cluster: Cluster, lake: Lake, topic: Topic, *, skip_lost: bool) -> dict[int, Offsets]:
    """The partitions' offsets, none of which the manifests have a gap to."""
    until = time.monotonic() + WAIT_SECONDS / 2
    while True:
        offsets = cluster.offsets(topic)
        ahead = None
        for partition, (first, end) in offsets.items():
            position = _position(lake, topic, partition)
            if position > end:
                ahead = partition, position, end
            elif position < first and not skip_lost:
                raise _lost(topic, partition, position, first)
            elif position < first:
                _create(lake, topic, _Batch(position, next=first).landing(topic, partition))
        if not ahead:
            return offsets
        if time.monotonic() > until:  # a broker that has just started may not know its end yet
            raise _truncated(topic, *ahead)
        time.sleep(0.5)


def _lost(topic: Topic, partition: int, position: int, first: int) -> LumbungError:
    return LumbungError(
        f"offsets {position} to {first - 1} were deleted before they were landed",
        where=f"{topic.name}, partition {partition}",
        remedy="ship their tweets again if they can be had, and go on with lumbung tweets land --skip-lost;"
        " retention.ms of the topic says how long messages are kept",
    )


def _truncated(topic: Topic, partition: int, position: int, end: int) -> LumbungError:
    return LumbungError(
        f"the partition ends at offset {end}, but what the lake holds goes to {position}: Kafka has lost messages",
        where=f"{topic.name}, partition {partition}",
        remedy="mend the cluster, or delete the topic and let it be made anew; the lake keeps what it has",
    )


class _LostRaceError(Exception):
    """Another lander has landed what this one holds."""


@dataclass(frozen=True)
class _Bounds:
    rows: int
    bytes: int
    seconds: float


@dataclass
class _Batch:
    """Messages of one partition that are not landed yet."""

    start: int
    next: int
    days: dict[date, list[dict[str, Any]]] = field(default_factory=dict)
    rejects: list[tuple[Message, str]] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    since: float | None = None

    def step(self, offset: int) -> None:
        """Note that all before `offset` was seen."""
        if offset > self.next:
            self.next = offset
            self.since = self.since or time.monotonic()

    def take(self, one: Message) -> None:
        """Read a message."""
        self.rows += 1
        self.bytes += len(one.value() or b"")
        try:
            row = _row(one.value())
        except envelope.UnreadableError as error:
            self.rejects.append((one, str(error)))
        else:
            self.days.setdefault(row["created_at"].astimezone(business_day.JAKARTA).date(), []).append(row)
        self.step(_offset(one) + 1)

    def landing(
        self, topic: Topic, partition: int, files: list[LandedFile] | None = None, rejects: LandedFile | None = None
    ) -> Landing:
        """The manifest of it."""
        return Landing(
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


class _Lander:
    """One consumer's work.

    Args:
        cluster: which Kafka.
        lake: where it is landed.
        topic: the topic as it was at the start.
        wanted: the offset that each partition has to be landed to; None: never done.
        bounds: of what is held.
    """

    def __init__(
        self, cluster: Cluster, lake: Lake, topic: Topic, wanted: dict[int, int] | None, bounds: _Bounds
    ) -> None:
        self.cluster, self.lake, self.topic, self.wanted, self.bounds = cluster, lake, topic, wanted, bounds
        self.landed = Landed()
        self._batches: dict[int, _Batch] = {}
        self._progress = time.monotonic()
        self._positions: dict[int, int] = {}

    def is_done(self) -> bool:
        """Whether the manifests reach what is wanted."""
        if self.wanted is None:
            return False
        for partition, end in self.wanted.items():
            if self._positions.get(partition, 0) < end:
                position = _position(self.lake, self.topic, partition)
                if position != self._positions.get(partition):
                    self._positions[partition], self._progress = position, time.monotonic()
        return all(self._positions.get(partition, 0) >= end for partition, end in self.wanted.items())

    def run(self) -> None:
        """Read and land until done.

        Raises:
            _LostRaceError: another lander was faster.
        """
        from confluent_kafka import Consumer

        self._batches.clear()
        config = self.cluster.config(
            group_id=_group(self.lake),
            group_protocol="consumer",
            isolation_level="read_committed",
            enable_auto_commit=False,
            enable_partition_eof=True,
            fetch_wait_max_ms=100,  # the end is told after so long
            auto_offset_reset="error",
            queued_max_messages_kbytes=16 << 10,
            fetch_queue_backoff_ms=10,  # when those are taken, more are asked for at once
        )
        with self.cluster.errors("hand out tweets"), contextlib.closing(Consumer(config)) as consumer:
            consumer.subscribe([self.topic.name], on_assign=self._assign, on_revoke=self._drop, on_lost=self._drop)
            looked = time.monotonic()
            while True:
                self._take(consumer.poll(0.5))
                if self._is_due():
                    self._land_all()
                    if self.is_done():
                        return
                elif self.wanted is not None and time.monotonic() > looked + 2:
                    looked = time.monotonic()  # for what others land
                    if self.is_done():
                        return
                    if looked > self._progress + PATIENCE_SECONDS:
                        raise self._stuck()

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            one.offset = _position(self.lake, self.topic, one.partition)
            self._batches[one.partition] = _Batch(one.offset, one.offset)
        consumer.incremental_assign(partitions)

    def _drop(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:  # whoever gets them reads on from the lake
            self._batches.pop(one.partition, None)

    def _take(self, one: Message | None) -> None:
        from confluent_kafka import KafkaError, KafkaException

        if one is None:
            return
        if fault := one.error():
            if fault.code() == KafkaError._PARTITION_EOF:
                # The offset behind the end of the last transaction, which has no message.
                if batch := self._batches.get(_partition(one)):
                    batch.step(_offset(one))
            elif fault.code() == KafkaError._AUTO_OFFSET_RESET:
                self._out_of_range(_partition(one))
            elif fault.code() != KafkaError._MAX_POLL_EXCEEDED:  # which takes the partitions, and gives them again
                raise KafkaException(fault)
            return
        batch = self._batches.get(_partition(one))
        if batch and _offset(one) >= batch.next:
            batch.take(one)
            self._progress = time.monotonic()

    def _out_of_range(self, partition: int) -> None:
        self._check_topic()
        position = _position(self.lake, self.topic, partition)
        first, end = self.cluster.offsets(self.topic)[partition]
        if position < first:
            raise _lost(self.topic, partition, position, first)
        raise _truncated(self.topic, partition, position, end)

    def _is_due(self) -> bool:
        held = [batch for batch in self._batches.values() if batch.since is not None]
        if not held:
            return False
        if self.wanted is not None:
            ends = [(batch, self.wanted.get(partition, 0)) for partition, batch in self._batches.items()]
            # What comes after the end waits for the other bounds.
            if all(batch.next >= end for batch, end in ends) and any(batch.start < end for batch, end in ends):
                return True
        return (
            sum(batch.rows for batch in held) >= self.bounds.rows
            or sum(batch.bytes for batch in held) >= self.bounds.bytes
            or min(batch.since or 0 for batch in held) + self.bounds.seconds < time.monotonic()
        )

    def _land_all(self) -> None:
        held = {partition: batch for partition, batch in self._batches.items() if batch.since is not None}
        # After all was read, so that nothing of a topic made anew is landed as part of the old one.
        self._check_topic()
        self._bury(held)
        for partition, batch in held.items():
            self._land(partition, batch)

    def _land(self, partition: int, batch: _Batch) -> None:
        # Not the id first: it may start with `_`, and Spark passes over such files without a word.
        name = f"tweet-{self.topic.id}-{partition}-{batch.start:020}-{uuid.uuid4().hex[:12]}.parquet"
        with ThreadPoolExecutor(WRITERS) as pool:  # each waits for the disk or the bucket
            writing = [
                pool.submit(self._write, f"{RAW}/dt={day:%Y-%m-%d}/{name}", day, _tweets(rows))
                for day, rows in sorted(batch.days.items())
            ]
            files = [one.result() for one in writing]
        rejects = None
        if batch.rejects:
            first = batch.rejects[0][0].timestamp()[1]
            at = datetime.fromtimestamp(min(max(first, 0), LATEST_MS) / 1000, business_day.JAKARTA)
            rejects = self._write(f"{RAW}/rejected/{name}", at.date(), _rejects(batch.rejects))
        landing = batch.landing(self.topic, partition, files, rejects)
        if not _create(self.lake, self.topic, landing):
            for file in [*files, *filter(None, [rejects])]:
                self.lake.delete(file.path)
            raise _LostRaceError
        self._batches[partition] = _Batch(batch.next, batch.next)
        self._positions[partition], self._progress = batch.next, time.monotonic()
        self.landed.landings += 1
        self.landed.rows += landing.rows_kept
        self.landed.rejected += landing.rows_rejected
        self.landed.days.update(batch.days)

    def _write(self, path: str, day: date, table: pa.Table) -> LandedFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", use_dictionary=["user_name", "lang"])
        content = sink.getvalue().to_pybytes()
        self.lake.write(path, content)
        return LandedFile(
            path=path, rows=table.num_rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), day=day
        )

    def _bury(self, held: dict[int, _Batch]) -> None:
        """Put what cannot be read into the topic of dead letters, before its place in the chain is taken.

        Killed in between, it comes there again, under the same key.
        """
        dead = [(partition, *reject) for partition, batch in held.items() for reject in batch.rejects]
        if not dead:
            return
        from confluent_kafka import KafkaError, KafkaException, Producer

        faults: list[KafkaError] = []

        def told(fault: KafkaError | None, _message: Message) -> None:
            if fault:
                faults.append(fault)

        # The topic bounds a message's size, not the client.
        producer = Producer(self.cluster.config(enable_idempotence=True, message_max_bytes=1_000_000_000))
        for partition, one, reason in dead:
            producer.produce(
                self.cluster.dead,
                # Compaction would take a message without value for a deletion.
                value=one.value() or b"",
                key=f"{self.topic.id}/{partition}/{one.offset()}",
                headers={
                    "reason": reason.encode(),
                    "topic": self.topic.name,
                    "partition": str(partition),
                    "offset": str(one.offset()),
                },
                on_delivery=told,
            )
        if producer.flush(2 * WAIT_SECONDS):
            faults.append(KafkaError(KafkaError._TIMED_OUT))
        if faults:
            raise KafkaException(faults[0])

    def _check_topic(self) -> None:
        if self.cluster.topic().id != self.topic.id:
            raise LumbungError(
                "the topic was deleted and made anew while it was read",
                where=self.topic.name,
                remedy="land again; what was landed of the old one stays",
            )

    def _stuck(self) -> LumbungError:
        assert self.wanted is not None
        missing = [partition for partition, end in self.wanted.items() if self._positions.get(partition, 0) < end]
        if any(partition not in self._batches for partition in missing):
            return LumbungError(
                f"partitions {missing} were not landed within {PATIENCE_SECONDS / 60:.0f} minutes, and another lander"
                " has them",
                where=self.topic.name,
                remedy="see to that lander, or stop it; then land again",
            )
        return KafkaUnavailableError(
            f"nothing came of partitions {missing} for {PATIENCE_SECONDS / 60:.0f} minutes",
            where=str(self.cluster.settings.kafka.servers),
            remedy="see to the broker, then land again",
        )


def _row(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise envelope.UnreadableError("the message has no value")
    return envelope.row(value)


def _partition(one: Message) -> int:
    partition = one.partition()
    assert partition is not None
    return partition


def _offset(one: Message) -> int:
    offset = one.offset()
    assert offset is not None
    return offset


def _group(lake: Lake) -> str:
    """The consumer group of a lake: landers of another lake must not take this one's partitions."""
    lake.create(GROUP, json.dumps({"group": f"lumbung-land-{uuid.uuid4().hex}"}).encode())
    return str(lake.read_json(GROUP)["group"])


def _tweets(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    at = pa.timestamp("us", "UTC")
    schema = pa.schema(
        [
            ("identity", pa.string()),
            ("edit_id", pa.int64()),
            ("collected_at", at),
            ("created_at", at),
            ("user_name", pa.string()),
            ("lang", pa.string()),
            ("is_retweet", pa.bool_()),
            ("text", pa.string()),
            ("sha256", pa.string()),
            ("raw", pa.string()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _rejects(rejects: list[tuple[Message, str]]) -> pa.Table:
    import pyarrow as pa

    from lumbung.sources import REJECT_SCHEMA

    rows = [
        # The dead letter has the bytes as they came.
        {"line": one.offset(), "raw": (one.value() or b"").decode("utf-8", "backslashreplace"), "reason": reason}
        for one, reason in rejects
    ]
    return pa.Table.from_pylist(rows, REJECT_SCHEMA)
