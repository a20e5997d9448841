"""A topic of activity in a lake, without a Kafka: what landers would have landed; and rows to put into either."""

import itertools
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from confluent_kafka import Producer

from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake, open_lake
from lumbung.stream import landing
from lumbung.stream.batch import Batch
from lumbung.stream.feed import Feed
from lumbung.stream.kafka import Cluster, Topic
from lumbung.stream.replay import REPLAYS, Replay
from lumbung.stream.ticks import KEY, tick
from lumbung.systems.stream_models.activity_batch import ActivityBatch
from lumbung.systems.stream_models.feed import LANDED, feed
from support.stream import Broker, Stream

NOON = datetime(2026, 11, 29, 5, tzinfo=UTC)  # in Jakarta
FIRST = datetime(2026, 9, 1, 1, tzinfo=UTC)


def row(seq: int | None, **changes: object) -> bytes:
    """A synthetic row; without `seq` of a producer that does not number them."""
    number = seq or 0
    values = {
        "seq": seq,
        "student_id": f"s{number % 11}",
        "course_id": f"c{number % 7}",
        "rating": number % 5 + 1,
        "minutes": number % 90 / 2,
        "hour": number % 24,
        "device": ("phone", "laptop", None)[number % 3],
        "completed": number % 2 == 0,
        "event_at": f"{FIRST + timedelta(seconds=10 * number):%Y-%m-%dT%H:%M:%S.%f}Z",
        **changes,
    }
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()


def bad(seq: int) -> bytes:
    """A row that the sender could not read."""
    return json.dumps({"seq": seq, "refused": "two columns are missing", "line": seq + 1, "raw": "a,b"}).encode()


def replay(lake: Lake, number: int, first_seq: int, rows: int) -> None:
    """Write down that a dataset has these rows."""
    document = Replay(
        number=number,
        sha256=f"{number:064}",
        name=f"{number}.ndjson",
        first_seq=first_seq,
        rows=rows,
        truth=None,
        claimed_at=NOON,
    )
    lake.create(f"{REPLAYS}/{number:06}.json", document.model_dump_json().encode())


@dataclass
class Sent:
    """A message as a consumer has it."""

    content: bytes | None
    place: tuple[int, int]
    at: datetime
    name: bytes | None = None

    def value(self) -> bytes | None:
        return self.content

    def key(self) -> bytes | None:
        return self.name

    def partition(self) -> int:
        return self.place[0]

    def offset(self) -> int:
        return self.place[1]

    def timestamp(self) -> tuple[int, int]:
        return 2, int(self.at.timestamp() * 1000)


class Activity:
    """A topic and its lake. Messages are landed as soon as they are sent."""

    def __init__(self, folder: Path, partitions: int = 3, name: str = "topic-id") -> None:
        self.settings = Settings.of(home=folder)
        self.lake = open_lake(self.settings)
        self.feed = feed(self.settings)
        self.now = NOON
        self.make(name, partitions)

    def make(self, name: str, partitions: int) -> None:
        """Make the topic, or make it again."""
        self.topic = Topic("activity", name, list(range(partitions)))
        self.ends = dict.fromkeys(self.topic.partitions, 0)

    def land(self, partition: int, *values: bytes, tick: bool = False) -> None:
        """Land messages of a partition, and behind them a tick; each has come a second after the one before."""
        batch = Batch(self.feed, self.ends[partition], self.ends[partition])
        for value in values:
            batch.add(Sent(value, (partition, batch.next), self.now))
            self.now += timedelta(seconds=1)
        if tick:
            batch.add(Sent(None, (partition, batch.next), self.now, KEY))
        batch.advance(batch.next + 1)  # the end of a transaction
        assert landing.create(self.lake, LANDED, batch.write(self.lake, self.topic, partition))
        self.ends[partition] = batch.next

    def tick(self) -> None:
        """Land a tick of each partition."""
        for partition in self.topic.partitions:
            self.land(partition, tick=True)

    def send(self, *values: bytes, size: int = 7) -> None:
        """Land messages, spread over the partitions in landings of so many messages."""
        for start in range(0, len(values), size):
            self.land(start // size % len(self.topic.partitions), *values[start : start + size])


class ActivityStream(Stream):
    """A topic of activity in a real broker, and a lake."""

    def __init__(self, broker: Broker, home: Path) -> None:
        super().__init__(broker, home)
        self.topic = f"a{uuid.uuid4().hex}"
        self.settings = self.settings.replace(activity_topic=self.topic)

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.settings, self.feed.topic, self.feed.config, sender=self.feed.sender)

    @property
    def feed(self) -> Feed:
        return feed(self.settings)

    def landings(self) -> list[landing.Landing]:
        return list(landing.landings(self.lake, LANDED))

    def tick(self) -> None:
        cluster = self.cluster
        tick(cluster, cluster.topic())

    def send(self, *values: bytes) -> None:
        """Send each to the partition of its student, in a transaction."""
        producer = Producer({"bootstrap.servers": self.broker.address, "transactional.id": uuid.uuid4().hex})
        producer.init_transactions(60)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.topic, value=value, key=json.loads(value).get("student_id", "refused"))
        producer.commit_transaction(60)


def files_of(batches: Iterable[ActivityBatch]) -> dict[int, tuple[str, int, int]]:
    """What batches hold, by their numbers: checksum, rows and rejects."""
    return {batch.number: (batch.file.sha256, batch.rows, batch.rejected) for batch in batches}


def rows_of(lake: Lake, batch: ActivityBatch) -> list[dict]:
    """The rows of a batch's file, which must be as its manifest says."""
    with lake.local(batch.file.path) as path:
        rows = pq.read_table(path, partitioning=None).to_pylist()
        assert (batch.file.rows, batch.file.bytes) == (len(rows), path.stat().st_size)
    assert batch.rows == len(rows) == sum(batch.days.values())
    return rows


def seqs_of(lake: Lake, batches: Iterable[ActivityBatch]) -> dict[int, list[int]]:
    """The rows of batches by their numbers."""
    return {batch.number: [row["seq"] for row in rows_of(lake, batch)] for batch in batches}


def all_seqs(lake: Lake, batches: Iterable[ActivityBatch]) -> list[int]:
    """The rows of all batches, in order."""
    return sorted(itertools.chain(*seqs_of(lake, batches).values()))
