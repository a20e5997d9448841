"""How long landing takes beside a bare consumer that parses the same messages and writes the same compressed files.

The bare one guarantees nothing: the group's offsets are committed automatically, and its files are not flushed to disk,
counted, named by a manifest or checked for messages that are not tweets. Both start a consumer of their own each time.
"""

import contextlib
import hashlib
import json
import random
import tempfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaError, Producer

from benchmarks.results import Measure, Took, in_turn
from benchmarks.watch import timed
from lumbung.core.settings import Settings
from lumbung.local.kafka import broker
from lumbung.storage.lake import FolderLake
from lumbung.stream import envelope
from lumbung.stream.kafka import Cluster
from lumbung.stream.land import BATCH_BYTES, BATCH_ROWS, land
from lumbung.systems.cilvest.feed import SCHEMA, feed

SIZE = 10_000
JAKARTA = ZoneInfo("Asia/Jakarta")
WORDS = ["saham", "reksadana", "sukuk", "naik", "turun", "beli", "jual", "untung", "rugi", "pasar", "modal", "besok"]


def tweet(number: int, choice: random.Random) -> bytes:
    """A synthetic tweet of about 10 KB, in the shape of API v2, of one of three days."""
    made = datetime(2026, 11, 25, 3, tzinfo=UTC) - timedelta(days=number % 3, seconds=number % 3600)
    body = {
        "id": str(10**18 + number),
        "created_at": made.isoformat(),
        "text": " ".join(choice.choices(WORDS, k=30)),
        "lang": "in",
        "author": {"username": f"user{number % 500}", "id": str(number)},
        "public_metrics": {name: choice.randrange(1000) for name in ("like_count", "reply_count", "quote_count")},
    }
    entities = []
    while len(json.dumps(body | {"entities": entities})) < SIZE - 100:
        words = [
            {"start": choice.randrange(280), "tag": choice.choice(WORDS), "id": choice.randbytes(12).hex()}
            for _ in range(20)
        ]
        entities += words
    raw = json.dumps(body | {"entities": entities})
    return envelope.wrap(raw, source="synthetic", collected_at=made)


def fill(settings: Settings, messages: int) -> None:
    """Put the messages into the topic."""
    choice = random.Random(1)
    cluster = Cluster(settings)
    cluster.ensure_topics()
    producer = Producer(cluster.config(compression_type="zstd", linger_ms=50, queue_buffering_max_kbytes=1 << 20))
    for number in range(messages):
        producer.produce(cluster.name, value=tweet(number, choice), key=str(number).encode())
        producer.poll(0)
    producer.flush()


def bare(settings: Settings, folder: Path) -> int:
    """Read the topic to its end, parse, write: how many rows."""
    cluster = Cluster(settings)
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
    days: dict[str, list[dict]] = {}
    rows = size = files = 0
    ended = set()

    def write() -> None:
        nonlocal files
        for day, held in days.items():
            path = folder / f"dt={day}" / f"{files}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(
                pa.Table.from_pylist(held, SCHEMA), path, compression="zstd", use_dictionary=["user_name", "lang"]
            )
            files += 1
        days.clear()

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
            value = message.value()
            parsed = json.loads(value)
            made = parsed["tweet"]
            at = datetime.fromisoformat(made["created_at"])
            row = {
                "identity": made["id"],
                "edit_id": int(made["id"]),
                "collected_at": datetime.fromisoformat(parsed["collected_at"]),
                "created_at": at,
                "user_name": made["author"]["username"],
                "lang": made["lang"],
                "is_retweet": made["text"].startswith("RT @"),
                "text": made["text"],
                "sha256": hashlib.sha256(value).hexdigest(),
                "raw": value.decode(),
            }
            days.setdefault(str(at.astimezone(JAKARTA).date()), []).append(row)
            rows += 1
            size += len(value)
            if size >= BATCH_BYTES or rows % BATCH_ROWS == 0:
                write()
                size = 0
        write()
    return rows


def measure(messages: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure both, taking turns, over one topic; each time with a new consumer group and a new lake."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as home:
        settings = Settings.of(home=Path(home))
        with broker(settings) as servers:
            settings = settings.replace(kafka=servers)
            fill(settings, messages)

            def took_of(what: str, run: Callable[[Path], int]) -> Took:
                took = timed(what, partial(run, Path(tempfile.mkdtemp(dir=home))))
                if took.rows != messages:
                    raise SystemExit(f"{what}: {took.rows} of {messages} messages")
                return took

            ways = {
                "a bare consumer": lambda folder: bare(settings, folder),
                "lumbung tweets land": lambda folder: (
                    land(settings, FolderLake(folder.as_uri(), folder), feed(settings)).rows
                ),
            }
            took = in_turn({what: partial(took_of, what, run) for what, run in ways.items()}, rounds, say)
    notes = [
        "The bare one parses and writes the same files; its offsets are committed by themselves, and nothing is flushed"
        " to disk, counted, named by a manifest or checked."
    ]
    name = f"Kafka to the lake, {messages:,} messages of {SIZE // 1000} KB"
    return [Measure(name, "at most 1.5 x the bare consumer", took, notes)]
