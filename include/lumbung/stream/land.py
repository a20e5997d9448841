"""Kafka to the lake, exactly once.

A lander writes what it reads as Parquet files, one for each Jakarta day of the rows, and then one manifest for all of
them, named by the topic's id, the partition and the offset it starts at. The manifest is created only if there is none,
and starts where the one before ended: the manifests of a partition are a chain without gaps or overlaps, whichever
landers write them. Where to go on is read from that chain, never from the group's offsets. So a lander that was killed,
lost its partition or was suspended meanwhile cannot land anything twice: its place in the chain is taken. It then
deletes its files; those of a killed lander stay, and no manifest names them.

Parquet with zstd, not gzipped JSON lines: Spark reads only the columns it wants, types need no guessing, and the
original text of a message is compressed as well as there.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake
from lumbung.stream import dead_letters, landing
from lumbung.stream.batch import Batch, Bounds, offset_of, partition_of
from lumbung.stream.feed import Feed
from lumbung.stream.kafka import REACH_SECONDS, WAIT_SECONDS, Cluster, KafkaUnavailableError, Offsets, Topic

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

BATCH_ROWS = 20_000
BATCH_BYTES = 32 << 20
BATCH_SECONDS = 300.0
# Another lander may hold a partition's messages for BATCH_SECONDS.
PATIENCE_SECONDS = 2 * BATCH_SECONDS


@dataclass
class Landed:
    """What a lander did.

    Attributes:
        landings: manifests it wrote.
        rows: rows in them.
        rejected: messages in them that cannot be read.
        days: Jakarta days that got rows.
    """

    landings: int = 0
    rows: int = 0
    rejected: int = 0
    days: set[date] = field(default_factory=set)


def lag(settings: Settings, lake: Lake, feed: Feed) -> dict[int, int]:
    """How many offsets of each partition are not landed yet.

    Args:
        settings: which Kafka.
        lake: where it is landed.
        feed: what is landed.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: it refuses, or there is no such topic.
    """
    cluster = _cluster(settings, feed)
    topic = cluster.topic(REACH_SECONDS)
    offsets = cluster.offsets(topic)
    return {
        partition: offset.end - landing.position(lake, feed.landed, topic, partition)
        for partition, offset in offsets.items()
    }


def land(
    settings: Settings,
    lake: Lake,
    feed: Feed,
    *,
    forever: bool = False,
    skip_lost: bool = False,
    batch_rows: int = BATCH_ROWS,
    batch_bytes: int = BATCH_BYTES,
    batch_seconds: float = BATCH_SECONDS,
) -> Landed:
    """Land what a topic holds.

    Args:
        settings: which Kafka.
        lake: where it is landed.
        feed: what is landed.
        forever: go on until the process is ended; nothing has to be saved then. Else the end is reached when all that
            was committed to the topic at the start is in the lake, also what other landers hold by then.
        skip_lost: go on where messages were deleted before they were landed, and write that down as a landing without
            rows.
        batch_rows: messages that are held at most before they are landed.
        batch_bytes: their bytes, likewise.
        batch_seconds: how long the oldest of them waits at most, if the end is not reached before.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: messages are gone that were not landed, the topic was recreated meanwhile, another lander does not
            come to an end, or Kafka refuses. All that was landed stands; landing again goes on from there.
    """
    cluster = _cluster(settings, feed)
    cluster.ensure_topics()
    topic = cluster.topic()
    offsets = _without_gaps(cluster, lake, feed, topic, skip_lost=skip_lost)
    wanted = None if forever else {partition: end for partition, (_, end) in offsets.items()}
    lander = _Lander(cluster, lake, feed, topic, wanted, Bounds(batch_rows, batch_bytes, batch_seconds))
    while not lander.is_done():
        # After a lost race all is read again from the lake, by a consumer that holds nothing of what was before.
        with contextlib.suppress(_LostRaceError):
            lander.run()
    return lander.landed


def _cluster(settings: Settings, feed: Feed) -> Cluster:
    return Cluster(settings, feed.topic, feed.config, sender=feed.sender)


def _without_gaps(cluster: Cluster, lake: Lake, feed: Feed, topic: Topic, *, skip_lost: bool) -> dict[int, Offsets]:
    """The partitions' offsets, none of which the manifests have a gap to."""
    until = time.monotonic() + WAIT_SECONDS / 2
    while True:
        offsets = cluster.offsets(topic)
        ahead = None
        for partition, (first, end) in offsets.items():
            position = landing.position(lake, feed.landed, topic, partition)
            if position > end:
                ahead = partition, position, end
            elif position < first and not skip_lost:
                raise _lost(feed, topic, partition, position, first)
            elif position < first:
                landing.create(lake, feed.landed, Batch(feed, position, next=first).landing(topic, partition))
        if not ahead:
            return offsets
        if time.monotonic() > until:  # a broker that has just started may not know its end yet
            raise _truncated(topic, *ahead)
        time.sleep(0.5)


def _lost(feed: Feed, topic: Topic, partition: int, position: int, first: int) -> LumbungError:
    return LumbungError(
        f"offsets {position} to {first - 1} were deleted before they were landed",
        where=f"{topic.name}, partition {partition}",
        remedy=f"{feed.lost}; retention.ms of the topic says how long messages are kept",
    )


