"""The business day of a run, in Asia/Jakarta. Nothing else decides which day a run is for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from lumbung.core.errors import LumbungError

JAKARTA = ZoneInfo("Asia/Jakarta")


class DatedRun(Protocol):
    """What decides a run's day, beside its parameter, under Airflow's names.

    Attributes:
        partition_key: given by the schedule, a backfill or a REST call.
        logical_date: given by a REST call or `airflow dags test`; its day in Jakarta counts.
        run_after: when the run was asked for; unlike the clock it stays when the run is cleared on a later day.
    """

    @property
    def partition_key(self) -> str | None: ...  # noqa: D102
    @property
    def logical_date(self) -> datetime | None: ...  # noqa: D102
    @property
    def run_after(self) -> datetime: ...  # noqa: D102


def today(now: datetime | None = None) -> date:
    """The day it is in Jakarta, now or at `now` (aware)."""
    return (now or datetime.now(UTC)).astimezone(JAKARTA).date()


def parse(text: str) -> date:
    """Read a day written YYYY-MM-DD.

    Raises:
        LumbungError: `text` is anything else, such as another of the ISO 8601 spellings.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise LumbungError(f"{text!r} is not a day", where="day", remedy="write it as YYYY-MM-DD, such as 2026-11-10")
    return day


def refuse_future(day: date, now: datetime | None = None) -> None:
    """Let pass a day that has begun in Jakarta.

    Raises:
        LumbungError: `day` has not begun at `now`.
    """
    if day > today(now):
        raise LumbungError(
            f"{day} has not begun: in Jakarta it is {today(now)}", where="day", remedy="give today or an earlier day"
        )


def ends_at(day: date) -> datetime:
    """The instant `day` is over: midnight in Jakarta."""
    return datetime.combine(day + timedelta(days=1), time.min, JAKARTA)


def resolve(run: DatedRun, param: str | None, now: datetime | None = None) -> date:
    """The day a run is for, whichever way it was started.

    Args:
        run: the run, as Airflow has it.
        param: the run's parameter `day`; overrides all.
        now: the instant that decides what is in the future; default: the clock.

    Raises:
        LumbungError: the day is not written YYYY-MM-DD, or has not begun.
    """
    text = param or run.partition_key
    day = parse(text) if text else today(run.logical_date or run.run_after)
    refuse_future(day, now)
    return day
