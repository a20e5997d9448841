"""The topic read back, and compared with the lake: every kind of difference is found."""

import json
from datetime import timedelta

import pytest
from confluent_kafka import Producer

from lumbung.core.errors import LumbungError
from lumbung.systems.contract_events import topic
from lumbung.systems.contract_events.part import read
from lumbung.systems.contract_events.sending import sendings
from lumbung.systems.contract_events.topic import is_empty, open_cluster
from support.contracts_harness import DAY, account, sources

NEXT = DAY + timedelta(days=1)


def produce(contracts, *messages):
    """Send messages as another program would."""
    open_cluster(contracts.settings).ensure_topics()
    producer = Producer({"bootstrap.servers": contracts.settings.kafka.servers})
    for key, value in messages:
        producer.produce(contracts.name, key=key, value=value)
    producer.flush()


def sent(contracts):
    """Key and value of each message of the lake."""
    parts = [part for sending in sendings(contracts.lake) for part in sending.content.parts]
    return [(event.contract_id, event.value) for part in parts for event in read(contracts.lake, part)]


@pytest.fixture
def again(contracts):
    """The harness after two days, whose topic was deleted; and the messages that it had."""
    contracts.take(sources(1, 2, 3))
    contracts.take({**sources(1, 2, 3), "account": [account(1), account(2, country="Malaysia"), account(3)]}, NEXT)
    messages = sent(contracts)
    contracts.delete_topic()
    return contracts, messages


def test_a_message_that_is_missing_changed_or_foreign_is_found(again):
    contracts, (one, two, three, update) = again
    changed = (two[0], two[1].replace("Indonesia", "Singapore"))
    foreign = [("1", b"not an event"), (None, None), ("9", json.dumps({"a": 1}).encode())]
    produce(contracts, one, changed, update, *foreign)
    verified = contracts.verify()
    assert verified.messages == 4
    assert verified.counts == {"changed": 1, "foreign": 3, "missing": 1}
    found = {(difference.kind, difference.key, difference.sending) for difference in verified.differences}
    assert found == {
        ("changed", "2", 1), ("missing", three[0], 1),
        ("foreign", "1", None), ("foreign", "", None), ("foreign", "9", None),
    }  # fmt: skip
    assert all(d.offset is not None for d in verified.differences if d.kind != "missing")


def test_messages_with_nothing_in_them_are_no_tombstones_and_can_be_printed(contracts):
    produce(contracts, (b"", b""), (b"1", b""), (b"1", None))
    printed = json.loads(json.dumps(contracts.messages()))
    assert sorted((message["key"], message["value"]) for message in printed if message["value"] is not None) == [
        ("", ""),
        ("1", ""),
    ]
    assert contracts.verify().counts == {"foreign": 3}


def test_every_message_is_compared_however_many_there_are(again, monkeypatch):
    contracts, messages = again
    produce(contracts, *messages)
    for size in (1, 2, 3):
        monkeypatch.setattr(topic, "BATCH", size)
        assert contracts.verify() == (len(messages), {}, [])


def test_a_message_that_came_twice_is_found(again):
    contracts, messages = again
    produce(contracts, *messages, messages[0])
    assert contracts.verify().counts == {"foreign": 1}


def test_messages_of_a_contract_in_another_order_are_found(again):
    contracts, (one, two, three, update) = again
    produce(contracts, update, one, two, three)
    verified = contracts.verify()
    assert verified.counts == {"in another order": 2}
    assert {difference.key for difference in verified.differences} == {"2"}


def test_only_so_many_differences_are_named_and_all_are_counted(again):
    contracts, messages = again
    produce(contracts, *((f"{number}", b"?") for number in range(30)), *messages)
    verified = contracts.verify()
    assert verified.counts == {"foreign": 30}
    assert len(verified.differences) == 20


def test_a_damaged_file_of_the_lake_is_an_error(contracts):
    contracts.take(sources(1))
    path = sendings(contracts.lake)[0].content.parts[0].path
    contracts.lake.write(path, b"damaged")
    with pytest.raises(LumbungError, match="not what was written"):
        contracts.verify()
    contracts.lake.delete(path)
    with pytest.raises(LumbungError, match="missing"):
        contracts.verify()


def test_messages_come_by_partition_and_offset_and_what_is_none_of_ours_as_text(contracts):
    produce(contracts, *((f"{number}", b'{"n": 1}') for number in range(20)), ("x", b"plain \xff"), ("y", None))
    messages = contracts.messages()
    places = [(message["partition"], message["offset"]) for message in messages]
    assert places == sorted(places)
    assert len(places) == 22
    by_key = {message["key"]: message["value"] for message in messages}
    assert by_key["3"] == {"n": 1}
    assert by_key["x"] == "plain \\xff"
    assert by_key["y"] is None


def test_a_topic_without_messages_is_empty_and_one_that_is_not_there_is_an_error(contracts):
    with pytest.raises(LumbungError, match="there is no such topic"):
        contracts.messages()
    open_cluster(contracts.settings).ensure_topics()
    assert is_empty(contracts.settings)
    produce(contracts, ("1", b"{}"))
    assert not is_empty(contracts.settings)
