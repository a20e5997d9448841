from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.sdk._shared.module_loading.file_discovery import find_path_from_directory
from airflow.sdk.timezone import coerce_datetime
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables import trigger
from airflow.timetables.base import TimeRestriction

from lumbung.core.day import JAKARTA
from lumbung_airflow import timetable
from lumbung_airflow.timetable import DailyTimetable


def jakarta(day, hour, minute):
    return datetime(2026, 11, day, hour, minute, tzinfo=JAKARTA)


@pytest.fixture
def clock(monkeypatch):
    def set_to(now):
        monkeypatch.setattr(trigger, "utcnow", lambda: now.astimezone(UTC))
        monkeypatch.setattr(timetable, "utcnow", lambda: now.astimezone(UTC))

    return set_to


def scheduled(last=None):
    since_the_first = TimeRestriction(coerce_datetime(jakarta(1, 0, 0)), None, catchup=False)
    return DailyTimetable().next_dagrun_info_v2(last_dagrun_info=last, restriction=since_the_first)


def backfill(first, last):
    return list(DailyTimetable().iter_partition_dagrun_infos(earliest=first, latest=last))


@pytest.mark.parametrize(
    ("now", "key", "due"),
    [
        (jakarta(22, 0, 29), "2026-11-20", jakarta(21, 0, 30)),
        (jakarta(22, 0, 30), "2026-11-21", jakarta(22, 0, 30)),
        (jakarta(22, 23, 59), "2026-11-21", jakarta(22, 0, 30)),
    ],
)
def test_the_schedule_is_for_the_day_that_just_ended(clock, now, key, due):
    clock(now)
    info = scheduled()
    assert (info.partition_key, info.run_after, info.data_interval) == (key, due, None)


def test_the_next_scheduled_run_is_for_the_next_day(clock):
    clock(jakarta(22, 9, 0))
    info = scheduled(last=scheduled())
    assert (info.partition_key, info.run_after) == ("2026-11-22", jakarta(23, 0, 30))


def test_a_day_is_the_same_partition_on_schedule_by_backfill_and_by_key(clock):
    clock(jakarta(22, 9, 0))
    on_schedule = scheduled()
    [by_backfill] = backfill(jakarta(21, 0, 0), jakarta(21, 0, 0))
    assert on_schedule == by_backfill
    assert on_schedule.partition_date == DailyTimetable().resolve_partition_date("2026-11-21") == jakarta(21, 0, 0)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        # `--from-date 2026-11-10` is midnight UTC; the UI sends midnight in the time zone it shows.
        (datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 12, tzinfo=UTC), [10, 11, 12]),
        (jakarta(10, 0, 0), jakarta(12, 0, 0), [10, 11, 12]),
        (datetime(2026, 11, 10, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC), [10]),
        (datetime(2026, 11, 20, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC), [20, 21, 22]),
        (datetime(2026, 11, 23, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC), []),
        (datetime(2026, 11, 12, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC), []),
    ],
)
def test_a_backfill_makes_its_days_and_none_in_the_future(clock, first, last, days):
    clock(jakarta(22, 0, 5))
    assert [info.partition_key for info in backfill(first, last)] == [f"2026-11-{day}" for day in days]


def test_no_backfilled_run_has_to_wait(clock):
    for now in (jakarta(22, 0, 5), jakarta(22, 0, 45), jakarta(22, 12, 0)):
        clock(now)
        assert max(info.run_after for info in backfill(jakarta(20, 0, 0), jakarta(22, 0, 0))) <= now


@pytest.mark.parametrize(("day", "next_day"), [(22, 22), (21, 22), (10, 21)])
def test_the_schedule_goes_on_after_a_backfill(clock, day, next_day):
    """A backfill of yesterday or today must not make the scheduler run yesterday once more."""
    clock(jakarta(22, 9, 0))
    [last] = backfill(jakarta(day, 0, 0), jakarta(day, 0, 0))
    assert scheduled(last=last).partition_key == f"2026-11-{next_day}"


def test_a_logical_date_in_the_future_is_refused(clock):
    clock(jakarta(22, 9, 0))
    now = coerce_datetime(jakarta(22, 9, 0))
    assert DailyTimetable().infer_manual_data_interval(run_after=now) == (now, now)
    with pytest.raises(ValueError, match="in the future"):
        DailyTimetable().infer_manual_data_interval(run_after=now.add(seconds=1))


def test_a_dag_keeps_its_timetable_when_stored():
    dag = DAG("stored", schedule=DailyTimetable(), start_date=datetime(2026, 11, 1, tzinfo=UTC))
    stored = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).timetable
    assert type(stored) is DailyTimetable
    assert (stored, stored.summary, stored.partitioned) == (DailyTimetable(), "00:30 Asia/Jakarta", True)
    assert stored._get_partition_info(run_date=coerce_datetime(jakarta(22, 0, 30)))[1] == "2026-11-21"


def test_airflow_loads_no_file_of_the_package_under_its_bare_name():
    plugins = Path(timetable.__file__).parents[1]
    paths = [Path(path).relative_to(plugins) for path in find_path_from_directory(plugins, ".airflowignore")]
    assert Path("lumbung_plugin.py") in paths
    assert not [path for path in paths if path.parts[0] == "lumbung_airflow"]
