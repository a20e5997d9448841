"""How jobs write rows: a load, query or copy job replaces or extends a table or one of its partitions."""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import duckdb
from local_bigquery.catalog import metadata, names, tables
from local_bigquery.engine import database, results, types
from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError, already_exists, not_found
from local_bigquery.jobs import copy
from local_bigquery.models import JobConfigurationLoad, JobConfigurationTableCopy, Table
from local_bigquery.settings import settings

from bigquery import loads, originals
from bigquery.locks import transaction
from bigquery.partitions import (
    OUTSIDE_PARTITION,
    Reference,
    copied_source,
    in_partition,
    partition_column,
    partitioned_alike,
    refuse_rows_outside,
    split_decorator,
)

# From this size in bytes on, a copy shares its source's files; a smaller table's rows are copied just as fast.
SHARED_BYTES = 1 << 20


class DescribingCursor:
    """A cursor that describes a query without running it; DuckDB's own runs it where the query has parameters."""

    def __init__(self, cursor: Any) -> None:
        self.cursor, self.execute = cursor, cursor.execute

    def sql(self, query: str, params: dict[str, Any] | None = None) -> Any:
        """Return a relation with the query's columns, and with its rows too where it has no parameters."""
        return self.cursor.sql(f"SELECT * FROM ({query}) LIMIT 0" if params else query, params=params)


def write(
    cur: Any,
    query: str,
    params: dict[str, Any] | None,
    reference: Reference,
    config: Any,
    default: str = "WRITE_EMPTY",
    prefix: str = "Invalid schema update. ",
    isolated: bool = False,
) -> bool:
    """Write a query's rows to a table or a partition in one transaction; load, query and copy jobs all come here.

    In place of `tables.write`, which knows no partitions, keeps descriptions over a truncation, ignores REQUIRED, casts
    rows of another type, and never records when a table it makes expires, so that it does not.

    Args:
        cur: the job's cursor, which reads the query.
        query: DuckDB SQL that gives the rows.
        params: the query's parameters.
        reference: the destination, with or without a partition decorator.
        config: the job's configuration.
        default: the write disposition where the configuration has none.
        prefix: what errors about the schema begin with.
        isolated: whether `cur` belongs to a session or script, so that it may be in the user's own transaction.

    Returns:
        False, always: for True, `load.run` would record its schema under the decorated name.

    Raises:
        BigQueryError: the configuration or the rows do not fit the destination; nothing is written then.
    """
    if reference[1] == tables.RESULTS:
        return bool(originals.write_table(cur, query, params, reference, config, default, prefix, isolated))
    table_id, day = split_decorator(reference[2])
    target = (*reference[:2], table_id)
    table = tables.name(*target)
    disposition = config.writeDisposition or default
    relation = DescribingCursor(cur).sql(query, params=params)
    layout = tables.layout(relation.columns, config, "WRITE_APPEND" if day else disposition)
    with database.writing(*target), database.cursor() as writer, bigquery_errors():
        exists, is_copy = tables.exists(*target), isinstance(config, JobConfigurationTableCopy)
        if not exists and config.createDisposition == "CREATE_NEVER":
            raise not_found("Table", names.label(*target))
        # No object: the table is new, or it was created without columns and is on record only.
        replaces = not database.objects(*target) or (disposition == "WRITE_TRUNCATE" and day is None)
        resource = resource_after_write(target, config, layout, exists=exists, replaces=replaces)
        condition = ""
        if day:
            column = partition_column(resource, target)
            condition = f" WHERE {in_partition(column, day)}"
            query = refuse_rows_outside(query, column, day, relation.columns)
        first_row = f"SELECT 1 FROM {table}{condition} LIMIT 1"
        if not replaces and disposition == "WRITE_EMPTY" and cur.sql(first_row).fetchone():
            raise already_exists("Table", names.label(*reference))

        # A query may read the table or partition that it writes. After the DELETE below it would find it empty, so
        # `cur` reads outside of the transaction and `writer` writes, the rows passing between them as Arrow. That takes
        # many times as long and holds all rows in memory, so one cursor does both where the query cannot see the
        # DELETE: a load reads files, and a replacement is a single CREATE OR REPLACE TABLE. Not in a session or script,
        # where `cur` may already be in a transaction.
        one_cursor = not isolated and (replaces or isinstance(config, JobConfigurationLoad))
        by = cur if one_cursor else writer
        with transaction(by):
            files = []
            if one_cursor and is_copy and day is None:  # a partition's rows are read, as each one's day is checked
                files = shared_files(cur, config)
                replaces = bool(files) or not keeps_columns(cur, target, config)
            if not replaces:
                check_types(target, relation, prefix)
                tables.evolve(by, target, relation, getattr(config, "schemaUpdateOptions", None), prefix)
                if disposition == "WRITE_TRUNCATE":
                    by.execute(f"DELETE FROM {table}{condition}")
            if one_cursor and loads.UPLOAD.get():
                described = relation if replaces else cur.sql(f"SELECT * FROM {table} LIMIT 0")
                fields = tables.fields(resource) if replaces else tables.columns(*target)
                if not any(field.mode == "REQUIRED" for field in fields):
                    outside = f"({in_partition(column, day)}) IS NOT TRUE" if day else "false"
                    files = loads.takeable_files(cur, config, described, outside)
            query = f"{query} LIMIT 0" if files else query  # only the columns: the rows are in the files
            reader: Any = DescribingCursor(cur) if one_cursor else cur
            results.materialise(reader, query, table, params, not replaces, None if one_cursor else writer)
            add_files(cur, target, files)
            if replaces:
                set_required(by, table, tables.fields(resource))
            # Before the commit: a kill in between leaves a record without a table, which is dropped at the next start.
            # The other way round, a new table could be left without its partitioning.
            tables.record(*target, resource)
    return False


