"""The schedule of the daily DAGs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, Self

from airflow.sdk.timezone import coerce_datetime, utcnow
from airflow.timetables.base import DagRunInfo, DataInterval
from airflow.timetables.trigger import CronPartitionTimetable
from pendulum import DateTime

from lumbung.core.day import JAKARTA, ends_at, today

ONE_DAY = timedelta(days=1)


class DailyTimetable(CronPartitionTimetable):
    """At 00:30 in Jakarta, for the day that just ended.

    The partition key is the day, its partition date midnight of that day in Jakarta: the same for a scheduled run, a
    backfilled one and one posted with a partition key, so Airflow takes them for runs of one day.
    """

    def __init__(self) -> None:
        super().__init__("30 0 * * *", timezone=JAKARTA.key, run_offset=-1, key_format="%Y-%m-%d")
        self.description = f"At 00:30 {JAKARTA.key}, for the day that just ended"

    @property
    def summary(self) -> str:
        """What Airflow's lists of DAGs show."""
        return f"00:30 {JAKARTA.key}"

    def serialize(self) -> dict[str, Any]:
        """Nothing to store: all timetables of this class are alike."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:  # noqa: ARG003
        """The timetable a DAG was stored with."""
        return cls()

    def _get_partition_date(self, *, run_date: datetime) -> DateTime:
        return _midnight(today(run_date) - ONE_DAY)

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """Airflow's own, for a run that is given a logical date (here `run_after`).

        Raises:
            ValueError: it is in the future, and Airflow would let the run wait until then. The REST API answers 400.
        """
        if run_after > utcnow():
            raise ValueError(f"logical_date {run_after} is in the future. Give none for today, or an earlier one.")
        return super().infer_manual_data_interval(run_after=run_after)

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """The runs of a backfill: one for each day from `earliest`'s to `latest`'s in Jakarta, none after today's."""
        now = coerce_datetime(utcnow())
        day, last = today(earliest), min(today(latest), today(now))
        while day <= last:
            yield DagRunInfo(
                # As on schedule: the scheduler reads off the last run's when the next is due. Later than now, it would
                # hold the run back.
                run_after=min(self._get_next(coerce_datetime(ends_at(day))), now),
                data_interval=None,
                partition_date=_midnight(day),
                partition_key=day.isoformat(),
            )
            day += ONE_DAY


def _midnight(day: date) -> DateTime:
    return coerce_datetime(datetime.combine(day, time.min, JAKARTA))
