"""Which of a day's snapshots a run builds from, and which version is the newest, on a real lake folder."""

from datetime import UTC, date, datetime, timedelta

import pytest

from lumbung.core import day as business_day
from lumbung.core.errors import SourceError
from lumbung.pipeline import extract, snapshot
from lumbung.storage.lake import FolderLake
from support.pipeline import SYSTEM, sources

DAY = date(2026, 11, 10)


def test_the_newest_version_is_of_the_latest_day_whatever_was_made_last(harness):
    for day in ("2026-11-12", "2026-11-14", "2026-11-13"):
        run = harness.run(day)
        run.extract()
        run.snapshot()
    assert f"{snapshot.newest_version(harness.lake, SYSTEM).day}" == "2026-11-14"
    assert (run.own.day, run.target.day) == (date(2026, 11, 13), date(2026, 11, 14))
    # A day whose snapshots are not all there does not count, nor does a refused one.
    harness.run("2026-11-15").extract("student")
    assert f"{snapshot.newest_version(harness.lake, SYSTEM).day}" == "2026-11-14"


def test_what_a_refresh_took_is_used_by_others_when_it_is_in_a_version(harness):
    harness.take(DAY)
    harness.fill({"mentor": [*sources()["mentor"], sources()["mentor"][0]]})
    killed = harness.run(DAY, refresh=True)
    killed.extract("mentor")
    other = harness.take(DAY)
    assert (other.version.generation, other.version.generations["mentor"]) == (1, 1)
    assert harness.rejected(DAY) == []
    killed.extract()
    killed.snapshot()
    assert set(killed.version.generations.values()) == {2}
    assert harness.take(DAY).own == killed.own
    assert harness.rejected(DAY) == [("mentor", 4, "an identical repeat of line 2")]


def test_a_run_keeps_to_what_it_took_beside_another_one(harness):
    """Of a day that is not over each run takes the sources again."""
    today = business_day.today()
    one, other = harness.run(today), harness.run(today, started_at=datetime.now(UTC) + timedelta(minutes=1))
    one.extract()
    other.extract("course_enrollment")
    one.snapshot()
    assert set(one.version.generations.values()) == {1}
    # The other is killed: who comes later takes the newest.
    later = harness.run(today, started_at=datetime.now(UTC) - timedelta(minutes=1))
    later.extract()
    later.snapshot()
    assert later.version.generations == {**one.version.generations, "course_enrollment": 2}


def test_a_refresh_that_is_refused_refuses_no_other_run(harness):
    first = harness.take(DAY)
    orphans = [{"student_id": key, "course_id": "c1"} for key in ("n1", "n2")]
    harness.fill({"course_enrollment": [*sources()["course_enrollment"], *orphans]})
    with pytest.raises(SourceError, match=r"is not in student\. Fix the source and run the day again with --refresh"):
        harness.take(DAY, refresh=True)
    assert harness.take(DAY).version == first.version
    harness.fill(sources())
    assert set(harness.take(DAY, refresh=True).version.generations.values()) == {3}


def test_after_a_refused_source_of_a_refresh_the_error_asks_for_another_refresh(harness):
    first = harness.take(DAY)
    harness.fill({"mentor": 3 * [{"id": None, "first_name": "Sri", "last_name": "Rahayu"}]})
    with pytest.raises(SourceError, match=r"3 of 3 rows .* Fix the source and run the day again with --refresh"):
        harness.take(DAY, refresh=True)
    harness.fill({"mentor": []})
    with pytest.raises(SourceError, match=r"0 rows.* Fill the source and run the day again with --refresh"):
        harness.take(DAY, refresh=True)
    assert harness.take(DAY).version == first.version


@pytest.mark.parametrize("has_version", [True, False])
def test_rejects_are_those_of_what_is_loaded_beside_another_run_that_was_killed(harness, has_version):
    today = business_day.today()
    harness.fill({"course_enrollment": [*sources()["course_enrollment"], {"student_id": "n1", "course_id": "c1"}]})
    one, other = harness.run(today), harness.run(today, started_at=datetime.now(UTC) + timedelta(minutes=1))
    one.up_to("audit" if has_version else "extract")
    other.extract("course_enrollment")
    if not has_version:
        one.snapshot()
    one.rejected()
    assert one.version.members["course_enrollment"].rows_rejected == 1
    assert harness.rejected(today) == [("course_enrollment", None, "student_id n1 is not in student")]


@pytest.fixture
def at(harness, monkeypatch):
    """A run that begins, and takes sources, so long after the end of the day."""

    def run_at(hours, *, run_id=None, refresh=False):
        now = business_day.ends_at(DAY) + timedelta(hours=hours)

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return now.astimezone(tz)

        monkeypatch.setattr(extract, "datetime", Clock)
        return harness.run(DAY, run_id=run_id, refresh=refresh, started_at=now)

    return run_at


def test_rows_from_after_the_end_of_a_day_come_before_a_run_s_own_from_before(at):
    """A run at noon is killed, so is the next one after midnight; then the first one is cleared."""
    at(-12, run_id="noon").extract()
    at(0.5).extract()
    cleared = at(72, run_id="noon")
    cleared.extract()
    cleared.snapshot()
    assert set(cleared.version.generations.values()) == {2}


def test_a_refresh_counts_as_a_whole_where_a_run_after_midnight_was_killed(at):
    """That run has taken a part of the sources: to the refresh they are over, the others are not."""
    noon = at(-12)
    noon.extract()
    noon.snapshot()
    at(0.5).extract("student")
    at(10, refresh=True).extract("student", "course_enrollment")
    later = at(60)
    later.extract()
    later.snapshot()
    assert later.version.generations == {**noon.version.generations, "student": 2}


def test_a_day_that_is_run_again_asks_the_lake_for_a_list_and_a_manifest_of_each_source(harness, monkeypatch):
    harness.take(DAY)
    asked = []
    for name in ("names", "read"):
        ask = getattr(FolderLake, name)
        monkeypatch.setattr(FolderLake, name, lambda *args, ask=ask: asked.append(ask) or ask(*args))
    run = harness.run(DAY)
    run.extract()
    assert len(asked) == 2 * len(run.run.sources)
