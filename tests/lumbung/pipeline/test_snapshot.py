"""Which of a day's snapshots a run builds from, and which version is the newest, on a real lake folder."""

from datetime import UTC, date, datetime, timedelta

from lumbung.core import day as business_day
from lumbung.pipeline import snapshot
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
