from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from support.bigquery_client import rows_of
from support.bigquery_process import run_inside

RECORDS_IN_DUCKDB = """
from bigquery import originals, records
from local_bigquery.catalog import metadata
from local_bigquery.models import Table
table = '{"tableReference": {"projectId": "local", "datasetId": "d", "tableId": "t"}, "description": "old"}'
with originals.open_cursor() as cursor:
    cursor.execute("INSERT INTO emulator.tables VALUES ('local', 'd', 't', $1)", [table])
for _ in range(2):
    print(*(table.description for table in metadata.list_(Table, "local", "d")))
    metadata.delete(Table, "local", "d", "t")
    records.RECORDS = records.Records()
"""


def test_records_of_an_older_server_are_taken_over_once(tmp_path: Path) -> None:
    assert run_inside(RECORDS_IN_DUCKDB, tmp_path).splitlines() == ["old", ""]


def test_jobs_are_listed_by_state_and_shown_to_sql(client: bigquery.Client) -> None:
    good, bad = client.query("SELECT 1"), client.query("SELECT error('no')")
    good.result()
    with pytest.raises(BadRequest):
        bad.result()
    for state, expected in (("done", {good.job_id, bad.job_id}), ("running", set())):
        listed = {job.job_id for job in client.list_jobs(state_filter=state, max_results=50)}
        assert {good.job_id, bad.job_id} & listed == expected
    sql = "SELECT job_id, error_reason IS NULL FROM `region-us`.INFORMATION_SCHEMA.JOBS"
    assert {(good.job_id, True), (bad.job_id, False)} <= set(rows_of(client.query_and_wait(sql)))
