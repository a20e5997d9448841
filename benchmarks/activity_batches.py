"""How long landing activity and cutting it by count takes beside a bare consumer that writes the same files.

The bare one parses the same messages and writes a sorted file as soon as it has all rows of a batch. It guarantees
nothing: it holds open batches in memory only, the group's offsets are committed automatically, and its files are not
flushed to disk, counted, named by a manifest or checked for values of a wrong type. Both start a consumer of their own.
"""

import contextlib
import json
import random
import tempfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaError, Producer

from benchmarks.results import Measure, Took, in_turn
from benchmarks.watch import timed
from lumbung.core.settings import Settings
from lumbung.local.kafka import broker
from lumbung.storage.lake import FolderLake
from lumbung.stream.kafka import ACTIVITY, Cluster
from lumbung.stream.land import land
from lumbung.systems.stream_models.batches import make_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.feed import ACTIVITY_SCHEMA, feed

BATCHES = 10
FIRST = datetime(2026, 9, 1, tzinfo=UTC)


def row(seq: int, choice: random.Random) -> dict[str, object]:
    """A synthetic row."""
    return {
        "seq": seq,
        "student_id": f"student-{choice.randrange(20_000):06}",
        "course_id": f"course-{choice.randrange(500):04}",
        "rating": choice.randint(1, 5),
        "minutes": round(choice.uniform(0, 120), 2),
        "hour": choice.randrange(24),
        "device": choice.choice(["phone", "laptop", "tablet"]),
        "completed": choice.random() < 0.4,
        "event_at": f"{FIRST + timedelta(seconds=seq):%Y-%m-%dT%H:%M:%S}.250Z",
    }


def cluster_of(settings: Settings) -> Cluster:
    """The cluster, for the topic of activity."""
    return Cluster(settings, settings.activity.topic, ACTIVITY)


def fill(settings: Settings, messages: int) -> None:
    """Put the rows into the topic."""
    choice, cluster = random.Random(1), cluster_of(settings)
    cluster.ensure_topics()
    producer = Producer(cluster.config(compression_type="zstd", linger_ms=50, queue_buffering_max_kbytes=1 << 20))
    for seq in range(messages):
        values = row(seq, choice)
        while True:
            try:
                producer.produce(cluster.name, value=json.dumps(values).encode(), key=str(values["student_id"]))
            except BufferError:
                producer.poll(0.1)
            else:
                break
    producer.flush()


def bare(settings: Settings, folder: Path, size: int) -> int:
    """Read the topic to its end, parse, write a file for each batch: how many rows."""
    cluster = cluster_of(settings)
    config = cluster.config(
        group_id=uuid.uuid4().hex,
        group_protocol="consumer",
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_partition_eof=True,
        fetch_wait_max_ms=100,
        fetch_queue_backoff_ms=10,
    )
    partitions = len(cluster.topic().partitions)
    held: dict[int, list[dict[str, object]]] = {}
    rows, ended = 0, set()
    with contextlib.closing(Consumer(config)) as consumer:
        consumer.subscribe([cluster.name])
        while len(ended) < partitions:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                assert message.error().code() == KafkaError._PARTITION_EOF
                ended.add(message.partition())
                continue
            values = json.loads(message.value())
            values["event_at"] = datetime.fromisoformat(values["event_at"])
            number = values["seq"] // size
            batch = held.setdefault(number, [])
            batch.append(values)
            rows += 1
            if len(batch) == size:
                batch.sort(key=lambda values: values["seq"])
                table = pa.Table.from_pylist(held.pop(number), ACTIVITY_SCHEMA)
                pq.write_table(table, folder / f"{number + 1}.parquet", compression="zstd")
    return rows


def ours(settings: Settings, folder: Path, size: int) -> int:
    """Land, and cut by count: how many rows."""
    lake = FolderLake(folder.as_uri(), folder)
    land(settings, lake, feed(settings))
    batches = make_batches(lake, By("count", size))
    return sum(batch.rows for batch in batches)


def measure(messages: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure both, taking turns, over one topic; each time with a new consumer group and a new lake."""
    size = messages // BATCHES
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as home:
        settings = Settings.of(home=Path(home))
        with broker(settings) as servers:
            settings = settings.replace(kafka=servers)
            fill(settings, messages)

            def took_of(what: str, run: Callable[[Settings, Path, int], int]) -> Took:
                took = timed(what, partial(run, settings, Path(tempfile.mkdtemp(dir=home)), size))
                if took.rows != messages:
                    raise SystemExit(f"{what}: {took.rows} of {messages} rows")
                return took

            ways = {"a bare consumer": bare, "lumbung models land, and batch": ours}
            took = in_turn({what: partial(took_of, what, run) for what, run in ways.items()}, rounds, say)
    notes = [
        "The bare one parses and writes the same files; open batches are in its memory only, its offsets are committed"
        " by themselves, and nothing is flushed to disk, counted, named by a manifest or checked."
    ]
    name = f"Activity from Kafka to {BATCHES} batches by count, {messages:,} rows"
    return [Measure(name, "at most 2 x the bare consumer", took, notes)]
