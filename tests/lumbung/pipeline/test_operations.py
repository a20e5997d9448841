"""The audit table and freshness on the real local server, after runs."""

from datetime import timedelta

import pytest

from lumbung.core import day as business_day
from support.two_tables import DAILY, FIRST, WHOLE

pytestmark = pytest.mark.midnight


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


def test_jobs_that_write_carry_their_dispositions_and_labels(harness):
    run = harness.run(FIRST)
    run.up_to("publish")
    run.audit()
    written = harness.rows("SELECT * FROM {ops.run_audit} WHERE job_id IS NOT NULL")
    assert {row["table_name"] for row in written} == {
        *(f"staging.{source.table}" for source in run.run.sources),
        "staging.rejected_row",
        WHOLE,
        DAILY,
    }
    for row in written:
        assert (row["write_disposition"], row["create_disposition"]) == ("WRITE_TRUNCATE", "CREATE_IF_NEEDED")
        job = harness.warehouse.client.get_job(row["job_id"])
        assert (job.write_disposition, job.create_disposition) == ("WRITE_TRUNCATE", "CREATE_IF_NEEDED")
        assert job.labels["day"] == f"{FIRST}"
        assert job.labels["system"] == "pinter_skuy"


def test_freshness_says_what_is_published(harness, extract_at):
    harness.take(FIRST)
    day = FIRST + timedelta(days=1)
    extract_at(business_day.ends_at(day) - timedelta(hours=1))
    run = harness.take(day)
    (row,) = harness.rows("SELECT * FROM {datamart.freshness}")
    newest = max(member.extracted_at for member in run.version.members.values())
    assert (row["system"], row["published_day"], row["generation"]) == ("pinter_skuy", day, 1)
    assert (row["state"], row["extracted_at"]) == ("provisional", newest)
    assert row["published_at"] > newest
    harness.take(FIRST)
    (again,) = harness.rows("SELECT * FROM {datamart.freshness}")
    assert again["published_day"] == day


def test_the_audit_holds_each_step_of_each_run_of_the_day_once(harness):
    runs = [harness.take(FIRST), harness.take(FIRST)]
    runs[1].audit()
    rows = harness.rows("SELECT day, run_id, task, rows_in, rows_out, rows_rejected FROM {ops.run_audit}")
    assert {row["day"] for row in rows} == {FIRST}
    for run in runs:
        mine = [row["task"] for row in rows if row["run_id"] == run.run.run_id]
        assert len(mine) == len(set(mine)) == 6
    for row in rows:
        if row["task"].startswith("load."):
            assert row["rows_in"] == row["rows_out"] + row["rows_rejected"]
