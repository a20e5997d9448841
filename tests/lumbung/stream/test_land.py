"""Kafka to the lake: every message once, whatever happens."""

import json
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from confluent_kafka import TopicPartition

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import FolderLake
from lumbung.stream import envelope, landing
from lumbung.stream import land as module
from lumbung.stream.batch import Batch
from lumbung.stream.land import lag
from support.stream import NOON, checksums, jakarta, tweet

DAY = jakarta(NOON)
GROUP = "landed/cilvest/group.json"


def test_tweets_land_on_the_jakarta_day_they_were_made_on(tweets):
    lines = tweets.ship("a", *(tweet(number, days=-(number % 3)) for number in range(60)))
    done = tweets.land()
    assert (done.landings, done.rows, done.rejected) == (3, 60, 0)
    assert done.days == {DAY, DAY - timedelta(1), DAY - timedelta(2)}
    rows = {row["sha256"]: row for row in tweets.landed()}
    assert rows == {row["sha256"]: row for row in map(envelope.row, lines)}
    assert tweets.unnamed() == set()
    assert lag(tweets.settings, tweets.lake, tweets.feed) == {0: 0, 1: 0, 2: 0}
    for manifest in tweets.landings():
        assert (manifest.topic, manifest.topic_id) == (tweets.topic, tweets.cluster.topic().id)
        content = tweets.lake.read_json(f"landed/cilvest/tweet/{manifest.topic_id}/{manifest.partition}/{0:020}.json")
        assert "appended_to" not in content  # an older version reads it too


def test_landing_again_lands_only_what_came_since(tweets):
    lines = tweets.ship("a", *(tweet(number) for number in range(20)))
    tweets.land()
    assert tweets.land().landings == 0
    late = tweet(100, days=-30)
    lines += tweets.ship("b", *(tweet(number) for number in range(20, 40)), late)
    done = tweets.land()
    assert (done.rows, done.days) == (21, {DAY, DAY - timedelta(30)})
    assert tweets.checksums() == checksums(lines)


def test_a_lander_without_anything_to_land(tweets):
    assert tweets.land() == module.Landed()
    assert tweets.landings() == []


def test_aborted_messages_are_passed_over(tweets):
    tweets.cluster.ensure_topics()
    tweets.produce(tweet(1))
    tweets.transaction(tweet(2), tweet(3)).abort_transaction(60)
    tweets.produce(tweet(4))
    aborted = tweets.transaction(tweet(5), partition=1)
    aborted.abort_transaction(60)
    done = tweets.land()
    assert (done.rows, done.landings) == (2, 2)
    assert tweets.checksums() == checksums([tweet(1), tweet(4)])
    # Also where nothing but an aborted message came: else it would count as lost when Kafka deletes it.
    assert lag(tweets.settings, tweets.lake, tweets.feed) == {0: 0, 1: 0, 2: 0}
    empty = tweets.landings()[1]
    assert (empty.partition, empty.next_offset, empty.rows_read, empty.files) == (1, 2, 0, [])


def test_an_open_transaction_is_waited_for_by_the_next_landing(tweets):
    tweets.cluster.ensure_topics()
    tweets.produce(tweet(1))
    transaction = tweets.transaction(tweet(2))
    tweets.produce(tweet(3))
    assert tweets.land().rows == 1
    transaction.commit_transaction(60)
    assert tweets.land().rows == 2
    assert tweets.checksums() == checksums([tweet(1), tweet(2), tweet(3)])


def forget(tweets, offset, partition=0):
    """Delete a partition's messages before an offset, as retention does."""
    (future,) = tweets.admin.delete_records([TopicPartition(tweets.topic, partition, offset)]).values()
    future.result()


def test_retention_after_landing_loses_nothing(tweets):
    lines = tweets.ship("a", *(tweet(number) for number in range(20)))
    tweets.land()
    for partition, offsets in tweets.cluster.offsets(tweets.cluster.topic()).items():
        forget(tweets, offsets.end, partition)
    assert tweets.land().landings == 0
    lines += tweets.ship("b", tweet(50))
    tweets.land()
    assert tweets.checksums() == checksums(lines)


