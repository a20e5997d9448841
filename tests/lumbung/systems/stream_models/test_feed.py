"""How a message of activity is read."""

import json
from datetime import UTC, date, datetime

import pytest

from lumbung.core.settings import Settings
from lumbung.stream.feed import Record, RefusedError, UnreadableError
from lumbung.systems.stream_models.feed import feed
from support.activity import bad, row

AT = datetime(2026, 11, 29, 18, 30, tzinfo=UTC)


def parse(value, key=None):
    return feed(Settings.of()).parse(Record(value=value, key=key, partition=1, offset=7, at=AT))


def test_a_row_goes_to_the_jakarta_day_it_was_appended_on():
    day, parsed = parse(row(12, event_at="2026-09-01T20:02:11.250+07:00", minutes=3))
    assert day == date(2026, 11, 30)
    assert (parsed["seq"], parsed["offset"], parsed["appended_at"]) == (12, 7, AT)
    assert parsed["event_at"] == datetime(2026, 9, 1, 13, 2, 11, 250_000, tzinfo=UTC)
    assert (parsed["minutes"], type(parsed["minutes"])) == (3, float)


def test_a_tick_is_no_row_and_another_empty_message_is_a_reject():
    assert parse(None, b"tick") is None
    with pytest.raises(UnreadableError, match="no value"):
        parse(None, b"other")


def test_columns_that_a_dataset_lacks_are_null():
    values = {"seq": 1, "student_id": "s", "course_id": "c", "event_at": "2026-09-01T00:00:00Z"}
    _, parsed = parse(json.dumps(values).encode())
    assert [parsed[name] for name in ("rating", "minutes", "hour", "device", "completed")] == [None] * 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"student_id": ""}, "student_id is not a text"),
        ({"student_id": "s" * 1001}, "student_id is not a text of 1 to 1,000 characters"),
        ({"course_id": ["c"]}, "course_id is not a text"),
        ({"rating": 0}, "rating is not a whole number from 1 to 5"),
        ({"rating": True}, "rating is not"),
        ({"rating": "4"}, "rating is not"),
        ({"minutes": -0.5}, "minutes is not a number from 0"),
        ({"minutes": float("inf")}, "minutes is not"),
        ({"minutes": 10**400}, "minutes is not"),
        ({"hour": 24}, "hour is not a whole number from 0 to 23"),
        ({"device": 3}, "device is not a text"),
        ({"completed": 1}, "completed is neither true nor false"),
        ({"event_at": "2026-09-01T08:00:00"}, "event_at is not a time with a zone"),
        ({"event_at": 1788220800}, "event_at is not"),
        ({"event_at": "0001-01-01T00:00:00+07:00"}, "event_at is not"),
        ({"event_at": "2100-01-01T00:00:00Z"}, "event_at is not .* from 1970 to 2099"),
    ],
)
def test_a_value_of_a_wrong_type_or_range_is_refused_under_its_seq(changes, reason):
    with pytest.raises(RefusedError, match=reason) as error:
        parse(row(41, **changes))
    assert error.value.line == 41
    assert json.loads(error.value.raw)["seq"] == 41


def test_a_row_that_the_sender_could_not_read():
    with pytest.raises(RefusedError, match=r"^two columns are missing \(line 9\)$") as error:
        parse(bad(8))
    assert (error.value.line, error.value.raw) == (8, "a,b")


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[1]", b"\xff", b'{"seq": -1}', b'{"seq": 1.5}', b'{"seq": true}', b"[" * 10**5]
)
def test_what_is_no_row_at_all(value):
    with pytest.raises(UnreadableError) as error:
        parse(value)
    assert not isinstance(error.value, RefusedError)
