"""The catalog: the data sets' tables and views, their columns and properties.

In place of functions of `local_bigquery.catalog.tables` and `database.objects`. Those know no partitions, and search
DuckDB's lists of all tables and all columns, which take longer with every table.
"""

from typing import Any

import duckdb
from local_bigquery.catalog import metadata, names, tables
from local_bigquery.engine import database, types
from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError, not_found
from local_bigquery.jobs import query
from local_bigquery.models import Table
from sqlglot import exp

from bigquery import originals
from bigquery.cache import CACHE
from bigquery.partitions import in_partition, partition_column, partition_source, split_decorator


def load(project_id: str, dataset_id: str, table_id: str) -> Any:
    """Return the resource of a table or of a partition.

    Its rows are counted, as the engine's estimate includes deleted rows.
    """
    base_id, day = split_decorator(table_id)
    table = originals.load_table(project_id, dataset_id, base_id)
    source = partition_source((project_id, dataset_id, table_id), "*")
    if table.type == "TABLE" and tables.fields(table):
        count = count_rows(source or tables.name(project_id, dataset_id, base_id))
        size = str(tables.logical_bytes(count, len(tables.fields(table))))
        table = table.replace(numRows=str(count), numBytes=size, numTotalLogicalBytes=size, numActiveLogicalBytes=size)
    return table.replace(tableReference=table.tableReference.replace(tableId=table_id)) if day else table


@CACHE.cached
def count_rows(source: str) -> int:
    """Return the number of rows of a table or a subquery."""
    ((count,),) = database.fetch(f"SELECT count(*) FROM {source}")
    return int(count)


def delete(project_id: str, dataset_id: str, table_id: str) -> None:
    """Delete a table, or the rows of a partition."""
    base_id, day = split_decorator(table_id)
    target = (project_id, dataset_id, base_id)
    with database.writing(*target):
        if day is None:
            originals.delete_table(*target)
        else:
            column = partition_column(originals.load_table(*target), target)
            database.execute(f"DELETE FROM {tables.name(*target)} WHERE {in_partition(column, day)}")
            touch(*target)


def touch(project_id: str, dataset_id: str, table_id: str) -> None:
    """Move a table's time of last change, as BigQuery does with every change of its rows."""
    if stored := metadata.load(Table, project_id, dataset_id, table_id):
        metadata.save(stored.replace(lastModifiedTime=metadata.now()), project_id, dataset_id, table_id)


def insert_rows(project_id: str, dataset_id: str, table_id: str, *args: Any) -> Any:
    """Stream rows into a table. In place of `tabledata.insert_all`."""
    answer = originals.insert_rows(project_id, dataset_id, table_id, *args)
    touch(project_id, dataset_id, table_id)
    return answer


def update(project_id: str, dataset_id: str, table_id: str, body: Any, *args: Any) -> Any:
    """Update a table's properties or a view's query; a partition has no properties of its own.

    local-bigquery keeps a view's new query on record only: the view keeps showing what it showed.

    Args:
        project_id: the table's project.
        dataset_id: the table's data set.
        table_id: the table.
        body: the properties, as a table resource.
        args: what `tables.update` takes further.

    Raises:
        BigQueryError: a partition is named.
    """
    if split_decorator(table_id)[1]:
        raise BigQueryError("invalid", f"The properties of a single partition, {table_id}, cannot be changed")
    with database.writing(project_id, dataset_id, table_id):
        if body.view and body.view.query:
            sql = query.translate_view(project_id, dataset_id, body.view.query)
            database.execute(f"CREATE OR REPLACE VIEW {tables.name(project_id, dataset_id, table_id)} AS {sql}")
        return originals.update_table(project_id, dataset_id, table_id, body, *args)


def objects(project_id: str, dataset_id: str, table_id: str | None = None) -> Any:
    """Return a data set's tables and views as (name, kind, 0), or the one that is named.

    The 0 is where local-bigquery has DuckDB's estimate of the rows; `load` counts them.
    """
    if table_id is not None:
        return object_named(project_id, dataset_id, table_id)
    if project_id == "emulator":  # results of queries, which lie outside the lake
        return originals.list_objects(project_id, dataset_id)
    return lake_objects(project_id, dataset_id)


@CACHE.cached
def object_named(project_id: str, dataset_id: str, table_id: str) -> Any:
    """Return a table or view as a list of one, or an empty list."""
    if project_id != "emulator":
        return lake_objects(project_id, dataset_id, table_id)
    try:
        table_info(quote(project_id, dataset_id, table_id))
    except duckdb.CatalogException:
        return []
    return [(table_id, "TABLE", 0)]


def lake_objects(project_id: str, dataset_id: str, table_id: str | None = None) -> Any:
    """Return a data set's tables and views, or the one that is named, out of DuckLake's own catalog."""
    lake = quote(f"__ducklake_metadata_{project_id}")
    # Rows without an end snapshot are of the present; the others are history.
    present = (
        f"FROM {lake}.ducklake_{{kind}} JOIN {lake}.ducklake_schema AS s USING (schema_id) WHERE s.schema_name = $1"
        " AND {kind}_name = coalesce($2, {kind}_name) AND ducklake_{kind}.end_snapshot IS NULL"
        " AND s.end_snapshot IS NULL"
    )
    return database.fetch(
        f"SELECT table_name, 'TABLE', 0 {present.format(kind='table')} UNION ALL"
        f" SELECT view_name, 'VIEW', 0 {present.format(kind='view')} ORDER BY 1",
        [dataset_id, table_id],
    )


@CACHE.cached
def table_info(table: str) -> Any:
    """Return each column of a table, given by its quoted name, and whether it is required."""
    return database.fetch('SELECT name, "notnull" FROM pragma_table_info($1)', [table])


@CACHE.cached
def columns(project_id: str, dataset_id: str, table_id: str) -> Any:
    """Return a table's columns; its partitions have the same."""
    base_id = split_decorator(table_id)[0]
    table = tables.name(project_id, dataset_id, base_id)
    try:
        required = {column for column, is_required in table_info(table) if is_required}
        with database.cursor() as cursor:
            relation = cursor.sql(f"SELECT * FROM {table} LIMIT 0")
            return [
                types.field(column, kind, column in required)
                for column, kind in zip(relation.columns, relation.types, strict=True)
                if column != tables.INGESTION_TIME or dataset_id == tables.RESULTS
            ]
    except duckdb.CatalogException:
        raise not_found("Table", names.label(project_id, dataset_id, base_id)) from None


def has_ingestion_time(table: exp.Table) -> bool:
    """Return whether a table in a query is partitioned by ingestion time. In place of `rules.partitions._hidden`."""
    if not (table.catalog and table.db) or not isinstance(table.this, exp.Identifier):
        return False
    try:
        info = table_info(quote(table.catalog, table.db, table.name))
    except duckdb.CatalogException:
        return False
    return tables.INGESTION_TIME in dict(info)
