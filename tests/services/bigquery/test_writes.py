import datetime
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery

from support.bigquery_client import PARTITIONED, SCHEMA, connect, copy, ids, load, query, rows_of
from support.bigquery_process import run_inside


@pytest.mark.parametrize(
    ("suffix", "rows", "options", "message"),
    [
        ("$20260101", [("x", "2026-01-01"), ("y", "2026-01-02")], {}, "different partitions.* 20260101"),
        ("$20260101", [(None, "2026-01-01")], {}, "Required field"),
        ("$20260101", [(1, "2026-01-01")], {"id_type": ("INT64", pa.int64())}, "changed type from STRING to INT64"),
        ("$20260101", [("x", "2026-01-01")], {"partitioning": bigquery.TimePartitioning()}, "Incompatible"),
        ("$2026", [("x", "2026-01-01")], {}, "Invalid partition"),
        ("_new$20260101", [("x", "2026-01-01")], {"partitioning": None}, "not partitioned"),
        ("_new$20260101", [("x", "2026-01-02")], {}, "different partitions"),
        ("_new$20260101", [(None, "2026-01-01")], {}, "Required field"),
    ],
)
def test_a_refused_load_leaves_all_as_it_was(
    client: bigquery.Client, table: str, suffix: str, rows: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        load(client, f"{table}{suffix}", rows, **options)
    assert ids(client, table) == "1:a,b 2:c"
    assert [item.table_id for item in client.list_tables(table.split(".")[0])] == ["t"]


def test_a_copy_is_partitioned_clustered_and_described_as_its_source(client: bigquery.Client, dataset: str) -> None:
    sql = "SELECT 'a' AS id, DATE '2026-01-01' AS snapshot_date"
    query(client, sql, f"{dataset}.source", time_partitioning=PARTITIONED, clustering_fields=["id"])
    source = client.get_table(f"{dataset}.source")
    source.schema = [bigquery.SchemaField("id", "STRING", description="the id"), SCHEMA[1]]
    client.update_table(source, ["schema"])
    query(client, "SELECT 1 AS other", f"{dataset}.old")
    for target in ("new", "old"):
        copy(client, f"{dataset}.source", f"{dataset}.{target}")
        made = client.get_table(f"{dataset}.{target}")
        assert (made.time_partitioning.field, made.clustering_fields) == ("snapshot_date", ["id"])
        assert made.schema == source.schema


def test_a_copy_into_a_table_partitioned_otherwise_is_refused(client: bigquery.Client, table: str) -> None:
    query(client, "SELECT 'x' AS id, DATE '2026-01-01' AS snapshot_date", f"{table}_plain")
    with pytest.raises(BadRequest, match="Incompatible table partitioning"):
        copy(client, f"{table}_plain", f"{table}$20260101")


def test_a_large_copy_shares_its_file_until_either_changes(start_bigquery: Any, tmp_path: Path) -> None:
    client = connect(start_bigquery(tmp_path / "data")[1])
    client.create_dataset("d")
    made = "SELECT id, GENERATE_UUID() AS code, [id, 1] AS ids FROM UNNEST(GENERATE_ARRAY(1, 60000)) AS id"
    query(client, made, "d.source", time_partitioning=bigquery.TimePartitioning(type_="DAY"))

    def copied(what: str = "COUNT(*), SUM(id), MIN(code), SUM(ids[OFFSET(0)])") -> None:
        copy(client, "local.d.source", "local.d.target")
        source, target = (
            rows_of(client.query_and_wait(f"SELECT {what} FROM d.{name}")) for name in ("source", "target")
        )
        assert source == target

    def links() -> set[int]:
        return {path.stat().st_nlink for path in (tmp_path / "data").rglob("target/*.parquet")}

    copied()
    assert links() == {2}
    client.query_and_wait("DELETE FROM d.target WHERE id = 2")
    assert rows_of(client.query_and_wait("SELECT COUNT(*) FROM d.source")) == [(60000,)]
    client.query_and_wait("DELETE FROM d.source WHERE id < 3")
    copied()
    client.query_and_wait("ALTER TABLE d.source DROP COLUMN code")
    client.query_and_wait("ALTER TABLE d.source ADD COLUMN code STRING")
    copied("COUNT(*), COUNT(code)")
    query(client, made, "d.source")
    copied()
    before = rows_of(client.query_and_wait("SELECT SUM(id), MAX(code) FROM d.target"))
    client.delete_table("d.source")
    assert rows_of(client.query_and_wait("SELECT SUM(id), MAX(code) FROM d.target")) == before


def test_a_large_copy_into_a_new_table_s_partition_checks_the_days(client: bigquery.Client, dataset: str) -> None:
    made = (
        "SELECT id, GENERATE_UUID() AS code, DATE_ADD(DATE '2026-01-01', INTERVAL IF(id > {}, 1, 0) DAY) AS day"
        " FROM UNNEST(GENERATE_ARRAY(1, 60000)) AS id"
    )
    for name, last in (("two_days", 59999), ("one_day", 60000)):
        partitioning = bigquery.TimePartitioning(field="day")
        query(client, made.format(last), f"{dataset}.{name}", time_partitioning=partitioning)
    with pytest.raises(BadRequest, match=r"different partitions.* 20260101"):
        copy(client, f"{dataset}.two_days", f"{dataset}.new$20260101")
    copy(client, f"{dataset}.one_day", f"{dataset}.new$20260101")
    assert rows_of(client.query_and_wait(f"SELECT COUNT(*), MAX(day) FROM {dataset}.new")) == [
        (60000, datetime.date(2026, 1, 1))
    ]


COPY_WITHOUT_LINKS = """
from local_bigquery.jobs import runner
from local_bigquery.models import JobConfiguration

def refuse(*_):
    raise OSError("no links here")

Path.hardlink_to = refuse
database.execute("CREATE SCHEMA local.d; CREATE TABLE local.d.s AS SELECT uuid() AS code FROM range(60000)")
source, target = ({"projectId": "local", "datasetId": "d", "tableId": name} for name in "st")
config = {"copy": {"sourceTable": source, "destinationTable": target, "writeDisposition": "WRITE_TRUNCATE"}}
runner.submit("local", "copy", JobConfiguration.model_validate(config))
print(runner.wait("local", "copy").status.errorResult)
print(database.fetch("SELECT count(*) FROM (FROM local.d.s INTERSECT FROM local.d.t)"))
"""


def test_a_large_copy_needs_no_links(tmp_path: Path) -> None:
    assert run_inside(COPY_WITHOUT_LINKS, tmp_path).splitlines() == ["None", "[(60000,)]"]


def test_truncation_replaces_the_schema_and_drops_descriptions_and_labels(
    client: bigquery.Client, dataset: str
) -> None:
    query(client, "SELECT 1 AS x, 'a' AS y", f"{dataset}.t")
    before = client.get_table(f"{dataset}.t")
    before.description, before.labels = "a table", {"system": "pinter"}
    before.schema = [bigquery.SchemaField(f.name, f.field_type, description="a column") for f in before.schema]
    client.update_table(before, ["description", "labels", "schema"])
    query(client, "SELECT 'b' AS y, 2.5 AS z", f"{dataset}.t")
    after = client.get_table(f"{dataset}.t")
    assert [(f.name, f.field_type, f.description) for f in after.schema] == [
        ("y", "STRING", None),
        ("z", "FLOAT", None),
    ]
    assert (after.description, after.labels, after.created) == (None, {}, before.created)


def test_a_table_made_by_a_job_expires_as_its_data_set_says(client: bigquery.Client, dataset: str) -> None:
    resource = client.get_dataset(dataset)
    resource.default_table_expiration_ms = 3_600_000
    client.update_dataset(resource, ["default_table_expiration_ms"])
    query(client, "SELECT 1 AS x", f"{dataset}.t")
    made = client.get_table(f"{dataset}.t")
    assert made.expires - made.created == datetime.timedelta(hours=1)
    time.sleep(0.01)
    assert client.get_table(f"{dataset}.t").expires == made.expires
    made.expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=0.3)
    client.update_table(made, ["expires"])
    time.sleep(0.4)
    with pytest.raises(NotFound):
        client.query_and_wait(f"SELECT * FROM {dataset}.t")


