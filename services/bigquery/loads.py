"""How load jobs read files: as they are named, and no more columns than they hold.

Left to itself, DuckDB takes a path for a pattern, and each folder `key=value` in it for a column, which replaces the
file's own of that name. Uploads lie in the data folder, which may be anywhere.
"""

import contextvars
import glob
from pathlib import Path
from typing import Any

from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError
from local_bigquery.jobs import load
from local_bigquery.jobs.storage import literal

from bigquery import misfits, originals
from bigquery.threads import THREADS

# The file that was uploaded with the job that this thread runs.
UPLOAD: contextvars.ContextVar[str | None] = contextvars.ContextVar("UPLOAD", default=None)
# Types that mean the same in any Parquet file. Others do not, as they come in several units or byte orders.
PLAIN_TYPES = {"VARCHAR", "BIGINT", "DATE"}
# From this size in bytes on, an uploaded file is taken over; a smaller one's rows are written just as fast.
TAKEN_BYTES = 1 << 20
# From this size in bytes on, an uploaded file may hold more rows than one thread reads at a time.
LARGE_BYTES = 1 << 20


def run(cursor: Any, config: Any, upload: str | None) -> Any:
    """Run a load job. In place of `load.run`.

    Args:
        cursor: the job's cursor.
        config: the job's configuration.
        upload: the file that was uploaded with the job; None where it names addresses.
    """
    if upload is None or Path(upload).stat().st_size >= LARGE_BYTES:
        THREADS.use_all()
    token = UPLOAD.set(upload)
    try:
        return load.run(cursor, config, upload and glob.escape(upload))
    except BigQueryError as error:
        if "too many errors" not in error.message:
            raise
        raise BigQueryError(error.reason, f"{error.message} {misfits.first_misfit(cursor, config)}") from error
    finally:
        UPLOAD.reset(token)


def hive_options(config: Any) -> Any:
    """Return DuckDB's options for columns out of paths: none, unless the job asks. In place of `load._hive`."""
    return {"hive_partitioning": "false", **originals.hive_options(config)}


def takeable_files(cursor: Any, config: Any, table: Any, outside: str) -> list[str]:
    """Return the uploaded file if the table can take it over as it is, instead of reading and writing the rows.

    An upload belongs to the server alone; a file that a job names by address may be changed by its owner later. All
    values are read once, so that a broken file fails this job and not a later reader.

    Args:
        cursor: the job's cursor.
        config: the job's configuration.
        table: a DuckDB relation of the table's columns.
        outside: SQL condition for a row that the table or partition may not hold.

    Returns:
        Its path in a list; empty where a column differs in name or type or has no statistics, or a row is outside.
    """
    upload = UPLOAD.get()
    if not upload or config.sourceFormat != "PARQUET" or Path(upload).stat().st_size < TAKEN_BYTES:
        return []
    rows = f"read_parquet({literal(glob.escape(upload))}, hive_partitioning = false)"
    file_columns, columns = (
        sorted(zip(relation.columns, map(str, relation.types), strict=True))
        for relation in (cursor.sql(f"SELECT * FROM {rows} LIMIT 0"), table)
    )
    if file_columns != columns or not {kind for _, kind in columns} <= PLAIN_TYPES:
        return []
    # Where the file lacks a column's least and greatest value, DuckLake goes by those of files that are written later,
    # and queries miss rows of this one or show other values.
    lacking = cursor.execute(
        "SELECT 1 FROM parquet_metadata($1) WHERE stats_null_count IS NULL OR stats_null_count < num_values"
        " AND (stats_min_value IS NULL OR stats_max_value IS NULL)",
        [glob.escape(upload)],
    ).fetchall()
    if lacking:
        return []
    names = ", ".join(quote(name) for name, _ in columns)
    check = f"SELECT count(*) FILTER ({outside}), bit_xor(hash({names})) FROM {rows}"
    ((count_outside, _),) = cursor.execute(check).fetchall()
    return [] if count_outside else [upload]