def _truncated(topic: Topic, partition: int, position: int, end: int) -> LumbungError:
    return LumbungError(
        f"the partition ends at offset {end}, but what the lake holds goes to {position}: Kafka has lost messages",
        where=f"{topic.name}, partition {partition}",
        remedy="fix the cluster, or delete the topic and let it be created again; the lake keeps what it has",
    )


class _LostRaceError(Exception):
    """Another lander has landed what this one holds."""


class _Lander:
    """One consumer's work.

    Args:
        cluster: which Kafka.
        lake: where it is landed.
        feed: what is landed.
        topic: the topic as it was at the start.
        wanted: the offset that each partition has to be landed to; None: never done.
        bounds: of what is held.
    """

    def __init__(
        self,
        cluster: Cluster,
        lake: Lake,
        feed: Feed,
        topic: Topic,
        wanted: dict[int, int] | None,
        bounds: Bounds,
    ) -> None:
        self.cluster, self.lake, self.feed, self.topic = cluster, lake, feed, topic
        self.wanted, self.bounds = wanted, bounds
        self.landed = Landed()
        self._batches: dict[int, Batch] = {}
        self._progress = time.monotonic()
        self._positions: dict[int, int] = {}

    def is_done(self) -> bool:
        """Whether the manifests reach what is wanted."""
        if self.wanted is None:
            return False
        for partition, end in self.wanted.items():
            if self._positions.get(partition, 0) < end:
                position = self._landed_to(partition)
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
            group_id=_group(self.lake, self.feed),
            group_protocol="consumer",
            isolation_level="read_committed",
            enable_auto_commit=False,
            enable_partition_eof=True,
            fetch_wait_max_ms=100,  # the end is reported after so long
            auto_offset_reset="error",
            queued_max_messages_kbytes=16 << 10,
            fetch_queue_backoff_ms=10,  # when those are taken, more are asked for at once
        )
        with self.cluster.errors("hand out messages"), contextlib.closing(Consumer(config)) as consumer:
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
        for partition in partitions:
            partition.offset = self._landed_to(partition.partition)
            self._batches[partition.partition] = Batch(self.feed, partition.offset, partition.offset)
        consumer.incremental_assign(partitions)

    def _drop(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:  # the lander that gets them goes on from the lake
            self._batches.pop(partition.partition, None)

    def _take(self, message: Message | None) -> None:
        from confluent_kafka import KafkaError, KafkaException

        if message is None:
            return
        if fault := message.error():
            if fault.code() == KafkaError._PARTITION_EOF:
                # The offset behind the end of the last transaction, which has no message.
                if batch := self._batches.get(partition_of(message)):
                    batch.advance(offset_of(message))
            elif fault.code() == KafkaError._AUTO_OFFSET_RESET:
                self._out_of_range(partition_of(message))
            elif fault.code() != KafkaError._MAX_POLL_EXCEEDED:  # which takes the partitions, and gives them again
                raise KafkaException(fault)
            return
        batch = self._batches.get(partition_of(message))
        if batch and offset_of(message) >= batch.next:
            batch.add(message)
            self._progress = time.monotonic()

    def _out_of_range(self, partition: int) -> None:
        self._check_topic()
        position = self._landed_to(partition)
        first, end = self.cluster.offsets(self.topic)[partition]
        if position < first:
            raise _lost(self.feed, self.topic, partition, position, first)
        raise _truncated(self.topic, partition, position, end)

    def _landed_to(self, partition: int) -> int:
        return landing.position(self.lake, self.feed.landed, self.topic, partition)

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
        # After all was read, so that nothing of a recreated topic is landed as part of the old one.
        self._check_topic()
        self._send_dead_letters(held)
        for partition, batch in held.items():
            self._land(partition, batch)

    def _send_dead_letters(self, held: dict[int, Batch]) -> None:
        """Send what cannot be read to the topic of dead letters, before its place in the chain is taken.

        Killed in between, it comes there again, under the same key.
        """
        letters = [
            (partition, message, str(error)) for partition, batch in held.items() for message, error in batch.rejects
        ]
        if letters:
            dead_letters.send(self.cluster, self.topic, letters)

    def _land(self, partition: int, batch: Batch) -> None:
        manifest = batch.write(self.lake, self.topic, partition)
        if not landing.create(self.lake, self.feed.landed, manifest):
            for file in [*manifest.files, *filter(None, [manifest.rejects])]:
                self.lake.delete(file.path)
            raise _LostRaceError
        self._batches[partition] = Batch(self.feed, batch.next, batch.next)
        self._positions[partition], self._progress = batch.next, time.monotonic()
        self.landed.landings += 1
        self.landed.rows += manifest.rows_kept
        self.landed.rejected += manifest.rows_rejected
        self.landed.days.update(batch.days)

    def _check_topic(self) -> None:
        if self.cluster.topic().id != self.topic.id:
            raise LumbungError(
                "the topic was deleted and recreated while it was read",
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
                remedy="check that lander, or stop it; then land again",
            )
        return KafkaUnavailableError(
            f"nothing came of partitions {missing} for {PATIENCE_SECONDS / 60:.0f} minutes",
            where=str(self.cluster.settings.kafka.servers),
            remedy="see to the broker, then land again",
        )


def _group(lake: Lake, feed: Feed) -> str:
    """The consumer group of a lake: landers of another lake must not take this one's partitions."""
    lake.create(feed.group, json.dumps({"group": f"lumbung-land-{uuid.uuid4().hex}"}).encode())
    return str(lake.read_json(feed.group)["group"])
