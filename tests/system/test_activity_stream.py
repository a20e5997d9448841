"""From a real broker through landers to batches: each row once, whatever is killed."""

import random
import time

import pytest

from lumbung.core.errors import LumbungError
from lumbung.stream.land import lag
from lumbung.systems.stream_models.batches import make_batches, newest_batches
from lumbung.systems.stream_models.by import By
from support.activity import Activity, ActivityStream, all_seqs, bad, files_of, replay, row, rows_of

COUNT, EVENTS, WINDOW = By("count", 25), By.parse("event:2m"), By.parse("window:1s")
ROWS = 300


@pytest.fixture
def activity(kafka, tmp_path):
    stream = ActivityStream(kafka, tmp_path / "home")
    stream.cluster.ensure_topics()
    return stream


def values(start, end):
    return [bad(seq) if seq % 29 == 3 else row(seq) for seq in range(start, end)]


@pytest.fixture
def expected(tmp_path):
    """The files of an undisturbed run."""
    plain = Activity(tmp_path / "plain", partitions=1)
    replay(plain.lake, 1, 0, ROWS)
    plain.send(*values(0, ROWS))
    return {by: files_of(make_batches(plain.lake, by)) for by in (COUNT, EVENTS)}


def grow(activity, partitions):
    from confluent_kafka.admin import NewPartitions

    activity.admin.create_partitions([NewPartitions(activity.topic, partitions)])[activity.topic].result()
    while len(activity.cluster.topic().partitions) < partitions:
        time.sleep(0.05)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_landers_and_batchers_give_the_files_of_an_undisturbed_run(activity, workers, expected, seed):
    """Landers that are killed or share the partitions, batches that are cut meanwhile, more partitions."""
    choice = random.Random(seed)
    if seed == 2:
        grow(activity, 5)
    replay(activity.lake, 1, 0, ROWS)
    kills = 0
    for start in range(0, ROWS, 50):
        workers.start(activity, "land activity", forever=True, batch_rows=20, batch_seconds=0.2)
        for part in range(start, start + 50, 10):
            activity.send(*values(part, part + 10))
            time.sleep(choice.uniform(0, 0.2))
        workers.kill()
        kills += workers.wait()
        activity.lake.delete(activity.feed.group)  # or the next one waits until the killed one's partitions are free
        if choice.random() < 0.6:
            activity.land()
        by = choice.choice([COUNT, EVENTS])
        kills += workers.run(activity, "batch", by=str(by), step=choice.randint(1, 8), moment="before")
    assert kills > 6
    activity.land()
    for by in (COUNT, EVENTS):
        assert files_of(make_batches(activity.lake, by)) == expected[by]
    made = make_batches(activity.lake, WINDOW)
    assert sum(batch.rows + batch.rejected for batch in made) == ROWS
    assert len(set(all_seqs(activity.lake, made))) == sum(batch.rows for batch in made)


def test_a_window_closes_by_ticks_without_a_further_message(activity):
    activity.send(*values(0, 20))
    activity.land()
    time.sleep(1.1)
    assert make_batches(activity.lake, WINDOW) == []
    activity.tick()
    done = activity.land()
    assert (done.rows, done.rejected) == (0, 0)
    batches = make_batches(activity.lake, WINDOW)
    assert sum(batch.rows + batch.rejected for batch in batches) == 20
    assert lag(activity.settings, activity.lake, activity.feed) == {0: 0, 1: 0, 2: 0}


def test_an_open_transaction_holds_its_window_open(activity):
    """Its rows are appended, and the partition ends before them for a reader of what is committed."""
    transaction = activity.transaction(row(0), row(1), partition=1)
    activity.produce(row(2), partition=0)
    time.sleep(1.1)
    activity.tick()
    activity.land()
    assert make_batches(activity.lake, WINDOW) == []
    transaction.commit_transaction(60)
    activity.land()
    batches = make_batches(activity.lake, WINDOW)
    assert all_seqs(activity.lake, batches) == [0, 1, 2]
    assert all(batch.generation == 1 for batch in batches)


def test_bad_messages_are_rejected_with_their_seq_and_reach_the_dead_letters(activity):
    sent = [
        row(0),
        bad(1),
        row(2, rating=6),
        row(3, event_at="2026-09-01 08:00"),
        row(4, minutes=float("nan")),
        row(5, student_id=17),
        row(6, completed="yes"),
        b"no JSON",
        row(7, student_id="\ud800"),
    ]
    replay(activity.lake, 1, 0, 8)
    activity.produce(*sent, None)
    done = activity.land()
    assert (done.rows, done.rejected) == (1, 9)
    rejects = {reject["line"]: reject for reject in activity.rejected() if reject["seq"] is not None}
    assert {seq: reject["reason"].partition(",")[0] for seq, reject in rejects.items()} == {
        1: "two columns are missing (line 2)",
        2: "rating is not a whole number from 1 to 5",
        3: "event_at is not a time with a zone",
        4: "minutes is not a number from 0",
        5: "student_id is not a text of 1 to 1",
        6: "completed is neither true nor false",
        7: "student_id is not Unicode text",
    }
    assert rejects[1]["raw"] == "a,b"
    assert {reject["offset"] for reject in activity.rejected()} == set(range(1, 10))
    assert len(activity.read(activity.cluster.dead)) == 9
    (batch,) = make_batches(activity.lake, By("count", 8))
    assert (batch.rows, batch.rejected) == (1, 7)


def test_a_foreign_producer_without_seq(activity):
    sent = {f"s{number}" for number in range(90)}
    activity.send(*(row(None, student_id=student) for student in sorted(sent)))
    activity.land(batch_rows=20)
    batches = make_batches(activity.lake, COUNT)
    assert [batch.rows for batch in batches] == [25] * 3
    activity.send(*(row(None, student_id=f"more{number}") for number in range(10)))
    activity.land()
    batches = make_batches(activity.lake, COUNT)
    students = [line["student_id"] for batch in batches for line in rows_of(activity.lake, batch)]
    assert len(set(students)) == len(students) == 100
    assert batches == newest_batches(activity.lake, COUNT)


def test_a_topic_made_again_gives_the_same_files(activity, expected):
    replay(activity.lake, 1, 0, ROWS)
    activity.send(*values(0, 120))
    activity.land()
    make_batches(activity.lake, COUNT)
    activity.admin.delete_topics([activity.topic])[activity.topic].result()
    activity.cluster.ensure_topics()
    activity.send(*values(0, ROWS))
    activity.land()
    for by in (COUNT, EVENTS):
        assert files_of(make_batches(activity.lake, by)) == expected[by]


def test_a_topic_with_the_producers_times_is_refused(activity):
    from confluent_kafka.admin import NewTopic

    activity.admin.delete_topics([activity.topic])[activity.topic].result()
    activity.admin.create_topics([NewTopic(activity.topic, 3, 1)])[activity.topic].result()
    with pytest.raises(
        LumbungError, match=r"timestamp.type is CreateTime, where LogAppendTime is needed.*--add-config"
    ):
        activity.land()
