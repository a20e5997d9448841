from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from lumbung.core.day import ends_at, parse, refuse_future, resolve, today
from lumbung.core.errors import LumbungError

pytestmark = pytest.mark.midnight

NOW = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)  # 09:30 in Jakarta
TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 11, 21, 16, 59, 59, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 11, 21, 17, 0, tzinfo=UTC), date(2026, 11, 22)),
        (datetime(2026, 11, 21, 23, 0, tzinfo=timezone(timedelta(hours=-8))), date(2026, 11, 22)),
        (datetime(2026, 12, 31, 20, 0, tzinfo=UTC), date(2027, 1, 1)),
    ],
)
def test_a_day_begins_at_midnight_in_jakarta(now, expected):
    assert today(now) == expected


def test_today_follows_the_clock():
    assert today() in {today(datetime.now(UTC)), today(datetime.now(UTC) - timedelta(seconds=1))}


def test_a_day_ends_when_the_next_begins():
    end = ends_at(date(2026, 11, 10))
    assert end.astimezone(UTC) == datetime(2026, 11, 10, 17, 0, tzinfo=UTC)
    assert (today(end - timedelta(microseconds=1)), today(end)) == (date(2026, 11, 10), date(2026, 11, 11))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 2026-11-10",
        "2026-11-10\n",
        "20261110",
        "2026-W46-2",
        "2026-1-5",
        "2026-02-30",
        "2026-11-10T00:00",
        "yesterday",
    ],
)
def test_only_one_spelling_of_a_day_is_read(text):
    with pytest.raises(LumbungError) as error:
        parse(text)
    assert repr(text) in str(error.value)
    assert "YYYY-MM-DD" in str(error.value)


def test_a_day_is_read():
    assert parse("2024-02-29") == date(2024, 2, 29)


def test_only_a_day_that_has_not_begun_is_refused():
    refuse_future(TODAY, NOW)
    with pytest.raises(LumbungError, match=r"2026-11-23.*2026-11-22"):
        refuse_future(TODAY + timedelta(days=1), NOW)


@dataclass(frozen=True)
class Run:
    partition_key: str | None
    logical_date: datetime | None
    run_after: datetime


PARAM = "2026-11-01"
RUN = Run(
    partition_key="2026-11-02",
    logical_date=datetime(2026, 11, 2, 20, 0, tzinfo=UTC),  # the 3rd in Jakarta
    run_after=datetime(2026, 11, 3, 17, 0, tzinfo=UTC),  # the 4th in Jakarta
)


@pytest.mark.parametrize(
    ("param", "absent", "expected"),
    [
        (PARAM, [], date(2026, 11, 1)),
        (None, [], date(2026, 11, 2)),
        (None, ["partition_key"], date(2026, 11, 3)),
        (None, ["partition_key", "logical_date"], date(2026, 11, 4)),
    ],
)
def test_what_a_run_is_given_decides_in_this_order(param, absent, expected):
    assert resolve(replace(RUN, **dict.fromkeys(absent)), param, NOW) == expected


def test_a_run_cleared_on_a_later_day_keeps_its_day():
    run = Run(partition_key=None, logical_date=None, run_after=NOW)
    assert resolve(run, None, NOW) == resolve(run, None, NOW + timedelta(days=3)) == TODAY


@pytest.mark.parametrize(
    ("param", "given"),
    [
        ("2026-11-23", {}),
        (None, {"partition_key": "2026-11-23"}),
        (None, {"partition_key": None, "logical_date": datetime(2026, 11, 22, 17, 0, tzinfo=UTC)}),
    ],
)
def test_a_future_day_is_refused_however_given(param, given):
    with pytest.raises(LumbungError, match="2026-11-23 has not begun"):
        resolve(replace(RUN, **given), param, NOW)
