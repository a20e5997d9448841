"""Google's client of a local BigQuery server, and short ways to write and read small tables with it."""

import datetime
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

ARROW = pa.schema([("id", pa.string()), ("snapshot_date", pa.date32())])
SCHEMA = [
    bigquery.SchemaField("id", "STRING", "REQUIRED", description="the id"),
    bigquery.SchemaField("snapshot_date", "DATE", "NULLABLE"),
]
PARTITIONED = bigquery.TimePartitioning(field="snapshot_date")


def connect(url: str) -> bigquery.Client:
    return bigquery.Client("local", AnonymousCredentials(), client_options={"api_endpoint": url})


def parquet(columns: dict[str, list], **options: Any) -> bytes:
    """A Parquet file's content; options as `pq.write_table`'s."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def load(
    client: bigquery.Client,
    table: str,
    rows: list[tuple[Any, str]],
    *,
    disposition: str = "WRITE_TRUNCATE",
    partitioning: bigquery.TimePartitioning | None = PARTITIONED,
    id_type: tuple[str, pa.DataType] = ("STRING", pa.string()),
) -> Any:
    arrow = ARROW.set(0, pa.field("id", id_type[1]))
    content = [{"id": key, "snapshot_date": datetime.date.fromisoformat(day)} for key, day in rows]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(content, arrow), file)
    config = bigquery.LoadJobConfig(
        source_format="PARQUET",
        schema=[bigquery.SchemaField("id", id_type[0], "REQUIRED", description="the id"), SCHEMA[1]],
        time_partitioning=partitioning,
        write_disposition=disposition,
        create_disposition="CREATE_IF_NEEDED",
    )
    return client.load_table_from_file(file, table, rewind=True, job_config=config).result(timeout=60)


def query(
    client: bigquery.Client, sql: str, destination: str, disposition: str = "WRITE_TRUNCATE", **config: Any
) -> Any:
    settings = bigquery.QueryJobConfig(destination=f"local.{destination}", write_disposition=disposition, **config)
    return rows_of(client.query(sql, settings).result(timeout=60))


def copy(client: bigquery.Client, source: str, destination: str, disposition: str = "WRITE_TRUNCATE") -> None:
    settings = bigquery.CopyJobConfig(write_disposition=disposition)
    client.copy_table(source, destination, job_config=settings).result(timeout=60)


def rows_of(result: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in result]


def ids(client: bigquery.Client, table: str) -> str:
    """A table's ids by day: `1:a,b 2:c`."""
    sql = f"SELECT EXTRACT(DAY FROM snapshot_date), STRING_AGG(id, ',' ORDER BY id) FROM {table} GROUP BY 1 ORDER BY 1"
    return " ".join(f"{day}:{joined}" for day, joined in rows_of(client.query_and_wait(sql)))


def session_config(client: bigquery.Client, result: Any) -> bigquery.QueryJobConfig:
    """The configuration of a job in the session that an earlier result's job made."""
    session_id = str(client.get_job(result.job_id).session_info.session_id)
    return bigquery.QueryJobConfig(connection_properties=[bigquery.ConnectionProperty("session_id", session_id)])
