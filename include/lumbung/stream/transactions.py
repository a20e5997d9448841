"""What sends to Kafka in transactions, exactly once: producers, transactions, and the topic of what is done.

What was done is a record of the same transaction as the messages. It is read after the transactional id was claimed:
from then on no older producer can commit, and what it had committed is visible.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lumbung.core.errors import LumbungError
from lumbung.stream.kafka import WAIT_SECONDS, Cluster

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer

# What a broker allows by default. A killed producer that is not run again holds up readers for so long.
TRANSACTION_SECONDS = 900
QUEUE_BYTES = 64 << 20  # of messages that are not sent yet


def claimed(cluster: Cluster, transactional_id: str, **options: Any) -> Producer:
    """A producer that has claimed a transactional id; what an older one of this id has open is aborted.

    Args:
        cluster: the Kafka.
        transactional_id: who sends.
        options: more of the client's configuration, with `_` for the dots of their names.

    Raises:
        KafkaException: Kafka does not answer or refuses.
    """
    from confluent_kafka import KafkaException, Producer

    config = cluster.config(
        transactional_id=transactional_id,
        transaction_timeout_ms=TRANSACTION_SECONDS * 1000,
        queue_buffering_max_kbytes=QUEUE_BYTES >> 10,
        message_timeout_ms=int(2000 * WAIT_SECONDS),
        compression_type="zstd",
        linger_ms=50,
        **options,
    )
    producer = Producer(config)
    try:
        producer.init_transactions(WAIT_SECONDS)
    except KafkaException:
        producer.poll(0)  # what it heard of the connection, such as a wrong password
        raise
    return producer


@contextlib.contextmanager
def errors(cluster: Cluster, topic: str, taking: str, sender: str) -> Iterator[None]:
    """Raise the client library's errors, and that another producer has claimed the id, as errors to act on.

    Args:
        cluster: the Kafka.
        topic: where to.
        taking: what Kafka refuses to do otherwise, such as "take tweets".
        sender: what sends, such as "shipper".

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: it refuses, or another sender has taken over.
    """
    from confluent_kafka import KafkaError, KafkaException

    with cluster.errors(taking):
        try:
            yield
        except KafkaException as error:
            if error.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED):
                raise LumbungError(
                    f"another {sender} has taken over",
                    where=topic,
                    remedy=f"let one {sender} work on a topic at a time; nothing is lost, and nothing was sent twice",
                ) from error
            raise


@contextlib.contextmanager
def transaction(producer: Producer) -> Iterator[None]:
    """What is sent in the block is committed at its end, or aborted if it fails.

    Raises:
        KafkaException: Kafka does not answer or refuses.
    """
    producer.begin_transaction()
    try:
        yield
        commit(producer)
    except BaseException:
        from confluent_kafka import KafkaException

        # No purge before it: the producer's next transaction would fail. The next claim of the id aborts this one too.
        with contextlib.suppress(KafkaException):
            producer.abort_transaction(WAIT_SECONDS)
        raise


def produce(producer: Producer, topic: str, key: bytes, value: bytes | None) -> None:
    """Put a message, without a value a tombstone, into the producer's queue; while it is full, wait for the broker."""
    while True:
        try:
            producer.produce(topic, value=value, key=key)
        except BufferError:  # a message that cannot be sent ends that
            producer.poll(1.0)
        else:
            return


def commit(producer: Producer) -> None:
    """Commit the open transaction, also through a restart of the broker.

    Raises:
        KafkaException: Kafka does not answer or refuses.
    """
    from confluent_kafka import KafkaException

    until = time.monotonic() + 2 * WAIT_SECONDS
    while True:
        try:
            producer.commit_transaction(WAIT_SECONDS)
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > until:
                raise
        else:
            return


class Done:
    """What is done, as far as the topic was read.

    Attributes:
        records: the newest value of each key.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.records = cluster, dict[str, bytes]()
        self._consumer: Consumer | None = None

    def read(self) -> None:
        """Read what came since the last time, to the end.

        Raises:
            KafkaException: Kafka does not answer or refuses.
        """
        from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

        if self._consumer is None:
            config = self.cluster.config(
                group_id="lumbung-ship",  # the library wants one; nothing is committed
                enable_auto_commit=False,
                isolation_level="read_committed",
                enable_partition_eof=True,
                fetch_wait_max_ms=10,  # the end is reported after so long
                auto_offset_reset="earliest",  # compaction may have taken what stood at the beginning
            )
            self._consumer = Consumer(config)
            self._consumer.list_topics(self.cluster.done, WAIT_SECONDS)  # else it asks half a second later
            self._next = OFFSET_BEGINNING
        # Assigned again, so that the end is reported again.
        self._consumer.assign([TopicPartition(self.cluster.done, 0, self._next)])
        until = time.monotonic() + WAIT_SECONDS
        while True:
            record = self._consumer.poll(1.0)
            if record is None:
                if time.monotonic() > until:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{self.cluster.done} cannot be read"))
                continue
            until = time.monotonic() + WAIT_SECONDS
            if fault := record.error():
                if fault.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(fault)
                self._next = record.offset() or 0
                return
            if (key := record.key()) is not None:
                self.records[key.decode()] = record.value() or b""

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._consumer:
            self._consumer.close()
