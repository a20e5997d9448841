"""What the server reads and writes where its data folder lies under folders that look like columns and patterns."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from support.bigquery_client import connect, copy, parquet, query, rows_of

SCHEMA = [bigquery.SchemaField(name, "STRING") for name in ("dt", "id")]
FILES = {
    "PARQUET": parquet({"dt": ["own"], "id": ["a"]}),
    "CSV": b"own,a\n",
    "NEWLINE_DELIMITED_JSON": b'{"dt": "own", "id": "a"}\n',
}


@pytest.fixture(scope="module")
def client(start_bigquery: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    folder = tmp_path_factory.mktemp("keys") / "dt=2020-01-01" / "x=1" / "[ab]*"
    folder.mkdir(parents=True)
    process, url = start_bigquery(folder / "data")
    connected = connect(url)
    connected.create_dataset("d")
    yield connected
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("kind", "schema"),
    [*((kind, SCHEMA) for kind in FILES), *((kind, None) for kind in FILES if kind != "CSV")],  # its file has no header
)
def test_a_load_takes_no_columns_from_the_path(client: bigquery.Client, kind: str, schema: Any) -> None:
    config = bigquery.LoadJobConfig(source_format=kind, schema=schema, write_disposition="WRITE_TRUNCATE")
    client.load_table_from_file(io.BytesIO(FILES[kind]), "d.loaded", job_config=config).result(timeout=60)
    assert [field.name for field in client.get_table("d.loaded").schema] == ["dt", "id"]
    assert rows_of(client.query_and_wait("SELECT dt, id FROM d.loaded")) == [("own", "a")]


def test_a_job_that_asks_for_columns_from_the_path_gets_them(client: bigquery.Client, tmp_path: Path) -> None:
    file = tmp_path / "year=2026" / "f.parquet"
    file.parent.mkdir()
    file.write_bytes(FILES["PARQUET"])
    hive = bigquery.HivePartitioningOptions()
    hive.mode, hive.source_uri_prefix = "AUTO", f"file://{tmp_path}"
    config = bigquery.LoadJobConfig(source_format="PARQUET", hive_partitioning=hive)
    client.load_table_from_uri(f"file://{file}", "d.keys", job_config=config).result(timeout=60)
    assert rows_of(client.query_and_wait("SELECT dt, id, year FROM d.keys")) == [("own", "a", 2026)]


def test_a_copy_that_shares_its_file_takes_no_columns_from_the_path(client: bigquery.Client) -> None:
    made = "SELECT GENERATE_UUID() AS dt, id FROM UNNEST(GENERATE_ARRAY(1, 60000)) AS id"
    query(client, made, "d.source")
    copy(client, "local.d.source", "local.d.target")
    counts = "SELECT COUNT(DISTINCT dt), MIN(dt), SUM(id) FROM d."
    (source,), (target,) = (rows_of(client.query_and_wait(counts + name)) for name in ("source", "target"))
    assert source == target
    assert source[0] == 60000
