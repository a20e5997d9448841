"""What is not done again, on the real local server."""

from datetime import timedelta

import pytest

from support.pipeline import sources_of
from support.two_tables import DAILY, FIRST, SECOND, WHOLE, published, staged, students


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


def notes(harness, day):
    """What the day's audit says of each table that is loaded or built, newest run last."""
    rows = harness.rows(
        "SELECT task, note, rows_out, checks, job_id FROM {ops.run_audit}"
        f" WHERE day = '{day}' AND (STARTS_WITH(task, 'load') OR STARTS_WITH(task, 'build') OR task = 'publish')"
        " ORDER BY started_at"
    )
    return {row["task"]: row for row in rows}


def test_a_day_that_is_run_again_loads_builds_and_copies_nothing_and_says_so(harness):
    harness.take(FIRST)
    before, first = harness.checksum(), notes(harness, FIRST)
    harness.take(FIRST)
    assert harness.checksum() == before
    again = notes(harness, FIRST)
    tables = ("student", "mentor")
    assert all("unchanged, not loaded again" in again[f"load.{table}"]["note"] for table in tables)
    for table in (WHOLE, DAILY):
        step = again[f"build.{table}"]
        assert step["note"].startswith("unchanged, not built again")
        assert (step["rows_out"], step["checks"]) == (
            first[f"build.{table}"]["rows_out"],
            first[f"build.{table}"]["checks"],
        )
        assert step["job_id"] is None
    assert "expression(n < 2): warning: 1" in again[f"build.{DAILY}"]["note"]
    assert again["publish"]["rows_out"] == 0
    assert again["publish"]["note"] == "2 tables unchanged, not copied"


@pytest.mark.parametrize("by", ["UPDATE {} SET {} WHERE TRUE", "DROP TABLE {}"])
def test_what_somebody_changed_is_made_again(harness, by):
    harness.take(FIRST)
    harness.take(SECOND)
    before = harness.checksum()
    for address, change in ((WHOLE, "city = 'x'"), (DAILY, "n = 9"), ("staging.student", "city = 'y'")):
        table = f"`{harness.warehouse.table(address)}`"
        harness.warehouse.client.query_and_wait(by.format(table, change))
    harness.take(FIRST)
    harness.take(SECOND)
    assert harness.checksum() == before


def test_what_was_built_from_a_staging_table_that_somebody_changed_is_built_again(harness):
    run = harness.run(FIRST).up_to("load")
    table = f"`{harness.warehouse.table('staging.student')}`"
    harness.warehouse.client.query_and_wait(f"UPDATE {table} SET id = CONCAT(id, 'x') WHERE TRUE")
    for stage in (run.build, run.publish, run.audit):
        stage()
    assert published(harness)[0] == ["s1x", "s2x", "s3x"]
    harness.take(FIRST)
    assert published(harness)[0] == ["s1", "s2", "s3"]


def test_a_refresh_puts_files_of_the_lake_that_are_gone_back(harness):
    harness.fill({"mentor": sources_of("x", 0)["mentor"]})
    harness.take(FIRST)
    before = harness.checksum("staging", "dwh")
    for file in harness.lake.files("raw"):
        if file.path.endswith(".parquet"):
            harness.lake.delete(file.path)
    harness.warehouse.drop(harness.warehouse.table("staging.student"))
    harness.take(FIRST, refresh=True)
    assert harness.checksum("staging", "dwh") == before


def test_sources_that_are_the_same_are_a_new_version_of_which_nothing_is_made_again(harness):
    harness.take(FIRST)
    before = harness.contents("staging", "dwh")
    run = harness.run(FIRST, refresh=True)
    run.up_to("publish")
    taken = {name: document for name, (document, _) in run.extract().items()}
    assert {(document.generation, document.same_as) for document in taken.values()} == {(2, 1)}
    assert harness.contents("staging", "dwh") == before
    (fresh,) = harness.rows("SELECT generation FROM {datamart.freshness} WHERE system = 'pinter_skuy'")
    assert fresh["generation"] == 2
    assert run.publish().rows_out == 0

    harness.fill(students("s7"))
    changed = harness.run(FIRST, refresh=True)
    changed.up_to("publish")
    assert published(harness) == (["s7"], {FIRST: 1})
    assert staged(harness, FIRST) == ["s7"]


def test_a_backfilled_day_does_not_build_the_whole_tables_again(harness):
    harness.take(SECOND)
    run = harness.take(FIRST)
    done = notes(harness, FIRST)
    assert done[f"build.{WHOLE}"]["note"] == "unchanged, not built again"
    assert done[f"build.{DAILY}"]["job_id"]
    assert published(harness)[1] == {FIRST: 3, SECOND: 3}
    harness.take(FIRST - timedelta(days=1))
    harness.take(SECOND)
    assert notes(harness, SECOND)["publish"]["rows_out"] == 0, "other days of a daily table are known still"
    assert run.target.day == SECOND
