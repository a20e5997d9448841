"""Ticks prove how far a partition's time has come."""

from datetime import UTC, datetime, timedelta

import pytest

from lumbung.core.errors import LumbungError
from lumbung.stream.kafka import Cluster
from lumbung.stream.ticks import tick
from support.activity import ActivityStream, row


@pytest.fixture
def activity(kafka, tmp_path):
    stream = ActivityStream(kafka, tmp_path / "home")
    stream.cluster.ensure_topics()
    return stream


def test_landing_goes_past_ticks_without_counting_them(activity):
    began = datetime.now(UTC)
    activity.produce(row(0), partition=1)
    activity.tick()
    done = activity.land()
    assert (done.landings, done.rows, done.rejected) == (3, 1, 0)
    assert {(made.rows_read, made.partitions) for made in activity.landings()} == {(0, 3), (1, 3)}
    for made in activity.landings():
        assert began - timedelta(seconds=1) < made.appended_to < datetime.now(UTC) + timedelta(seconds=1)
    assert activity.read(activity.cluster.dead) == []


def test_a_lander_does_not_pass_a_tick_behind_an_open_transaction(activity):
    transaction = activity.transaction(row(0), partition=2)
    activity.tick()
    activity.land()
    assert {made.partition for made in activity.landings()} == {0, 1}
    transaction.abort_transaction(60)
    activity.land()
    (last,) = [made for made in activity.landings() if made.partition == 2]
    assert (last.rows_read, last.appended_to is not None) == (0, True)


def test_a_topic_that_is_gone(activity):
    topic = activity.cluster.topic()
    activity.admin.delete_topics([activity.topic])[activity.topic].result()
    cluster = Cluster(activity.settings, topic.name, activity.feed.config, sender=activity.feed.sender)
    with pytest.raises(LumbungError, match=r"no such topic\. Run lumbung models replay, which makes it"):
        tick(cluster, topic)
