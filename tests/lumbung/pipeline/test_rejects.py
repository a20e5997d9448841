"""Rejected rows on the real local server: the table holds those of the newest attempt at each source."""

import pyarrow.parquet as pq
import pytest

from lumbung.core.errors import SourceError
from lumbung.pipeline import snapshot
from support.pipeline import sources
from support.two_tables import FIRST


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


def bad_mentors(*keys):
    return [{"id": key, "first_name": "A", "last_name": "B"} for key in keys]


def test_rejects_of_both_kinds_are_in_the_table_and_rows_add_up(make_harness):
    harness = make_harness()
    changed = sources()
    changed["mentor"] = bad_mentors("m1", "m2", "m1")
    changed["course_enrollment"].append({"student_id": "s9", "course_id": "c1"})
    harness.fill(changed)
    run = harness.run(FIRST).up_to("load")
    assert harness.rejected(FIRST) == [
        ("course_enrollment", None, "student_id s9 is not in student"),
        ("mentor", 4, "an identical repeat of line 2"),
    ]
    for name, member in run.version.members.items():
        (loaded,) = harness.rows(f"SELECT COUNT(*) AS n FROM {{staging.{name}}}")
        rejects = [row for row in harness.rejected(FIRST) if row[0] == name]
        assert member.rows_read == loaded["n"] + len(rejects)
    harness.fill(sources())
    harness.run(FIRST, refresh=True).up_to("rejected")
    assert harness.rejected(FIRST) == []


def test_rejects_that_an_earlier_release_kept_are_in_the_table(harness):
    """Their files lack the columns that came later."""
    harness.fill({"mentor": bad_mentors("m1", "m2", "m1")})
    harness.take(FIRST)
    rejects = harness.rejected(FIRST)
    taken = snapshot.committed(harness.lake, "pinter_skuy", "mentor", FIRST, "")
    with harness.lake.local(taken.rejects.path) as file:
        pq.write_table(pq.read_table(file).select(["line", "raw", "reason"]), file)
    harness.run(FIRST).up_to("rejected")
    assert harness.rejected(FIRST) == rejects == [("mentor", 4, "an identical repeat of line 2")]


def test_a_source_that_is_away_does_not_take_away_the_rejects_of_what_is_loaded(harness):
    harness.fill({"mentor": bad_mentors("m1", "m2", "m1")})
    harness.take(FIRST)
    rejects = harness.rejected(FIRST)
    assert len(rejects) == 1
    (harness.settings.data_source / "mentor.csv").unlink()
    with pytest.raises(SourceError, match=r"mentor\.csv"):
        harness.take(FIRST, refresh=True)
    assert harness.rejected(FIRST) == rejects


def test_a_refused_attempt_shows_its_own_rejects(harness):
    harness.fill({"mentor": bad_mentors("m1", "m2", "m1")})
    harness.take(FIRST)
    before = harness.checksum("dwh", "datamart")
    harness.fill({"mentor": bad_mentors(None, None, "m1")})
    with pytest.raises(SourceError, match="2 of 3 rows are rejected"):
        harness.take(FIRST, refresh=True)
    assert harness.rejected(FIRST) == [("mentor", line, "key column id is null") for line in (2, 3)]
    assert harness.checksum("dwh", "datamart") == before
