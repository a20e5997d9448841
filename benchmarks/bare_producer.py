"""The bare producer that sending is measured against: idempotent, without transactions."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Producer

from lumbung.stream.kafka import Cluster
from lumbung.stream.transactions import QUEUE_BYTES


def send[T: (str, bytes)](cluster: Cluster, messages: Iterable[tuple[T, T]]) -> int:
    """Send messages, each a key and a value, to a cluster's topic: how many."""
    cluster.ensure_topics()
    config = cluster.config(
        enable_idempotence=True, compression_type="zstd", linger_ms=50, queue_buffering_max_kbytes=QUEUE_BYTES >> 10
    )
    producer, count = Producer(config), 0
    for key, value in messages:
        while True:
            try:
                producer.produce(cluster.name, value, key)
            except BufferError:
                producer.poll(1)
            else:
                break
        count += 1
    assert producer.flush(60) == 0
    return count