def test_messages_deleted_before_they_were_landed_stop_it_until_it_may_go_on(tweets):
    tweets.cluster.ensure_topics()
    tweets.produce(*(tweet(number) for number in range(10)))
    tweets.land()
    tweets.produce(*(tweet(number) for number in range(10, 20)))
    forget(tweets, 15)
    for _ in range(2):
        with pytest.raises(LumbungError, match=r"partition 0: offsets 10 to 14 were deleted .*--skip-lost"):
            tweets.land()
    assert len(tweets.landings()) == 1
    assert tweets.land(skip_lost=True).rows == 5
    assert tweets.checksums() == checksums([tweet(number) for number in [*range(10), *range(15, 20)]])
    gap = tweets.landings()[1]
    assert (gap.start_offset, gap.next_offset, gap.rows_read) == (10, 15, 0)


def test_messages_deleted_while_it_starts(tweets, monkeypatch):
    """After what is there was looked at, and before it is asked for."""
    tweets.cluster.ensure_topics()
    tweets.produce(*(tweet(number) for number in range(10)))
    assign = module._Lander._assign

    def late(self, consumer, partitions):
        if any(partition.partition == 0 for partition in partitions):
            forget(tweets, 5)
        assign(self, consumer, partitions)

    monkeypatch.setattr(module._Lander, "_assign", late)
    with pytest.raises(LumbungError, match="offsets 0 to 4 were deleted"):
        tweets.land()
    assert tweets.landings() == []


def recreate(tweets):
    tweets.admin.delete_topics([tweets.topic])[tweets.topic].result()
    tweets.cluster.ensure_topics()


def test_a_recreated_topic_starts_its_own_chain(tweets):
    tweets.cluster.ensure_topics()
    tweets.produce(*(tweet(number) for number in range(10)))
    tweets.land()
    recreate(tweets)
    tweets.produce(*(tweet(number) for number in range(100, 105)))
    assert tweets.land().rows == 5
    assert len({manifest.topic_id for manifest in tweets.landings()}) == 2
    assert len(tweets.checksums()) == 15


def test_a_topic_recreated_while_it_is_read_is_not_landed_as_the_old_one(tweets, monkeypatch):
    tweets.cluster.ensure_topics()
    tweets.produce(*(tweet(number) for number in range(10)))
    check = module._Lander._check_topic

    def late(self):
        recreate(tweets)
        check(self)

    monkeypatch.setattr(module._Lander, "_check_topic", late)
    with pytest.raises(LumbungError, match="recreated while it was read"):
        tweets.land()
    assert tweets.landings() == []


def test_a_partition_that_ends_before_what_was_landed(tweets, monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 1)
    tweets.cluster.ensure_topics()
    topic = tweets.cluster.topic()
    landing.create(tweets.lake, tweets.feed.landed, Batch(tweets.feed, 0, 100).landing(topic, 2))
    with pytest.raises(LumbungError, match=r"partition 2: the partition ends at offset 0, but .* goes to 100"):
        tweets.land()


class SlowLake(FolderLake):
    """A lake of a lander that others overtake right before it creates its first manifest."""

    def __init__(self, lake, overtake):
        super().__init__(lake.uri, lake.folder)
        self.overtake = overtake

    def create(self, path, content):
        if path.startswith("landed/cilvest/tweet/"):
            overtake, self.overtake = self.overtake, lambda: None
            overtake()
        return super().create(path, content)


def test_a_lander_that_slept_drops_its_files_and_reads_on_from_the_lake(tweets):
    lines = tweets.ship("a", *(tweet(number) for number in range(30)))
    others = {}

    def overtake():
        nonlocal lines
        assert tweets.unnamed()
        lines += tweets.ship("b", *(tweet(number) for number in range(30, 40)))
        # As another lander that was given all partitions: this one's group does not know.
        topic = tweets.cluster.topic()
        others["done"] = tweets.land(OtherGroup(tweets.lake.uri, tweets.lake.folder))
        assert {manifest.topic_id for manifest in tweets.landings()} == {topic.id}

    done = tweets.land(SlowLake(tweets.lake, overtake))
    assert others["done"].rows == 40
    assert done.rows == 0
    assert tweets.checksums() == checksums(lines)
    assert tweets.unnamed() == set()


class OtherGroup(FolderLake):
    """The same lake, whose landers are another consumer group."""

    def read(self, path):
        return json.dumps({"group": "other"}).encode() if path == GROUP else super().read(path)


