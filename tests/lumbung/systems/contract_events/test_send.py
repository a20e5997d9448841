"""Sending through a schema registry: each message has its schema's id, and what does not fit stops the run."""

import json
from datetime import timedelta

import pytest

from lumbung.core.errors import LumbungError
from lumbung.systems.contract_events import schema
from lumbung.systems.contract_events.sending import SENDINGS
from lumbung.systems.contract_events.topic import open_cluster
from support.contracts_harness import DAY, sources, states

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def with_registry(make_contracts_harness, registry_url):
    return make_contracts_harness(schema_registry=registry_url)


def narrower() -> str:
    """A schema that an event of ours does not fit: readers by ours could not read what was sent by it."""
    text = json.loads(schema.text("1.0"))
    text["properties"]["eventHeader"] = {"type": "integer"}
    return json.dumps(text)


def raw_values(contracts):
    from confluent_kafka import Consumer, TopicPartition

    cluster = open_cluster(contracts.settings)
    consumer = Consumer(cluster.config(group_id="x", isolation_level="read_committed", auto_offset_reset="earliest"))
    consumer.assign([TopicPartition(contracts.name, partition, 0) for partition in cluster.topic().partitions])
    values = []
    while len(values) < 2:
        message = consumer.poll(10)
        assert message is not None
        values.append(message.value())
    consumer.close()
    return values


def test_messages_have_the_schemas_id_and_are_read_back_without_it(with_registry):
    with_registry.take(sources(1, 2))
    prefix = schema.prefix(with_registry.settings, "1.0")
    assert len(prefix) == 5
    assert all(value.startswith(prefix + b'{"eventHeader"') for value in raw_values(with_registry))
    assert with_registry.operations() == [("1", "INSERT"), ("2", "INSERT")]
    assert with_registry.verify().counts == {}


def test_a_schema_that_does_not_fit_stops_the_run_before_anything_is_made(with_registry):
    schema.registry(with_registry.settings).publish(narrower())
    with_registry.give(sources(1))
    with pytest.raises(LumbungError, match="does not fit"):
        with_registry.run().up_to("events")
    assert with_registry.lake.names("contract-events/events") == []


def test_one_that_does_not_fit_any_more_stops_the_run_before_anything_is_sent(with_registry):
    first, *_ = states()
    with_registry.give(first)
    day = with_registry.run().up_to("build")
    schema.registry(with_registry.settings).publish(narrower())
    with pytest.raises(LumbungError, match="does not fit"):
        day.send()
    assert with_registry.lake.names(SENDINGS) == []
    assert with_registry.messages() == []


def test_without_a_kafka_a_run_ends_before_events_are_made(contracts):
    contracts.give(sources(1))
    day = contracts.run().up_to("snapshot")
    contracts.set(kafka=None)
    lost = contracts.run()
    with pytest.raises(LumbungError, match="no Kafka is set"):
        lost.up_to("events")
    assert day.run.lake.names("contract-events/events") == []
