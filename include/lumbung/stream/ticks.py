"""Ticks: messages that hold nothing, by which a lander learns how far each partition's time has come.

A partition without new messages says nothing about the time that has passed, and the end of a partition proves nothing
either: while a transaction is open, a `read_committed` reader sees an end before rows that are appended already. A tick
is appended outside of any transaction, and such a reader gets past it only when all transactions that began before it
are over. So a lander that has passed a tick of time T has landed every committed row that was appended before T.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumbung.stream.feed import Record
from lumbung.stream.kafka import WAIT_SECONDS, Cluster, Topic

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

KEY = b"tick"


def tick(cluster: Cluster, topic: Topic) -> None:
    """Send a tick to each partition of a topic, and wait until Kafka has them.

    Args:
        cluster: which Kafka.
        topic: the topic.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: it refuses.
    """
    from confluent_kafka import KafkaError, KafkaException, Producer

    faults: list[KafkaError] = []

    def on_delivery(fault: KafkaError | None, _message: Message) -> None:
        if fault:
            faults.append(fault)

    with cluster.errors("take ticks"):
        producer = Producer(cluster.config(enable_idempotence=True))
        for partition in topic.partitions:
            producer.produce(topic.name, key=KEY, value=None, partition=partition, on_delivery=on_delivery)
        if producer.flush(2 * WAIT_SECONDS):
            faults.append(KafkaError(KafkaError._TIMED_OUT))
        if faults:
            raise KafkaException(faults[0])


def is_tick(record: Record) -> bool:
    """Whether a message is a tick."""
    return record.value is None and record.key == KEY