@contextlib.contextmanager
def bigquery_errors() -> Iterator[None]:
    """Turn the errors that the engine raises while rows are written into BigQuery's reasons and messages."""
    try:
        yield
    except duckdb.InvalidInputException as error:
        if OUTSIDE_PARTITION not in str(error):
            raise
        raise BigQueryError("invalid", str(error).removeprefix("Invalid Input Error: ")) from error
    except duckdb.ConstraintException as error:
        raise BigQueryError("invalid", f"Required field cannot be null: {error}") from error


def resource_after_write(target: Reference, config: Any, layout: Any, *, exists: bool, replaces: bool) -> Any:
    """Return a table's properties once a job has written to it.

    A table that is replaced keeps its creation time, its expiration and its partitioning, and loses its descriptions
    and labels. A copy takes its source's partitioning.

    Args:
        target: the table.
        config: the job's configuration.
        layout: the partitioning and clustering that the job asks for, as a table resource.
        exists: whether the table exists.
        replaces: whether the job replaces the whole table.

    Raises:
        BigQueryError: the table is partitioned in another way than the job asks for.
    """
    stored = (exists and metadata.load(Table, *target)) or tables.defaults(*target)
    is_copy = isinstance(config, JobConfigurationTableCopy)
    keeps_layout = exists and not (is_copy and replaces)
    if keeps_layout and (layout.timePartitioning or is_copy) and not partitioned_alike(layout, stored):
        raise BigQueryError(
            "invalid", f"Incompatible table partitioning specification for table {names.label(*target)}"
        )
    resource = stored
    if replaces and database.objects(*target):
        kept = ("creationTime", "expirationTime", *(() if is_copy else tables.LAYOUT))
        resource = tables.defaults(*target).merged(stored.only(*kept))
    if replaces and (schema := config.dump().get("schema")):
        resource = resource.replace(schema=schema)
    return resource.merged(layout).replace(lastModifiedTime=metadata.now())


def check_types(target: Reference, relation: Any, prefix: str) -> None:
    """Refuse rows of other types than the table's columns, which DuckDB would cast silently.

    Args:
        target: the table.
        relation: the rows, a DuckDB relation.
        prefix: what the error's message begins with.

    Raises:
        BigQueryError: a column is of another type.
    """
    fields = {field.name.casefold(): field for field in tables.columns(*target)}
    for name, kind in zip(relation.columns, relation.types, strict=True):
        if name.casefold() in fields:
            old, new = (types.bigquery_type(f) for f in (fields[name.casefold()], types.field(name, kind)))
            if old != new:
                raise BigQueryError("invalid", f"{prefix}Field {name} has changed type from {old} to {new}")


def set_required(cursor: Any, table: str, fields: list[Any]) -> None:
    """Give a table just written the NOT NULL of its REQUIRED columns.

    Args:
        cursor: the transaction that wrote the table.
        table: the quoted name.
        fields: the table's schema.

    Raises:
        BigQueryError: such a column holds NULL.
    """
    for field in fields:
        if field.mode == "REQUIRED":
            try:
                cursor.execute(f"ALTER TABLE {table} ALTER COLUMN {quote(field.name)} SET NOT NULL")
            except duckdb.CatalogException as error:
                raise BigQueryError("invalid", f"Required field {field.name} cannot be null") from error