COPIES = """
from local_bigquery.jobs import runner
from local_bigquery.models import JobConfiguration

def copy(number, source, target):
    pair = {kind: {"projectId": "local", "datasetId": "d", "tableId": name}
            for kind, name in (("sourceTable", source), ("destinationTable", target))}
    config = {"copy": {**pair, "writeDisposition": "WRITE_TRUNCATE"}}
    runner.submit("local", f"copy_{number}", JobConfiguration.model_validate(config))
    error = runner.wait("local", f"copy_{number}").status.errorResult
    lake = "__ducklake_metadata_local.ducklake_table"
    ((table,),) = database.fetch(f"SELECT table_id FROM {lake} WHERE lower(table_name) = 't' AND end_snapshot IS NULL")
    tables.add(table)
    print(error and error.message, len(tables), database.fetch("FROM local.d.t"))

tables = set()
for name, sql in {"a": "1::BIGINT AS x", "b": "2::BIGINT AS x", "wide": "3 AS x, 4 AS y", "text": "'5' AS x"}.items():
    database.execute(f"CREATE SCHEMA IF NOT EXISTS local.d; CREATE TABLE local.d.{name} AS SELECT {sql}")
database.execute("CREATE TABLE local.d.t (x INTEGER)")
database.execute("CREATE VIEW local.d.of_t AS SELECT x + 1 AS x FROM local.d.t")
database.execute("DROP TABLE local.d.t")
for number, source in enumerate(["a", "b", "t", "of_t", "wide", "text"]):
    copy(number, source, "T" if source == "t" else "t")
"""


def test_a_copy_replaces_only_the_rows_of_a_table_with_its_columns(tmp_path: Path) -> None:
    assert run_inside(COPIES, tmp_path).splitlines() == [
        "None 1 [(1,)]",
        "None 1 [(2,)]",
        "None 2 [(2,)]",
        "None 3 [(3,)]",
        "None 4 [(3, 4)]",
        "None 5 [('5',)]",
    ]
