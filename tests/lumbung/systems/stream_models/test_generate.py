"""Synthetic activity: the same bytes for a seed, joined to the sample data, and worth learning from."""

import json
from collections import Counter
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest

from lumbung.core.day import JAKARTA
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.models.truth import Truth
from lumbung.systems.stream_models.generate import DAYS, START, generate

ROWS = 20_000


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("generated") / "activity.ndjson"
    generated = generate(Settings.of(), out, rows=ROWS, seed=1)
    assert generated.truth == out.with_name("activity.ndjson.truth.npz")
    return out, Truth.read(generated.truth.read_bytes())


@pytest.fixture(scope="module")
def events(dataset):
    return [json.loads(line) for line in dataset[0].read_bytes().splitlines()]


@pytest.fixture(scope="module")
def pairs(dataset, events):
    truth = dataset[1]
    return np.array([(truth.students[event["student_id"]], truth.courses[event["course_id"]]) for event in events])


def test_a_seed_gives_the_same_bytes(dataset, tmp_path):
    calls = []
    generate(Settings.of(), tmp_path / "a" / "again", rows=ROWS, seed=1, progress=lambda *call: calls.append(call))
    assert (tmp_path / "a" / "again").read_bytes() == dataset[0].read_bytes()
    assert (tmp_path / "a" / "again.truth.npz").read_bytes() == dataset[1].write()
    assert calls[-1] == ("again", ROWS, ROWS)
    generate(Settings.of(), tmp_path / "other", rows=ROWS, seed=2)
    assert (tmp_path / "other").read_bytes() != dataset[0].read_bytes()


@pytest.mark.parametrize("rows", [1, 2, 777])
def test_small_ones(tmp_path, rows):
    generate(Settings.of(), tmp_path / "a", rows=rows)
    assert [json.loads(line)["seq"] for line in (tmp_path / "a").read_bytes().splitlines()] == list(range(rows))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.truth.npz"]


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(LumbungError, match="Ask for at least 1"):
        generate(Settings.of(), tmp_path / "a", rows=0)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LumbungError, match=r"file.*cannot be written"):
        generate(Settings.of(), tmp_path / "file" / "a", rows=1)


def test_rows_have_all_columns_in_range(events):
    for number, event in enumerate(events):
        assert list(event) == [
            *("student_id", "course_id", "rating", "minutes", "hour", "device", "completed", "event_time", "seq")
        ]
        assert event["seq"] == number
        assert event["rating"] in range(1, 6)
        assert event["minutes"] > 0
        assert event["device"] in ("phone", "laptop", "tablet")
        assert type(event["completed"]) is bool


def test_times_rise_over_the_days_and_hours_are_theirs_in_jakarta(events):
    times = [datetime.fromisoformat(event["event_time"]) for event in events]
    assert times == sorted(times)
    first = datetime.combine(START, time(), JAKARTA)
    assert first <= times[0] < first + timedelta(hours=1)
    assert first + timedelta(days=DAYS, hours=-1) < times[-1] < first + timedelta(days=DAYS)
    assert [event["hour"] for event in events] == [(at + timedelta(hours=7)).hour for at in times]


def test_other_days_change_nothing_but_the_days(tmp_path, events):
    generate(Settings.of(), tmp_path / "later", rows=ROWS, seed=1, start=date(2026, 9, 8))
    later = [json.loads(line) for line in (tmp_path / "later").read_text().splitlines()]
    for event, moved in zip(events, later, strict=True):
        at, week_later = (datetime.fromisoformat(each["event_time"]) for each in (event, moved))
        assert week_later - at == timedelta(days=7)
        assert moved | {"event_time": event["event_time"]} == event


def test_it_joins_the_sample_data(dataset, events):
    sample = Settings.of().data_source
    students = [row["id"] for row in json.loads((sample / "student.json").read_bytes())]
    courses = json.loads((sample / "course.json").read_bytes())
    truth = dataset[1]
    assert truth.student_ids[: len(students)] == students
    assert truth.course_ids[: len(courses)] == [row["id"] for row in courses]
    assert truth.titles[: len(courses)] == [row["title"] for row in courses]
    assert len(set(truth.student_ids)) == len(truth.student_ids) > len(students)
    assert len(set(truth.course_ids)) == len(truth.titles) == len(set(truth.titles)) > 150
    assert {event["student_id"] for event in events} == set(truth.student_ids)
    assert {event["course_id"] for event in events} >= {row["id"] for row in courses}


def test_a_student_takes_a_course_once(pairs):
    assert max(Counter(map(tuple, pairs.tolist())).values()) == 1


def test_the_truth_beats_popularity_by_far(dataset, pairs):
    """Recall@20 on the last quarter: with weak tastes popularity is as good as anything."""
    truth = dataset[1]
    until = ROWS * 3 // 4
    shape = len(truth.student_ids), len(truth.course_ids)
    seen, taken = np.zeros(shape, bool), np.zeros(shape, bool)
    seen[tuple(pairs[:until].T)] = taken[tuple(pairs[until:].T)] = True
    popularity = np.tile(seen.sum(axis=0), (shape[0], 1)).astype(float)
    scores = np.array([truth.scores(student) for student in truth.student_ids])

    def recall(ranks):
        best = np.argsort(np.where(seen, -np.inf, ranks), axis=1)[:, -20:]
        hits = np.take_along_axis(taken, best, axis=1).sum(axis=1)
        return (hits / np.minimum(taken.sum(axis=1), 20)).mean()

    assert recall(scores) > 1.6 * recall(popularity) > 0.2


def test_ratings_and_completion_follow_the_truth_and_drift(dataset, events):
    truth = dataset[1]
    angles = np.array([event["hour"] for event in events]) * np.pi / 12
    rows = pa.Table.from_pylist(events)
    rows = rows.append_column("hour_sin", pa.array(np.sin(angles))).append_column("hour_cos", pa.array(np.cos(angles)))
    completed = np.array([event["completed"] for event in events])
    probability = truth.completion(rows)
    base = np.mean((completed - completed.mean()) ** 2)
    assert np.mean((completed - probability) ** 2) < 0.85 * base
    assert completed.mean() == pytest.approx(probability.mean(), abs=0.02)
    rating = np.array([event["rating"] for event in events])
    assert np.std(rating - truth.rating(rows)) < 0.8 * np.std(rating)
    assert (rating - truth.rating(rows)).mean() == pytest.approx(0, abs=0.02)
    phones = [np.mean([event["device"] == "phone" for event in events[k * 5000 :][:5000]]) for k in range(4)]
    assert phones == sorted(phones)
    assert 0.03 < phones[3] - phones[0] < 0.2
