"""Spool files to Kafka: every line once for a reader of what is committed, whatever happens."""

import hashlib
import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaException, Producer

from lumbung.core.errors import LumbungError
from lumbung.stream import envelope
from lumbung.stream.collect import MAX_TWEET_BYTES
from lumbung.stream.ship import Shipped, ship
from support.stream import tweet


def values(tweets):
    return sorted(message.value() for message in tweets.read())


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_lines_are_values_and_ids_are_keys(tweets):
    lines = [tweet(number) for number in range(50)]
    file = tweets.spool("a", *lines)
    digest = sha256(file)
    assert ship(tweets.settings) == Shipped(files=1, lines=50)
    messages = tweets.read()
    assert sorted(message.value() for message in messages) == sorted(lines)
    assert {message.key().decode(): message.value() for message in messages} == {
        str(10**18 + n): lines[n] for n in range(50)
    }
    assert {message.partition() for message in messages} == {0, 1, 2}
    assert tweets.done() == {digest: {"file": "a.jsonl", "lines": 50, "bad": 0}}
    assert (tweets.names("incoming"), tweets.names("finished")) == ([], ["a.jsonl"])
    assert ship(tweets.settings) == Shipped()
    assert len(tweets.read()) == 50


def test_a_file_that_is_done_is_only_moved_whatever_its_name(tweets):
    tweets.spool("a", tweet(1))
    ship(tweets.settings)
    tweets.spool("a", tweet(1))
    tweets.spool("b", tweet(1))
    assert ship(tweets.settings) == Shipped(known=2)
    assert len(tweets.read()) == 1
    assert tweets.names("finished") == ["a.jsonl", "b.jsonl"]


def test_another_file_of_the_same_name_keeps_both(tweets):
    for number in (1, 2):
        file = tweets.spool("a", tweet(number))
        digest = sha256(file)
        ship(tweets.settings)
    assert len(tweets.read()) == 2
    assert tweets.names("finished") == [f"a-{digest[:12]}.jsonl", "a.jsonl"]


def test_only_whole_files_are_shipped(tweets):
    tweets.spool("a", tweet(1)).rename(tweets.settings.spool / "incoming" / "a.tmp")
    assert ship(tweets.settings) == Shipped()


def test_bad_lines_go_to_errors_with_number_and_reason(tweets):
    long = tweet(3, text="x" * MAX_TWEET_BYTES)
    whole = tweet(2, text="y" * (MAX_TWEET_BYTES - len(tweet(2, text=""))))
    assert len(whole) == MAX_TWEET_BYTES
    lines = [tweet(1), b"no json", b"", b'{"half": "\xff', long, whole + b"\r", tweet(4)]
    file = tweets.spool("a", *lines)
    content = file.read_bytes()
    assert ship(tweets.settings) == Shipped(files=1, lines=3, bad=4)
    shipped = values(tweets)
    assert [value for value in shipped if b'"tweet"' in value[:200]] == sorted([tweet(1), whole, tweet(4)])
    refused = [json.loads(value)["refused"] for value in shipped if value.startswith(b'{"source": "spool"')]
    assert {(each["file"], each["line"], each["raw"][:11]) for each in refused} == {
        ("a.jsonl", 2, "no json"),
        ("a.jsonl", 3, ""),
        ("a.jsonl", 4, '{"half": "\\'),
        ("a.jsonl", 5, '{"collected'),
    }
    (name,) = tweets.names("error")
    errors = [json.loads(line) for line in (tweets.settings.spool / "error" / name).read_bytes().splitlines()]
    assert [(error["file"], error["line"]) for error in errors] == [("a.jsonl", line) for line in (2, 3, 4, 5)]
    assert [error["reason"].partition(":")[0] for error in errors] == [
        *("not a JSON object", "not a JSON object", "not UTF-8"),
        f"a tweet of {len(long):,} bytes; a message may have 1,000,000",
    ]
    assert errors[2]["raw"].encode("utf-8", "surrogateescape") == lines[3]
    assert (tweets.settings.spool / "finished" / "a.jsonl").read_bytes() == content
    assert list(tweets.done().values()) == [{"file": "a.jsonl", "lines": 3, "bad": 4}]


def test_what_was_refused_before_is_sent_as_it_is_and_once(tweets):
    line = envelope.refuse(b"no json", source="archive", file="in/a.jsonl", line=3, reason="not JSON")
    tweets.spool("a", line)
    assert ship(tweets.settings) == Shipped(files=1, bad=1)
    assert (values(tweets), tweets.names("error")) == ([line], [])
    tweets.spool("again", line)
    assert ship(tweets.settings) == Shipped(known=1)
    assert values(tweets) == [line]


