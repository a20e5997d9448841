"""The five sources as dlt resources, for `.venv-bench`: files through DuckDB, the table as Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.sources.sql_database import sql_table

from benchmarks.files import TABLE, files

SOURCES = ("student", "course", "mentor", "course_category", TABLE)
CHUNK = 100_000


def resource(name: str, source: Path, dsn: str, day: str) -> Any:
    """A source with the snapshot's day as its last column; each load replaces the table."""

    def rows(query: str) -> Iterator[pa.RecordBatch]:
        yield from duckdb.sql(f"SELECT *, DATE '{day}' AS snapshot_date FROM {query}").to_arrow_reader(CHUNK)

    def dated(table: pa.Table) -> pa.Table:
        days = pa.repeat(pa.scalar(day).cast(pa.date32()), table.num_rows)
        return table.append_column("snapshot_date", days)

    if name != TABLE:
        return dlt.resource(rows(files(source)[name]), name=name, write_disposition="replace")
    address = dsn.replace("postgresql://", "postgresql+psycopg2://")
    return sql_table(address, TABLE, backend="pyarrow", chunk_size=CHUNK, write_disposition="replace").add_map(dated)


def load(names: Sequence[str], source: Path, dsn: str, day: str, database: Path, pipelines: Path) -> None:
    """Load sources into the schema `staging` of a DuckDB file.

    Args:
        names: the sources, loaded by one pipeline.
        source: the folder of the files.
        dsn: PostgreSQL's address.
        day: the snapshot's day, YYYY-MM-DD.
        database: the DuckDB file.
        pipelines: where dlt keeps its state.
    """
    pipeline = dlt.pipeline(
        "_".join(["load", *names]),
        pipelines_dir=str(pipelines),
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="staging",
    )
    pipeline.run([resource(name, source, dsn, day) for name in names])
