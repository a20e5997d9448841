"""The topic read back: its messages, and whether they are those of the lake's sendings."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.core.settings import Settings
from lumbung.storage.duck import engine, parquet
from lumbung.storage.lake import Lake
from lumbung.stream.kafka import EVENTS, WAIT_SECONDS, Cluster
from lumbung.stream.registry import unframed
from lumbung.systems.contract_events import part as parts
from lumbung.systems.contract_events.sending import sendings

if TYPE_CHECKING:
    from confluent_kafka import Consumer

SENDER = "lumbung contract-events run"
BATCH = 5_000
_EVENT_ID = re.compile(rb'\{"eventHeader":\{"eventIdentifier":"([0-9a-f-]{36})"')
_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("event_id", pa.string()),
        ("digest", pa.string()),
        ("place", pa.int64()),
        ("partition", pa.int32()),
    ]
)


class Message(NamedTuple):
    """A message of the topic.

    Attributes:
        key: the contract; None: nothing of ours.
        value: without a registry's prefix; None: a tombstone.
        partition: where it is.
        offset: its place there.
    """

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int

    def to_json(self) -> dict[str, Any]:
        """The event parsed; a value that is no JSON as text."""
        return {
            "key": None if self.key is None else self.key.decode("utf-8", "backslashreplace"),
            "value": None if self.value is None else _parsed(self.value),
            "partition": self.partition,
            "offset": self.offset,
        }


class Difference(NamedTuple):
    """What is not the same in topic and lake.

    Attributes:
        kind: missing, changed, foreign or in another order.
        key: the contract.
        event_id: the event; None: a tombstone, or nothing of ours.
        sending: where the lake has it; None: it has not.
        partition: where the topic has it; None: it has not.
        offset: its place there.
    """

    kind: str
    key: str
    event_id: str | None
    sending: int | None
    partition: int | None
    offset: int | None


class Verified(NamedTuple):
    """What a comparison found.

    Attributes:
        messages: messages of the lake's sendings.
        counts: how many differences of each kind.
        differences: the first ones.
    """

    messages: int
    counts: dict[str, int]
    differences: list[Difference]


def open_cluster(settings: Settings) -> Cluster:
    """The Kafka of the events.

    Raises:
        LumbungError: the settings name none.
    """
    return Cluster(settings, settings.contract_events.topic, EVENTS, sender=SENDER, has_dead=False)


def messages(settings: Settings) -> Generator[Message]:
    """All messages of the topic that are committed now, by partition and offset.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: there is no such topic, or it cannot be read.
    """
    from confluent_kafka import Consumer

    cluster = open_cluster(settings)
    topic = cluster.topic()
    config = cluster.config(
        group_id="lumbung-contract-events",  # the library wants one; nothing is committed
        enable_auto_commit=False,
        isolation_level="read_committed",
        enable_partition_eof=True,
        fetch_wait_max_ms=10,  # the end is reported after so long
        auto_offset_reset="earliest",
    )
    offsets = cluster.offsets(topic)
    with cluster.errors("give its messages"), contextlib.closing(Consumer(config)) as consumer:
        for partition in sorted(offsets):
            yield from _of_partition(cluster, consumer, partition, offsets[partition].first, offsets[partition].end)


def _of_partition(cluster: Cluster, consumer: Consumer, partition: int, first: int, end: int) -> Iterator[Message]:
    from confluent_kafka import KafkaError, KafkaException, TopicPartition

    if first >= end:
        return
    consumer.assign([TopicPartition(cluster.name, partition, first)])
    until = time.monotonic() + WAIT_SECONDS
    while True:
        record = consumer.poll(1.0)
        if record is None:
            if time.monotonic() > until:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{cluster.name} cannot be read"))
            continue
        until = time.monotonic() + WAIT_SECONDS
        if fault := record.error():
            if fault.code() == KafkaError._PARTITION_EOF:
                return
            raise KafkaException(fault)
        offset, value = record.offset(), record.value()
        assert offset is not None
        if offset >= end:
            return
        yield Message(record.key(), None if value is None else unframed(value), partition, offset)


def is_empty(settings: Settings) -> bool:
    """Whether the topic has no message that is committed."""
    with contextlib.closing(messages(settings)) as found:
        return next(found, None) is None


def verify(settings: Settings, lake: Lake, most: int = 20) -> Verified:
    """Compare the topic with the lake, message by message: what each contract's are, and their order.

    Args:
        settings: which Kafka.
        lake: whose sendings.
        most: differences to name.
    """
    with tempfile.TemporaryDirectory(prefix="lumbung-") as name:
        folder = Path(name)
        count = _write(folder / "lake.parquet", _of_lake(lake))
        _write(folder / "topic.parquet", _of_topic(messages(settings)))
        with engine(folder) as db:
            for side in ("lake", "topic"):
                db.execute(
                    f"CREATE TABLE {side} AS SELECT key, event_id, digest, place, partition,"
                    " row_number() OVER (PARTITION BY key, event_id ORDER BY partition, place) AS repeat,"
                    " row_number() OVER (PARTITION BY key ORDER BY partition, place) AS turn"
                    f" FROM {parquet(folder / f'{side}.parquet')}"
                )
            db.execute(f"CREATE VIEW difference AS {_DIFFERENCES}")
            counts = dict(db.execute("SELECT kind, count(*) FROM difference GROUP BY kind ORDER BY kind").fetchall())
            named = db.execute(f"SELECT * FROM difference ORDER BY sending, key, kind LIMIT {most}").fetchall()
    return Verified(count, counts, [Difference(*row) for row in named])


_DIFFERENCES = """
    WITH pair AS (
        SELECT
            l.key IS NOT NULL AS in_lake, t.key IS NOT NULL AS in_topic, coalesce(l.key, t.key) AS key,
            coalesce(l.event_id, t.event_id) AS event_id, l.digest = t.digest AS same, l.turn = t.turn AS in_turn,
            l.partition AS sending, t.partition AS partition, t.place AS place
        FROM lake l
        FULL JOIN topic t ON l.key = t.key AND l.event_id IS NOT DISTINCT FROM t.event_id AND l.repeat = t.repeat
    ),
    broken AS (SELECT DISTINCT key FROM pair WHERE NOT in_lake OR NOT in_topic)
    SELECT
        CASE
            WHEN NOT in_topic THEN 'missing'
            WHEN NOT in_lake THEN 'foreign'
            WHEN NOT same THEN 'changed'
            ELSE 'in another order'
        END AS kind,
        key, event_id, sending, partition, place
    FROM pair
    WHERE NOT in_topic OR NOT in_lake OR NOT same OR (NOT in_turn AND key NOT IN (SELECT key FROM broken))
"""

Row = tuple[str, str | None, str, int, int]


def _of_lake(lake: Lake) -> Iterator[Row]:
    for sending in sendings(lake):
        place = 0
        for part in sending.content.parts:
            for event in parts.read(lake, part):
                value = None if event.value is None else event.value.encode()
                yield event.contract_id, event.event_id, _digest(value), place, sending.generation
                place += 1


def _of_topic(found: Iterable[Message]) -> Iterator[Row]:
    for message in found:
        key = (message.key or b"").decode("utf-8", "backslashreplace")
        named = _EVENT_ID.match(message.value) if message.value else None
        event_id = named[1].decode() if named else None
        yield key, event_id, _digest(message.value), message.offset, message.partition


def _digest(value: bytes | None) -> str:
    return "" if value is None else hashlib.sha256(value).hexdigest()


def _write(file: Path, rows: Iterator[Row]) -> int:
    """Write rows, a block at a time; gives their number."""
    count = 0
    with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        for block in batched(rows, BATCH, strict=False):
            writer.write_table(pa.table(list(map(list, zip(*block, strict=True))), schema=_SCHEMA))
            count += len(block)
    return count


def _parsed(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value.decode("utf-8", "backslashreplace")