def run_copy(cursor: Any, config: Any, upload: str | None) -> Any:
    """Run a copy job so that the copy takes its source's schema and layout; `copy.run` alone drops them."""
    project_id, dataset_id, table_id = tables.reference((config.sourceTables or [config.sourceTable])[0])
    base_id = split_decorator(table_id.partition("@")[0])[0]
    source = originals.load_table(project_id, dataset_id, base_id)
    return copy.run(cursor, config.replace(**source.only("schema", *tables.LAYOUT).dump()), upload)


def keeps_columns(cursor: Any, target: Reference, config: Any) -> bool:
    """Return whether a copy's target has its source's columns already, so that only its rows need to be replaced.

    DuckLake reads its whole schema again after each table that is made, and keeps a copy of it.

    Args:
        cursor: the job's cursor.
        target: the table that is replaced.
        config: the copy job's configuration.
    """
    source = tables.reference((config.sourceTables or [config.sourceTable])[0])
    if len(config.sourceTables or [None]) > 1 or copied_source(*source):
        return False
    if [*map(str.casefold, source)] == [*map(str.casefold, target)]:  # its rows would be deleted first
        return False
    if [kind for reference in (source, target) for _, kind, _ in database.objects(*reference)] != ["TABLE"] * 2:
        return False
    source_columns, target_columns = (
        [
            (name, str(kind), field.mode)
            for name, kind, field in zip(relation.columns, relation.types, tables.columns(*reference), strict=True)
        ]
        for reference in (source, target)
        for relation in [cursor.sql(f"SELECT * FROM {tables.name(*reference)} LIMIT 0")]
    )
    return source_columns == target_columns


def shared_files(cursor: Any, config: Any) -> list[str]:
    """Return the files that a copy can share with its source instead of reading and writing the rows.

    Files are never changed once written, so two tables may hold the same ones. That needs a single whole source whose
    files hold its present rows, no more: no deleted rows, which DuckLake lists beside the files, and no column that
    was added, dropped or changed since.

    Returns:
        Their paths; empty where the rows must be copied, or are few.
    """
    project, dataset, table = tables.reference((config.sourceTables or [config.sourceTable])[0])
    if len(config.sourceTables or [None]) > 1 or copied_source(project, dataset, table):
        return []
    files = cursor.execute(
        "SELECT data_file, delete_file, data_file_size_bytes FROM ducklake_list_files($1, $2, schema => $3)",
        [project, table, dataset],
    ).fetchall()
    if any(delete_file for _, delete_file, _ in files) or sum(size for *_, size in files) < SHARED_BYTES:
        return []
    lake = quote(f"__ducklake_metadata_{project}")
    ((changed_columns,),) = cursor.execute(
        f"SELECT count(*) FROM {lake}.ducklake_column AS c JOIN {lake}.ducklake_table AS t USING (table_id)"
        f" JOIN {lake}.ducklake_schema AS s USING (schema_id) JOIN {lake}.ducklake_data_file AS f USING (table_id)"
        " WHERE (s.schema_name, t.table_name) = ($1, $2) AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL"
        " AND f.end_snapshot IS NULL AND greatest(c.begin_snapshot, c.end_snapshot) > f.begin_snapshot",
        [dataset, table],
    ).fetchall()
    return [] if changed_columns else [file for file, *_ in files]


def add_files(cursor: Any, target: Reference, files: list[str]) -> None:
    """Add files to a table as hard links, or as copies on a file system that has none.

    Links, since each table deletes its own files when they are history.

    Args:
        cursor: the transaction that writes the table.
        target: the table.
        files: paths of Parquet files whose columns are the table's.
    """
    project, dataset, table = target
    for file in files:
        link = settings.data_dir / project / dataset / table / f"{uuid.uuid4()}.parquet"
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.hardlink_to(file)
        except OSError:
            shutil.copyfile(file, link)
        # Left to itself, DuckLake takes a folder `key=value` of the path for a column in place of the file's own.
        cursor.execute(
            "CALL ducklake_add_data_files($1, $2, $3, schema => $4, hive_partitioning => false)",
            [project, table, str(link), dataset],
        )
