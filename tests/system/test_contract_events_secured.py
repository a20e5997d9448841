"""Contract events by settings alone to a Kafka with TLS and a password, and with a schema registry."""

from datetime import timedelta

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from pydantic import SecretStr

from lumbung.core.errors import LumbungError
from lumbung.stream import kafka as kafka_module
from lumbung.systems.contract_events import schema
from lumbung.systems.contract_events.sending import newest_sending
from support.contracts_harness import DAY, states
from support.stream import PASSWORD, USER

NEXT, LAST = DAY + timedelta(days=1), DAY + timedelta(days=2)


@pytest.fixture
def make_secured(make_contracts_harness, kafka, registry_url):
    """A harness whose Kafka asks for a user, as Confluent Cloud does."""

    def make(password=PASSWORD, **options):
        contracts = make_contracts_harness(schema_registry=registry_url, **options)
        address = f"127.0.0.1:{kafka.safe_port}"
        contracts.set(kafka=address, kafka_username=USER, kafka_password=SecretStr(password), kafka_ca=kafka.ca)
        return contracts

    return make


def prefixes(contracts, tweets):
    """What stands before the events."""
    return {message.value()[:5] for message in tweets.read(contracts.name) if message.value()}


def test_events_over_tls_with_a_password_and_their_schemas_ids(make_secured, tweets, registry_url):
    contracts = make_secured(contract_events_tombstone=True)
    first, second, third = states()
    contracts.take(first)
    contracts.take(second, NEXT)
    one = schema.prefix(contracts.settings, "1.0")
    assert prefixes(contracts, tweets) == {one}
    assert ("5", "TOMBSTONE") in contracts.in_order()
    # Another version of the schema sends nothing by itself; what comes next has it.
    contracts.set(contract_events_schema_version="1.1")
    count = len(contracts.messages())
    contracts.take(second, NEXT)
    assert len(contracts.messages()) == count
    contracts.take(third, LAST)
    two = schema.prefix(contracts.settings, "1.1")
    assert prefixes(contracts, tweets) == {one, two}
    assert SchemaRegistryClient({"url": registry_url}).get_versions(f"{contracts.name}-value") == [1, 2]
    assert contracts.verify().differences == []


def test_a_wrong_password_is_told_apart(make_secured, monkeypatch):
    monkeypatch.setattr(kafka_module, "REACH_SECONDS", 3)
    contracts = make_secured(password="wr0ng-of-tests")
    with pytest.raises(LumbungError, match=r"does not let this user in.*LUMBUNG_KAFKA_PASSWORD"):
        contracts.take(states()[0])


def test_a_schema_that_does_not_fit_stops_a_run_before_anything_is_sent(make_secured, tweets, registry_url):
    contracts = make_secured()
    client = SchemaRegistryClient({"url": registry_url})
    client.register_schema(f"{contracts.name}-value", Schema(schema.text("1.1"), "JSON"))
    client.set_compatibility(f"{contracts.name}-value", "BACKWARD")
    with pytest.raises(LumbungError, match="the schema does not fit what the registry has"):
        contracts.take(states()[0])
    assert newest_sending(contracts.lake) is None
    assert contracts.name not in tweets.admin.list_topics(timeout=30).topics
    contracts.set(contract_events_schema_version="1.1")
    contracts.take(states()[0])
    assert len(contracts.messages()) == 5
