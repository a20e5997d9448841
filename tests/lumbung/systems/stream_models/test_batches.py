"""Batches hold each row once, whatever order it is landed in."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from lumbung.core.errors import LumbungError
from lumbung.stream import landing
from lumbung.systems.stream_models.batches import default_by, make_batches, newest_batches
from lumbung.systems.stream_models.by import By
from support import bucket_server
from support.activity import FIRST, NOON, Activity, all_seqs, bad, files_of, replay, row, rows_of, seqs_of
from support.azurite_server import ServedAzureLake

TEN = By("count", 10)
MINUTE = By.parse("window:1m")
EVENTS = By.parse("event:1m")


@pytest.fixture
def activity(tmp_path):
    return Activity(tmp_path)


def test_a_batch_by_count_has_its_seqs(activity):
    values = [bad(seq) if seq in (3, 17) else row(seq) for seq in range(35)]
    activity.send(*values)
    batches = make_batches(activity.lake, TEN)
    assert [(b.number, b.rows, b.rejected, b.first_seq, b.last_seq) for b in batches] == [
        (1, 9, 1, 0, 9),
        (2, 9, 1, 10, 19),
        (3, 10, 0, 20, 29),
    ]
    assert seqs_of(activity.lake, batches)[2] == [*range(10, 17), 18, 19]
    first = rows_of(activity.lake, batches[0])[1]
    assert first == {
        "seq": 1,
        "student_id": "s1",
        "course_id": "c1",
        "rating": 2,
        "minutes": 0.5,
        "hour": 1,
        "device": "laptop",
        "completed": False,
        "event_at": FIRST + timedelta(seconds=10),
    }
    assert make_batches(activity.lake, TEN) == batches == newest_batches(activity.lake, TEN)
    activity.send(*map(row, range(35, 40)))
    assert [batch.number for batch in make_batches(activity.lake, TEN)] == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("by", [TEN, EVENTS])
def test_the_same_files_whatever_comes_when(tmp_path, seed, by):
    """Rows in any order and partition, cut at any time, some twice as the topic was made again."""
    values = [bad(seq) if seq % 13 in (0, 5) else row(seq) for seq in range(97)]
    plain = Activity(tmp_path / "plain", partitions=1)
    replay(plain.lake, 1, 0, 60)
    replay(plain.lake, 2, 60, 37)
    plain.send(*values)
    expected = files_of(make_batches(plain.lake, by))
    assert sum(rows + rejected for _, rows, rejected in expected.values()) == 97
    choice = random.Random(seed)
    mixed = Activity(tmp_path / "mixed", partitions=choice.randint(1, 5))
    replay(mixed.lake, 1, 0, 60)
    replay(mixed.lake, 2, 60, 37)
    shuffled = choice.sample(values, len(values))
    for part in range(0, 97, 16):
        if choice.random() < 0.3:
            mixed.make(f"topic-{part}", choice.randint(1, 5))
            mixed.send(*choice.sample(shuffled[:part], part // 2), size=3)
        mixed.send(*shuffled[part : part + 16], size=choice.randint(1, 9))
        if choice.random() < 0.7:
            make_batches(mixed.lake, by)
    assert files_of(make_batches(mixed.lake, by)) == expected


def test_the_end_of_a_replay_closes_a_short_batch_and_later_rows_reopen_it(activity):
    replay(activity.lake, 1, 0, 14)
    activity.send(*map(row, range(13)))
    assert seqs_of(activity.lake, make_batches(activity.lake, TEN)).keys() == {1}
    activity.send(row(13))
    first = make_batches(activity.lake, TEN)
    assert (first[1].generation, first[1].rows, first[1].last_seq) == (1, 4, 13)
    replay(activity.lake, 2, 14, 8)
    activity.send(*map(row, range(14, 19)))  # not completely landed: nothing changes
    assert make_batches(activity.lake, TEN) == first
    activity.send(*map(row, range(19, 22)))
    second = make_batches(activity.lake, TEN)
    assert [(b.number, b.generation, b.rows) for b in second] == [(1, 1, 10), (2, 2, 10), (3, 1, 2)]
    assert seqs_of(activity.lake, second)[2] == list(range(10, 20))


def test_a_row_that_came_twice_counts_once(activity):
    activity.send(*map(row, range(20)))
    make_batches(activity.lake, TEN)
    activity.make("again", 2)
    activity.send(*map(row, range(25)))
    activity.send(*map(row, range(20, 30)))
    batches = make_batches(activity.lake, TEN)
    assert [(b.number, b.generation, b.rows) for b in batches] == [(1, 1, 10), (2, 1, 10), (3, 1, 10)]


def test_what_has_no_seq_is_no_row_of_a_numbered_stream(activity):
    activity.send(b"no JSON", *map(row, range(10)), b"[]")
    (batch,) = make_batches(activity.lake, TEN)
    assert (batch.rows, batch.rejected) == (10, 0)


def test_a_stream_that_mixes_rows_with_and_without_seq_is_refused(activity):
    activity.send(*map(row, range(10)))
    make_batches(activity.lake, TEN)
    activity.send(row(None))
    with pytest.raises(LumbungError, match=r"activity, partition 0, .*with and without seq.*LUMBUNG_ACTIVITY_TOPIC"):
        make_batches(activity.lake, TEN)


def test_windows_of_the_append_time_close_when_all_partitions_are_past_their_end(activity):
    activity.land(0, *map(row, range(70)))  # 12:00:00 to 12:01:09
    assert make_batches(activity.lake, MINUTE) == []  # two partitions are not landed at all
    activity.land(1, row(70))
    activity.land(2, tick=True)
    (batch,) = make_batches(activity.lake, MINUTE)
    assert (batch.number, batch.rows, batch.start) == (20261129120000, 60, NOON)
    assert batch.end == NOON + timedelta(minutes=1)
    activity.now += timedelta(minutes=5)
    activity.tick()
    batches = make_batches(activity.lake, MINUTE)
    assert {b.number: (b.rows, b.generation) for b in batches} == {20261129120000: (60, 1), 20261129120100: (11, 1)}


def test_a_partition_whose_tick_is_not_landed_holds_its_windows_open(activity):
    activity.send(*map(row, range(21)))
    activity.now += timedelta(minutes=5)
    activity.land(0, tick=True)
    activity.land(1, tick=True)
    assert make_batches(activity.lake, MINUTE) == []
    activity.land(2, tick=True)
    assert [batch.rows for batch in make_batches(activity.lake, MINUTE)] == [21]


def test_all_replays_landed_close_windows_without_a_further_message(activity):
    replay(activity.lake, 1, 0, 100)
    activity.send(*map(row, range(99)))
    assert sum(batch.rows for batch in make_batches(activity.lake, MINUTE)) < 99
    activity.send(bad(99))
    batches = make_batches(activity.lake, MINUTE)
    assert sum(batch.rows for batch in batches) == 99
    assert sum(batch.rejected for batch in batches) == 1
    # The next dataset begins in the same window, which gets a new generation when it is over.
    replay(activity.lake, 2, 100, 5)
    activity.send(*map(row, range(100, 104)))
    assert make_batches(activity.lake, MINUTE) == batches
    activity.now += timedelta(minutes=5)
    activity.tick()
    later = make_batches(activity.lake, MINUTE)
    assert (later[-1].number, later[-1].generation) == (batches[-1].number, 2)
    assert all_seqs(activity.lake, later) == [*range(99), *range(100, 104)]


def test_a_topic_made_again_neither_loses_nor_doubles_rows_of_windows(activity):
    activity.send(*map(row, range(50)))
    activity.now += timedelta(minutes=5)
    activity.tick()
    first = make_batches(activity.lake, MINUTE)
    activity.make("again", 2)
    activity.send(*map(row, range(80)))
    activity.now += timedelta(minutes=5)
    activity.tick()
    batches = make_batches(activity.lake, MINUTE)
    assert batches[: len(first)] == first
    assert all_seqs(activity.lake, batches) == list(range(80))


def test_a_broker_s_clock_that_goes_back(activity):
    activity.send(*map(row, range(6)))
    activity.now -= timedelta(hours=1)
    activity.send(*map(row, range(6, 12)))
    activity.now += timedelta(hours=2)
    activity.tick()
    assert sum(batch.rows for batch in make_batches(activity.lake, MINUTE)) == 12


def test_windows_of_events_close_by_the_events(activity):
    activity.send(*map(row, range(6)))
    assert make_batches(activity.lake, EVENTS) == []  # none is past 8:01
    activity.send(row(7))
    assert make_batches(activity.lake, EVENTS) == []  # 6 is missing
    activity.send(row(6))
    (batch,) = make_batches(activity.lake, EVENTS)
    assert (batch.number, batch.rows, batch.first_seq, batch.last_seq) == (20260901080000, 6, 0, 5)
    assert batch.start == datetime(2026, 9, 1, 1, tzinfo=UTC)
    # A late one.
    activity.send(row(8, event_at=f"{FIRST:%Y-%m-%dT%H:%M:%S}Z"))
    (batch,) = make_batches(activity.lake, EVENTS)
    assert (batch.generation, batch.rows, batch.last_seq) == (2, 7, 8)
    assert seqs_of(activity.lake, [batch])[batch.number] == [0, 1, 2, 3, 4, 5, 8]


@pytest.mark.parametrize("by", [TEN, MINUTE, EVENTS])
def test_rows_without_seq_are_cut_by_ranges_of_offsets(activity, by):
    values = [row(None, student_id=f"s{number}") for number in range(95)]
    activity.send(*values[:40], b"no JSON")
    make_batches(activity.lake, by)
    activity.send(*values[40:])
    activity.now += timedelta(minutes=5)
    activity.tick()
    if by == EVENTS:
        activity.send(row(None, student_id="later", event_at="2026-09-01T03:00:00Z"))
    batches = make_batches(activity.lake, by)
    students = [line["student_id"] for batch in batches for line in rows_of(activity.lake, batch)]
    assert len(students) == len(set(students))
    assert all((batch.first_seq, batch.last_seq) == (None, None) for batch in batches)
    if by == TEN:
        assert [batch.rows + batch.rejected for batch in batches] == [10] * 9
        spans = {}
        for span in (span for batch in batches for span in batch.ranges):
            assert spans.get(span.partition, 0) <= span.start < span.end
            spans[span.partition] = span.end
    else:
        assert set(students) == {f"s{number}" for number in range(95)}
        assert sum(batch.rejected for batch in batches) == 1
        assert all(batch.ranges for batch in batches)


def test_csv_by_option(activity):
    activity.send(*map(row, range(20)))
    plain = make_batches(activity.lake, TEN)
    batches = make_batches(activity.lake, TEN, csv=True)
    assert [batch.file for batch in batches] == [batch.file for batch in plain]
    lines = activity.lake.read(batches[0].csv.path).decode().splitlines()
    assert lines[0].replace('"', "") == "seq,student_id,course_id,rating,minutes,hour,device,completed,event_at"
    assert lines[1].replace('"', "") == "0,s0,c0,1,0,0,phone,true,2026-09-01 01:00:00.000000Z"
    assert len(lines) == 11
    assert make_batches(activity.lake, TEN, csv=True) == batches


def test_the_default_is_a_quarter_of_the_first_replay(activity):
    with pytest.raises(LumbungError, match="lumbung models replay"):
        default_by(activity.lake)
    replay(activity.lake, 1, 0, 1001)
    assert default_by(activity.lake) == By("count", 251)


def test_ticks_alone_make_no_batch(activity):
    activity.tick()
    for by in (TEN, MINUTE, EVENTS):
        assert make_batches(activity.lake, by) == []


def test_a_lake_on_azure_has_the_same_batches_as_a_folder(activity, tmp_path, azurite):
    compare_batches(activity, tmp_path, ServedAzureLake(f"az://{azurite.container()}/home", azurite.url), TEN)


@pytest.mark.parametrize("by", [TEN, MINUTE, EVENTS])
def test_a_bucket_has_the_same_batches_as_a_folder(activity, tmp_path, by):
    with bucket_server.running() as server:
        compare_batches(activity, tmp_path, bucket_server.ServedLake("gs://granary/home", server.url), by)


def compare_batches(activity, tmp_path, lake, by):
    other = Activity(tmp_path / "other")
    other.lake = lake
    for place in (activity, other):
        replay(place.lake, 1, 0, 45)
        place.send(*map(row, range(25)))
        make_batches(place.lake, by)
        place.send(*map(row, range(25, 45)))
    batches = make_batches(other.lake, by, csv=True)
    assert files_of(batches) == files_of(make_batches(activity.lake, by))
    assert sum(batch.rows for batch in batches) == 45


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_a_landed_file_that_is_gone(activity, place):
    with bucket_server.running() as server:
        if place == "bucket":
            activity.lake = bucket_server.ServedLake("gs://granary/home", server.url)
        refuse_without_its_file(activity)


def refuse_without_its_file(activity):
    activity.send(row(0))
    (file,) = (file for made in landing.landings(activity.lake, activity.feed.landed) for file in made.files)
    activity.lake.delete(file.path)
    with pytest.raises(LumbungError, match=f"{file.path}: a file of the stream is gone"):
        make_batches(activity.lake, TEN)
