from pathlib import Path
from typing import Any

from support.bigquery_client import connect, ids, load
from support.bigquery_process import run_inside

HALF_MADE = """
from bigquery import recovery
from local_bigquery.catalog import tables
database.execute("CREATE SCHEMA local.d; CREATE TABLE local.d.made AS SELECT 1 AS x")
for name in ("made", "half"):
    tables.record("local", "d", name, tables.defaults("local", "d", name))
for _ in range(2):
    print(*(table.tableReference.tableId for table in tables.list_("local", "d")))
    recovery.forget_missing_tables()
print(tables.exists("local", "d", "half"))
"""


def test_a_table_that_a_killed_server_did_not_make_is_not_listed(tmp_path: Path) -> None:
    assert run_inside(HALF_MADE, tmp_path).splitlines() == ["half made", "made", "False"]


def test_a_kill_loses_nothing_that_was_committed(start_bigquery: Any, tmp_path: Path) -> None:
    process, url = start_bigquery(tmp_path / "data")
    client = connect(url)
    client.create_dataset("d")
    load(client, "d.t$20260101", [("a", "2026-01-01")])
    slow = "SELECT COUNT(*) AS n FROM UNNEST(GENERATE_ARRAY(1, 100000)) x, UNNEST(GENERATE_ARRAY(1, 1000000)) y"
    client.query(slow, job_id="unfinished", job_retry=None)
    process.kill()
    process.wait()

    client = connect(start_bigquery(tmp_path / "data")[1])
    assert ids(client, "d.t") == "1:a"
    assert client.get_table("d.t").time_partitioning.field == "snapshot_date"
    job = client.get_job("unfinished")
    assert job.state == "DONE"
    assert "run it again" in job.error_result["message"]
