"""Dead letters: messages that cannot be read, in a topic of their own, as they came and with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumbung.stream.kafka import WAIT_SECONDS, Cluster, Topic

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message


def send(cluster: Cluster, topic: Topic, letters: list[tuple[int, Message, str]]) -> None:
    """Send messages to the topic of dead letters, and wait until Kafka has them.

    One that is sent again has the same key, so compaction leaves one of them.

    Args:
        cluster: which Kafka.
        topic: the topic they came from.
        letters: partition, message and reason of each.

    Raises:
        KafkaException: Kafka did not take all of them.
    """
    from confluent_kafka import KafkaError, KafkaException, Producer

    faults: list[KafkaError] = []

    def on_delivery(fault: KafkaError | None, _message: Message) -> None:
        if fault:
            faults.append(fault)

    # The topic bounds a message's size, not the client.
    producer = Producer(cluster.config(enable_idempotence=True, message_max_bytes=1_000_000_000))
    for partition, message, reason in letters:
        producer.produce(
            cluster.dead,
            # Compaction would take a message without value for a deletion.
            value=message.value() or b"",
            key=f"{topic.id}/{partition}/{message.offset()}",
            headers={
                "reason": reason.encode(),
                "topic": topic.name,
                "partition": str(partition),
                "offset": str(message.offset()),
            },
            on_delivery=on_delivery,
        )
    if producer.flush(2 * WAIT_SECONDS):
        faults.append(KafkaError(KafkaError._TIMED_OUT))
    if faults:
        raise KafkaException(faults[0])
