"""Batches of messages: each of them once for a reader of what is committed, or not at all."""

import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import load
from lumbung.stream import kafka as kafka_module
from lumbung.stream.kafka import EVENTS, Cluster
from lumbung.stream.shipper import Shipper, check_size
from support.stream import PASSWORD, USER


def events_cluster(tweets, **changes):
    settings = tweets.settings.replace(**changes)
    return Cluster(settings, tweets.topic, EVENTS, has_dead=False)


@pytest.fixture
def cluster(tweets):
    made = events_cluster(tweets)
    made.ensure_topics()
    return made


def content(tweets):
    return sorted((message.key(), message.value() or b"") for message in tweets.read())


def test_a_batch_and_its_record_are_one_transaction(tweets, cluster):
    with Shipper(cluster) as shipper:
        assert shipper.done("part-1") is None
        assert shipper.send("part-1", [(b"a", b"1"), (b"a", None)], {"rows": 2}) == 2
        assert shipper.done("part-1") == {"rows": 2}
        assert shipper.send("part-2", iter([(b"b", b"2")])) == 1
        assert shipper.done("part-2") == {}
    messages = tweets.read()
    assert [message.value() for message in messages if message.key() == b"a"] == [b"1", None]
    assert len(messages) == 3
    assert tweets.done() == {"part-1": {"rows": 2}, "part-2": {}}
    with Shipper(cluster) as later:
        assert [later.done(f"part-{number}") for number in (1, 2, 3)] == [{"rows": 2}, {}, None]


def test_a_record_is_read_after_the_last_message(tweets, cluster):
    record = {"rows": 0}

    def messages():
        for number in range(3):
            record["rows"] += 1
            yield b"k", b"%d" % number

    with Shipper(cluster) as shipper:
        shipper.send("counted", messages(), record)
    assert tweets.done() == {"counted": {"rows": 3}}


def test_a_message_that_is_too_large_sends_nothing(tweets, cluster):
    with Shipper(cluster, limit=1000) as shipper:
        shipper.send("right", [(b"key", b"x" * 997)])
        message = rf"{tweets.topic}: the message of contract-7 has 1,010 bytes; 1,000 are allowed"
        with pytest.raises(LumbungError, match=message):
            shipper.send("large", [(b"first", b"1"), (b"contract-7", b"x" * 1000)])
        assert shipper.done("large") is None
        with pytest.raises(LumbungError, match=message):
            check_size(b"contract-7", b"x" * 1000, 1000, tweets.topic)
        check_size(b"contract-7", None, 1000, tweets.topic)
        shipper.send("next", [(b"second", b"2")])
    assert content(tweets) == [(b"key", b"x" * 997), (b"second", b"2")]
    assert set(tweets.done()) == {"right", "next"}


def test_the_largest_message_that_is_allowed_goes_through(tweets, cluster):
    # Of bytes that do not compress, with more around it than the broker's limit has left.
    value = bytes(number * number % 251 for number in range(999_990))
    with Shipper(cluster) as shipper:
        shipper.send("large", [(b"0123456789", value)])
    assert content(tweets) == [(b"0123456789", value)]


def test_what_fails_meanwhile_sends_nothing(tweets, cluster):
    def messages():
        yield b"a", b"1"
        raise OSError("the lake is away")

    with Shipper(cluster) as shipper:
        with pytest.raises(OSError, match="the lake is away"):
            shipper.send("part", messages())
        shipper.send("part", [(b"a", b"1")])
    assert content(tweets) == [(b"a", b"1")]


def test_the_youngest_shipper_goes_on(tweets, cluster):
    with Shipper(cluster) as older, Shipper(cluster) as younger:
        older.send("1", [(b"a", b"1")])
        assert younger.done("1") == {}
        with pytest.raises(LumbungError, match="another shipper has taken over"):
            older.send("2", [(b"a", b"2")])
        younger.send("2", [(b"a", b"2")])
        older.claim()
        assert older.done("2") == {}
    assert content(tweets) == [(b"a", b"1"), (b"a", b"2")]


def murmur2(key):
    """The hash by which the Java client chooses a key's partition, for keys of whole 4 bytes."""
    word = 0xFFFFFFFF
    hashed = 0x9747B28C ^ len(key)
    for start in range(0, len(key), 4):
        piece = int.from_bytes(key[start : start + 4], "little") * 0x5BD1E995 & word
        piece = (piece ^ piece >> 24) * 0x5BD1E995 & word
        hashed = hashed * 0x5BD1E995 & word ^ piece
    hashed = (hashed ^ hashed >> 13) * 0x5BD1E995 & word
    return hashed ^ hashed >> 15


def test_a_key_has_the_partition_that_the_java_client_would_choose(tweets, cluster):
    keys = [b"%08d" % (number * 7919) for number in range(60)]
    with Shipper(cluster) as shipper:
        shipper.send("part", [(key, b"") for key in keys])
    assert {message.key(): message.partition() for message in tweets.read()} == {
        key: (murmur2(key) & 0x7FFFFFFF) % 3 for key in keys
    }


def signed_in(tweets, **changes):
    """As for Confluent Cloud: a user and password are enough, with the authority of a broker of one's own."""
    environ = {
        "LUMBUNG_HOME": str(tweets.settings.home),
        "LUMBUNG_KAFKA": f"127.0.0.1:{tweets.broker.safe_port}",
        "LUMBUNG_KAFKA_USERNAME": USER,
        "LUMBUNG_KAFKA_PASSWORD": PASSWORD,
        "LUMBUNG_KAFKA_CA": str(tweets.broker.ca),
        **changes,
    }
    return Cluster(load(environ), tweets.topic, EVENTS, has_dead=False)


PLAIN = {"LUMBUNG_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "LUMBUNG_KAFKA_CA": ""}


@pytest.mark.parametrize("door", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_all_of_sending_with_a_user(tweets, door):
    plain = PLAIN | {"LUMBUNG_KAFKA": f"127.0.0.1:{tweets.broker.login_port}"}
    cluster = signed_in(tweets, **(plain if door == "SASL_PLAINTEXT" else {}))
    cluster.ensure_topics()
    with Shipper(cluster) as shipper:
        shipper.send("part", [(b"a", b"1"), (b"a", None)], {"rows": 2})
    with Shipper(cluster) as shipper:
        assert shipper.done("part") == {"rows": 2}
    assert content(tweets) == [(b"a", b""), (b"a", b"1")]
    assert sum(offsets.end - offsets.first for offsets in cluster.offsets(cluster.topic()).values()) >= 2


@pytest.mark.parametrize("door", ["SASL_SSL", "SASL_PLAINTEXT"])
@pytest.mark.parametrize("first", ["ensure_topics", "claim"])
def test_a_wrong_password_is_told_apart(tweets, monkeypatch, door, first):
    monkeypatch.setattr(kafka_module, "REACH_SECONDS", 3)
    monkeypatch.setattr("lumbung.stream.transactions.WAIT_SECONDS", 3)
    wrong = {"LUMBUNG_KAFKA_PASSWORD": "wr0ng-of-tests"}
    plain = PLAIN | {"LUMBUNG_KAFKA": f"127.0.0.1:{tweets.broker.login_port}"}
    cluster = signed_in(tweets, **wrong, **(plain if door == "SASL_PLAINTEXT" else {}))
    shipper = Shipper(cluster)
    with pytest.raises(LumbungError, match=r"does not let this user in.*Check LUMBUNG_KAFKA_USERNAME") as error:
        cluster.ensure_topics() if first == "ensure_topics" else shipper.claim()
    assert "of-tests" not in str(error.value)
