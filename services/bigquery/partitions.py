"""Partition decorators: `table$20260102` names the rows of one day, in a table partitioned by the day of a column.

local-bigquery takes such a name for a table of that name. The engine's tables are not partitioned: a partition is the
rows whose partitioning column lies on the day.
"""

import contextlib
import datetime
import re
from typing import Any

from local_bigquery.catalog import names, tables
from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules.tables import decorated

# A table's address: project, data set, table.
Reference = tuple[str, str, str]

DECORATED = re.compile(r"^(.+)\$(.+)$")
# The start of BigQuery's message, by which the engine's error is known again.
OUTSIDE_PARTITION = "Some rows belong to different partitions rather than destination partition"


def split_decorator(table_id: str) -> tuple[str, str | None]:
    """Split `table$YYYYMMDD` into the table and the day, `YYYY-MM-DD`; a table without a decorator has no day.

    Raises:
        BigQueryError: the decorator is not a day.
    """
    if not (match := DECORATED.match(table_id)):
        return table_id, None
    with contextlib.suppress(ValueError):
        # fromisoformat takes week dates (2026W011) too.
        if match[2].isdecimal() and len(match[2]) == len("YYYYMMDD"):
            return match[1], datetime.date.fromisoformat(match[2]).isoformat()
    message = f"Invalid partition ${match[2]} of table {match[1]}: only days ($YYYYMMDD) are supported here"
    raise BigQueryError("invalid", message)


def partition_column(resource: Any, target: Reference) -> str:
    """Return the column by which a table is partitioned by day.

    Raises:
        BigQueryError: it is not partitioned so.
    """
    spec = resource.timePartitioning
    if not (spec and spec.field) or (spec.type or "DAY") != "DAY":
        raise BigQueryError(
            "invalid",
            f"Table {names.label(*target)} is not partitioned by the day of a column: a partition decorator needs it",
        )
    return str(spec.field)


def in_partition(column: str, day: str) -> str:
    """Return the SQL condition for a row to lie in a partition.

    The connection's time zone is UTC, as that of BigQuery's partitions.
    """
    return f"CAST({quote(column)} AS DATE) = DATE '{day}'"


def partition_source(reference: Reference, columns: str) -> str | None:
    """Return a subquery of a decorated table's rows; None for a whole table.

    Args:
        reference: the table, with or without a decorator.
        columns: SQL list of the columns to select.
    """
    table_id, day = split_decorator(reference[2])
    if day is None:
        return None
    target = (*reference[:2], table_id)
    column = partition_column(tables.load(*target), target)
    return f"(SELECT {columns} FROM {tables.name(*target)} WHERE {in_partition(column, day)})"


def listed_source(project_id: str, dataset_id: str, table_id: str) -> str:
    """Return what `tabledata.list` reads, which may be a partition: a query job's result is its destination.

    The rows are ordered by `rowid`, which a subquery has only if it is selected. In place of `tabledata.name`.
    """
    reference = (project_id, dataset_id, table_id)
    return partition_source(reference, "*, rowid") or tables.name(*reference)


def copied_source(project_id: str, dataset_id: str, table_id: str) -> str | None:
    """Return what a copy job reads: a partition, a table as of a time (`table@…`), or None for a whole table.

    In place of `copy.decorated`.
    """
    reference = (project_id, dataset_id, table_id)
    return partition_source(reference, "*") or decorated(*reference)


def refuse_rows_outside(query: str, column: str, day: str, columns: list[str]) -> str:
    """Return the query, changed to fail on a row that lies outside the partition it is written to.

    The check is part of the query, so that the rows are read once and a refused write rolls back.

    Args:
        query: SQL that gives the rows.
        column: the table's partitioning column.
        day: the partition's day, `YYYY-MM-DD`.
        columns: the query's columns.

    Raises:
        BigQueryError: the query does not give the partitioning column.
    """
    if column.casefold() not in map(str.casefold, columns):
        raise BigQueryError("invalid", f"The rows lack {column}, the field the table is partitioned by")
    message = f"{OUTSIDE_PARTITION} {day.replace('-', '')}"
    name = quote(column)
    is_outside = f"({in_partition(column, day)}) IS NOT TRUE"  # also where the day is NULL
    return f"SELECT * REPLACE (CASE WHEN {is_outside} THEN error('{message}') ELSE {name} END AS {name}) FROM ({query})"


def partitioned_alike(table: Any, other: Any) -> bool:
    """Return whether two table resources are partitioned by the same column and unit, or neither is partitioned."""
    table_spec, other_spec = (
        (spec.type or "DAY", (spec.field or "").casefold()) if (spec := resource.timePartitioning) else None
        for resource in (table, other)
    )
    return table_spec == other_spec