@pytest.mark.parametrize("bound", [{"batch_rows": 7}, {"batch_bytes": 3000}])
def test_bounds_make_more_landings(tweets, bound):
    lines = tweets.ship("a", *(tweet(number, size=200) for number in range(60)))
    assert tweets.land(**bound).landings > 6
    assert tweets.checksums() == checksums(lines)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_step(tweets, workers, moment):
    """A run for each step of it, killed there; each goes on from what the one before it wrote."""
    tweets.cluster.ensure_topics()
    lines, bad = [], 0
    step = kills = 0
    while True:
        step += 1
        if step <= 7:
            new = [tweet(100 * step + number, days=-(number % 2)) for number in range(4)]
            tweets.produce(*new, b"bad%d" % step)
            lines += new
            bad += 1
        if not workers.run(tweets, "land", moment=moment, step=step):
            break
        kills += 1
        tweets.lake.delete(GROUP)  # or each would wait until the killed one's partitions are free
    # The group's name, the dead letters, two days' files, the rejects, the manifest.
    assert kills >= 5
    assert tweets.checksums() == checksums(lines)
    assert len({row["raw"] for row in tweets.rejected()}) == len(tweets.rejected()) == bad
    # Some came twice, but under their key, of which compaction leaves one.
    dead = tweets.read(f"{tweets.topic}.dead")
    assert {message.value().decode() for message in dead} == {row["raw"] for row in tweets.rejected()}
    assert len({message.key() for message in dead}) == bad


def test_killed_at_random_moments_and_rebalanced(tweets, workers):
    """Landers come and go, some killed, while tweets arrive; each in a batch of its own moment."""
    choice = random.Random(3)
    lines, kills = [], 0
    for turn in range(4):
        workers.start(tweets, "land", forever=True, batch_rows=20, batch_seconds=0.3)
        for part in range(4):
            lines += tweets.ship(f"f{turn}-{part}", *(tweet(1000 * turn + 100 * part + n) for n in range(30)))
            time.sleep(choice.uniform(0, 0.3))
        workers.kill()
        kills += workers.wait()
    tweets.land()
    assert kills == 4
    assert tweets.checksums() == checksums(lines)


def test_two_landers_share_the_partitions(tweets):
    lines = tweets.ship("a", *(tweet(number) for number in range(600)))
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(tweets.land, batch_rows=50) for _ in range(2)]
        done = [run.result() for run in runs]
    assert sum(landed.rows for landed in done) == 600
    assert tweets.checksums() == checksums(lines)
    assert tweets.unnamed() == set()


def test_a_broker_that_is_killed_meanwhile(tweets, monkeypatch):
    lines = tweets.ship("a", *(tweet(number) for number in range(200)))
    killed = []
    row = envelope.row

    def slow(value):
        if not killed:
            killed.append(threading.Thread(target=restart))
            killed[0].start()
        time.sleep(0.01)
        return row(value)

    def restart():
        tweets.broker.kill()
        tweets.broker.start()

    monkeypatch.setattr(envelope, "row", slow)
    done = tweets.land(batch_rows=20)
    killed[0].join()
    assert done.rows == 200
    monkeypatch.undo()
    assert tweets.checksums() == checksums(lines)


MEASURED = """
import resource, sys
import pyarrow.parquet
from lumbung.storage.lake import open_lake
from lumbung.core.settings import load
from lumbung.stream import land
from lumbung.systems.cilvest.feed import feed
settings = load({"LUMBUNG_HOME": sys.argv[1], "LUMBUNG_KAFKA": sys.argv[2], "LUMBUNG_KAFKA_TOPIC": sys.argv[3]})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(land.land(settings, open_lake(settings), feed(settings), batch_bytes=8 << 20).rows)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_is_bounded_at_10_kilobytes_a_message(tweets):
    tweets.cluster.ensure_topics()
    value = tweet(1, size=10_000)
    for partition in range(3):
        tweets.produce(*[value] * 8000, partition=partition, **{"compression.type": "zstd"})
    settings = tweets.settings
    command = [sys.executable, "-c", MEASURED, str(settings.home), settings.kafka.servers, settings.kafka.topic]
    rows, grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert rows == "24000"
    assert int(grown) < 120, f"{grown} MB for 240 MB of messages"
