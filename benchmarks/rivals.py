"""What else one could use, in `.venv-bench`: `python -m benchmarks.rivals WAY DSN FOLDER`, prints what it took.

Those that make a day keep their tables in FOLDER, in which `tables.json` has the statements that make them; DAY and
DAY_SOURCE in the environment are the day and the folder of the files.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.files import TABLE, files
from benchmarks.span import report

QUERY = f"SELECT student_id, course_id FROM {TABLE}"
CHUNK = 100_000


def copy_to_nowhere(dsn: str, _folder: Path) -> int:
    """What PostgreSQL needs to give the rows at all."""
    import psycopg

    size = 0
    copy = f"COPY ({QUERY}) TO STDOUT (FORMAT binary)"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(copy) as rows:
        for part in rows:
            size += len(part)
    return size


def adbc(dsn: str, folder: Path) -> int:
    """Arrow batches into one Parquet file."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        return _written(folder, cursor.fetch_record_batch())


def connectorx(dsn: str, folder: Path) -> int:
    """All rows at once as Arrow, then Parquet."""
    import connectorx as cx

    table = cx.read_sql(dsn, QUERY, return_type="arrow")
    pq.write_table(table, folder / "rows.parquet", compression="zstd")
    return table.num_rows


def pandas(dsn: str, folder: Path) -> int:
    """Data frames of 100,000 rows into one Parquet file."""
    import pandas as pd
    from sqlalchemy import create_engine

    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect().execution_options(stream_results=True) as connection:
        frames = pd.read_sql(QUERY, connection, chunksize=CHUNK)
        return _written(folder, (pa.RecordBatch.from_pandas(frame, preserve_index=False) for frame in frames))


def dlt(dsn: str, folder: Path) -> int:
    """Dlt's table source with its pyarrow backend, to Parquet files."""
    import dlt as library
    from dlt.sources.sql_database import sql_table

    pipeline = library.pipeline(
        "extract",
        pipelines_dir=f"{folder}/dlt",
        destination=library.destinations.filesystem(bucket_url=folder.as_uri()),
        dataset_name="lake",
    )
    source = sql_table(
        dsn.replace("postgresql://", "postgresql+psycopg2://"), TABLE, backend="pyarrow", chunk_size=CHUNK
    )
    pipeline.run(source, loader_file_format="parquet")
    return sum(pipeline.last_trace.last_normalize_info.row_counts.values())


def day_by_duckdb(dsn: str, folder: Path) -> int:
    """A script: files and table into staging, the project's SQL behind it; no checks, no snapshots, nothing private."""
    from adbc_driver_postgresql import dbapi

    day = os.environ["DAY"]
    with duckdb.connect(f"{folder / 'day.duckdb'}") as db:
        db.execute("CREATE SCHEMA IF NOT EXISTS staging")
        for name, rows in files(Path(os.environ["DAY_SOURCE"])).items():
            db.execute(f"CREATE OR REPLACE TABLE staging.{name} AS SELECT *, DATE '{day}' AS snapshot_date FROM {rows}")
        with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute(QUERY)
            taken = cursor.fetch_record_batch()
            db.execute(f"CREATE OR REPLACE TABLE staging.{TABLE} AS SELECT *, DATE '{day}' AS snapshot_date FROM taken")
            del taken
        return _tables(db, folder)


def day_by_dlt(dsn: str, folder: Path) -> int:
    """Dlt for the five sources into DuckDB, the project's SQL behind it."""
    from benchmarks.dlt_sources import SOURCES, load

    database = folder / "day.duckdb"
    load(SOURCES, Path(os.environ["DAY_SOURCE"]), dsn, os.environ["DAY"], database, folder / "dlt")
    with duckdb.connect(f"{database}") as db:
        return _tables(db, folder)


def _tables(db: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Make the tables; gives the rows of the summary."""
    for statement in json.loads((folder / "tables.json").read_text()):
        db.execute(statement.replace("{day}", os.environ["DAY"]))
    ((rows,),) = db.execute("SELECT count(*) FROM datamart.course_enrollment_summary").fetchall()
    return int(rows)


def _written(folder: Path, batches: Any) -> int:
    rows, writer = 0, None
    for batch in batches:
        writer = writer or pq.ParquetWriter(folder / "rows.parquet", batch.schema, compression="zstd")
        writer.write_batch(batch)
        rows += batch.num_rows
    if writer:
        writer.close()
    return rows


WAYS: dict[str, Callable[[str, Path], int]] = {
    "copy": copy_to_nowhere,
    "adbc": adbc,
    "connectorx": connectorx,
    "pandas": pandas,
    "dlt": dlt,
    "day-duckdb": day_by_duckdb,
    "day-dlt": day_by_dlt,
}

if __name__ == "__main__":
    report(lambda: WAYS[sys.argv[1]](sys.argv[2], Path(sys.argv[3])))
