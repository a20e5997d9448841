"""Messages to a topic, each batch of them exactly once for a `read_committed` reader, whatever is killed and run again.

A batch and the record that it is done, whose key is the batch's name, are one transaction, see `transactions`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

from lumbung.core.errors import LumbungError
from lumbung.stream.kafka import Cluster
from lumbung.stream.transactions import Done, claimed, errors, produce, transaction

if TYPE_CHECKING:
    from confluent_kafka import Producer

# What brokers take by default is a little more: 1,048,588 bytes with what Kafka adds.
MESSAGE_BYTES = 1_000_000
# The client library counts what Kafka adds to a message: its headers, sizes and times.
_OVERHEAD_BYTES = 1_000
# As the Java client chooses a key's partition, so that streams of both can be joined.
PARTITIONER = "murmur2_random"


class Shipper:
    """Sends batches of messages to a cluster's topic; one shipper of a topic at a time, the youngest.

    Args:
        cluster: the Kafka and the topic, which must be there.
        limit: bytes that a message's key and value may have together.
        partitioner: how the client library chooses a key's partition.
        content: what the messages are, such as "tweets".
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        limit: int = MESSAGE_BYTES,
        partitioner: str = PARTITIONER,
        content: str = "messages",
    ) -> None:
        self.cluster, self.limit = cluster, limit
        self._partitioner, self._content = partitioner, content
        self._done = Done(cluster)
        self._producer: Producer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.close()

    def claim(self) -> None:
        """Become the topic's shipper, or become it again, and read what is done; an older one can commit nothing more.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            LumbungError: it refuses.
        """
        with self._errors():
            self._claim()

    def done(self, name: str) -> dict[str, Any] | None:
        """The record of a batch that was sent; None: it was not.

        Args:
            name: the batch's.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            LumbungError: it refuses.
        """
        if not self._producer:
            self.claim()
        record = self._done.records.get(name)
        return json.loads(record) if record else None

    def records(self) -> dict[str, dict[str, Any]]:
        """The record of every batch that was sent, by its name.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            LumbungError: it refuses.
        """
        if not self._producer:
            self.claim()
        return {name: json.loads(record) for name, record in self._done.records.items() if record}

    def send(
        self, name: str, messages: Iterable[tuple[bytes, bytes | None]], record: Mapping[str, Any] | None = None
    ) -> int:
        """Send a batch and its record in one transaction; all of it is there afterwards, or nothing.

        Args:
            name: the batch's, by which `done` knows it.
            messages: key and value of each; a message without a value is a tombstone. They are not kept in memory.
            record: what is known of the batch. It is written after the last message, so that the
                iterator of messages may complete it.

        Returns:
            How many messages.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            LumbungError: a message is too large, Kafka refuses, or another shipper has taken over; nothing of the batch
                was sent.
        """
        with self._errors():
            producer, self._producer = self._producer or self._claim(), None  # one that failed is not used again
            with transaction(producer):
                count = self._produce(producer, messages)
                value = json.dumps({} if record is None else dict(record)).encode()
                produce(producer, self.cluster.done, name.encode(), value)
        self._producer = producer
        self._done.records[name] = value
        return count

    def _produce(self, producer: Producer, messages: Iterable[tuple[bytes, bytes | None]]) -> int:
        send, topic, limit = producer.produce, self.cluster.name, self.limit
        count = 0
        for key, value in messages:
            if len(key) + len(value or b"") > limit:
                check_size(key, value, limit, topic)
            try:
                send(topic, value, key)
            except BufferError:
                produce(producer, topic, key, value)  # waits
            count += 1
        return count

    def _claim(self) -> Producer:
        self._producer = claimed(
            self.cluster,
            f"lumbung-ship-{self.cluster.name}",
            message_max_bytes=self.limit + _OVERHEAD_BYTES,
            partitioner=self._partitioner,
        )
        self._done.read()
        return self._producer

    def _errors(self) -> AbstractContextManager[None]:
        return errors(self.cluster, self.cluster.name, f"take {self._content}", "shipper")


def check_size(key: bytes, value: bytes | None, limit: int, topic: str) -> None:
    """Refuse a message that is too large for a topic.

    Args:
        key: the message's.
        value: the message's, with what a schema registry puts before it; None: a tombstone.
        limit: bytes that both may have together.
        topic: where it would go.

    Raises:
        LumbungError: it is too large.
    """
    size = len(key) + len(value or b"")
    if size > limit:
        raise LumbungError(
            f"the message of {key[:100].decode('utf-8', 'backslashreplace')} has {size:,} bytes; {limit:,} are allowed",
            where=topic,
            remedy="nothing of its batch was sent; shorten the texts of its source, then run again",
        )