def test_a_last_line_without_its_end_counts(tweets):
    file = tweets.spool("a", tweet(1), tweet(2))
    file.write_bytes(file.read_bytes()[:-1])
    assert ship(tweets.settings).lines == 2
    assert values(tweets) == [tweet(1), tweet(2)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_step(tweets, workers, moment):
    """A run for each step of it, killed there; each goes on from what the one before it wrote."""
    lines = {tweet(number) for number in range(30)}
    step, kills = 0, 0
    while True:
        step += 1
        if step <= 12:  # a new file each time, so that there is something to be killed at
            tweets.spool(f"f{step:02}", b"bad", *(tweet(100 * step + number) for number in range(3)))
            lines |= {tweet(100 * step + number) for number in range(3)}
        if step == 1:
            tweets.spool("a", b"bad", *(tweet(number) for number in range(30)))
        if not workers.run(tweets, "ship", moment=moment, step=step, every=10):
            break
        kills += 1
    assert kills >= 8
    sent = values(tweets)
    assert [value for value in sent if b'"refused"' not in value[:40]] == sorted(lines)
    assert tweets.names("incoming") == []
    files = len(tweets.names("finished"))
    assert files == min(step, 12) + 1
    assert len({value for value in sent if b'"refused"' in value[:40]}) == len(sent) - len(lines) == files
    assert len(tweets.names("error")) == len(tweets.done()) == files


def test_killed_at_random_moments(tweets, workers):
    choice = random.Random(7)
    lines = []
    for file in range(6):
        made = [tweet(1000 * file + number, size=2000) for number in range(400)]
        tweets.spool(f"f{file}", *made)
        lines += made
    kills = 0
    for _ in range(5):
        workers.start(tweets, "ship")
        time.sleep(choice.uniform(0.05, 0.6))
        workers.kill()
        kills += workers.wait()
    ship(tweets.settings)
    assert kills
    assert values(tweets) == sorted(lines)
    assert tweets.names("incoming") == []


def test_two_shippers_at_once(tweets):
    lines = [tweet(number) for number in range(300)]
    for file in range(6):
        tweets.spool(f"f{file}", *lines[50 * file : 50 * file + 50])
    with ThreadPoolExecutor(2) as pool:
        shipped = list(pool.map(ship, [tweets.settings] * 2))
    assert values(tweets) == sorted(lines)
    assert sum(result.lines for result in shipped) == 300


def claim(tweets):
    """Another machine's shipper, right after it claimed the topic."""
    other = Producer({"bootstrap.servers": tweets.broker.address, "transactional.id": f"lumbung-ship-{tweets.topic}"})
    other.init_transactions(60)
    return other


def test_a_shipper_that_slept_can_commit_nothing(tweets):
    tweets.cluster.ensure_topics()
    sleeper = claim(tweets)
    sleeper.begin_transaction()
    sleeper.produce(tweets.topic, value=tweet(1), key=b"1")
    sleeper.flush(60)
    tweets.spool("a", tweet(1), tweet(2))
    ship(tweets.settings)
    with pytest.raises(KafkaException):
        sleeper.commit_transaction(30)
    assert values(tweets) == [tweet(1), tweet(2)]


def test_a_shipper_that_was_overtaken_says_so_and_leaves_the_file(tweets, monkeypatch):
    tweets.spool("a", tweet(1), tweet(2))
    others = []

    def overtaken(line):
        if not others:
            others.append(claim(tweets))
        return message_key(line)

    message_key = envelope.key
    monkeypatch.setattr(envelope, "key", overtaken)
    with pytest.raises(LumbungError, match="another shipper has taken over"):
        ship(tweets.settings)
    assert (values(tweets), tweets.names("incoming")) == ([], ["a.jsonl"])
    assert ship(tweets.settings) == Shipped(files=1, lines=2)
    assert values(tweets) == [tweet(1), tweet(2)]


def test_a_broker_that_is_killed_meanwhile(tweets, monkeypatch):
    lines = [tweet(number) for number in range(20)]
    tweets.spool("a", *lines)
    killed = []

    def key(line):
        if line == lines[10] and not killed:
            killed.append(tweets.broker.kill())
            tweets.broker.start()
        return message_key(line)

    message_key = envelope.key
    monkeypatch.setattr(envelope, "key", key)
    ship(tweets.settings)
    assert killed
    assert values(tweets) == sorted(lines)


MEASURED = """
import resource, sys
from lumbung.core.settings import load
from lumbung.stream import ship
from confluent_kafka import Producer
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(ship.ship(load({"LUMBUNG_HOME": sys.argv[1], "LUMBUNG_KAFKA": sys.argv[2], "LUMBUNG_KAFKA_TOPIC": sys.argv[3]})))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_large_file_is_one_transaction_and_little_memory(tweets):
    line = tweet(1, size=10_000)
    file = tweets.spool("a")
    with file.open("wb") as stream:
        for _ in range(25_000):
            stream.write(line + b"\n")
    settings = tweets.settings
    command = [sys.executable, "-c", MEASURED, str(settings.home), settings.kafka.servers, settings.kafka.topic]
    shipped, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "lines=25000" in shipped
    size = file_size = (settings.spool / "finished" / "a.jsonl").stat().st_size >> 20
    assert int(grown) < size / 2, f"{grown} MB for a file of {file_size} MB"
