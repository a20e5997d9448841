"""The warehouse on a laptop: local-bigquery, made to write as BigQuery writes.

It runs in an environment of its own, which has neither Lumbung nor Airflow, so it imports neither:

    PYTHONPATH=services .venv-bigquery/bin/python -P -m bigquery.server --port 9050 --data-dir .lumbung/bigquery

local-bigquery 0.3.2 takes `table$20260102` for a table of that name, copies a table without its partitioning, lets a
table it made by a job never expire, and more that is silently not BigQuery. Whatever this pipeline leans on is put
right here, at start-up, by replacing those functions; each says why. There is no authentication: keep it on loopback.
"""
# mypy: disable-error-code="import-not-found, import-untyped"
# Its packages live in the other environment; their objects are Any here.

import argparse
import collections
import contextlib
import datetime
import functools
import importlib.resources
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import uvicorn
from local_bigquery import app
from local_bigquery.catalog import datasets, iam, metadata, names, row_access, tabledata, tables
from local_bigquery.engine import database, results, types
from local_bigquery.engine.database import quote
from local_bigquery.errors import BigQueryError, already_exists, not_found
from local_bigquery.jobs import copy, query, runner, store
from local_bigquery.models import Job, JobConfigurationLoad, JobConfigurationTableCopy, JobStatistics, Table
from local_bigquery.settings import settings
from local_bigquery.sql import rules
from sqlglot import exp

EXTENSIONS = ("ducklake", "icu", "spatial")
SWEEP_SECONDS, RESULT_SECONDS, JOB_SECONDS = 60, 600, 24 * 3600
LINKED_BYTES = 1 << 20
STRANGERS = "Some rows belong to different partitions rather than destination partition"
DECORATED = re.compile(r"^(.+)\$(.+)$")
# The strings BigQuery casts; DuckDB casts more ('1.9' and '1_0' to INT64, 'yes' to BOOL, '2026/01/02 x' to DATE).
NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*"
CASTABLE = {
    exp.DataType.Type.BIGINT: r"\s*[+-]?(\d+|0[xX][0-9a-fA-F]+)\s*",
    exp.DataType.Type.DECIMAL: NUMBER,
    exp.DataType.Type.DOUBLE: rf"(?i){NUMBER}|[+-]?(inf|infinity)|nan",
    exp.DataType.Type.BOOLEAN: "(?i)true|false",
    exp.DataType.Type.DATE: r"\d{4}-\d{1,2}-\d{1,2}",
}

Reference = tuple[str, str, str]


class Records:
    """What is on record of jobs, tables, data sets and the like, in SQLite.

    local-bigquery keeps it in tables of DuckDB, where a job's record takes some 3 ms to write, and is written thrice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def run(self, sql: str, params: list[Any] | None = None) -> list[Any]:
        """A statement's rows."""
        given = [json.dumps(one) if isinstance(one, list) else one for one in params or []]
        sql = sql.replace(" IS NOT DISTINCT FROM ", " IS ")  # which SQLite knows since 3.39 only
        with self._lock:
            return self._connection.execute(sql, given).fetchall()

    @functools.cached_property
    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.create_function("starts_with", 2, str.startswith)
        connection.create_function("list_contains", 2, lambda listed, one: bool(listed) and one in json.loads(listed))
        connection.execute("ATTACH ? AS emulator", [str(settings.data_dir / "records.sqlite")])
        connection.execute("PRAGMA emulator.journal_mode = WAL")
        connection.execute("PRAGMA emulator.synchronous = NORMAL")
        ((version,),) = connection.execute("PRAGMA emulator.user_version").fetchall()
        if not version:
            connection.execute("BEGIN")
            for statement in re.findall(r"CREATE TABLE[^;]+", database.EMULATOR_SCHEMA):
                connection.execute(statement)
            self._adopt(connection)
            connection.execute("PRAGMA emulator.user_version = 1")
            connection.execute("COMMIT")
        return connection

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """Take over what an older Lumbung had DuckDB keep."""
        for name in re.findall(r"CREATE TABLE IF NOT EXISTS (emulator\.\w+)", database.EMULATOR_SCHEMA):
            with open_cursor() as cursor:
                for row in cursor.execute(f"FROM {name}").fetchall():
                    connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)


RECORDS = Records()


def on_record(sql: str) -> bool:
    """Whether a statement of local-bigquery's own is about what is on record."""
    return bool(re.match(r"(SELECT [\w, ]+ FROM|DELETE FROM|INSERT OR REPLACE INTO) emulator\.", sql))


class Facts:
    """What reading about tables gave, for as long as none of them is written.

    Everything asks for a table's kind, columns and rows several times a job, at some milliseconds each.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Any, Any] = {}
        self._generation = 0

    def forget(self, table: str = "") -> None:
        """Read again from now on, of a table or of all; what is being read meanwhile is not kept."""
        with self._lock:
            self._values = {
                (function, args): value
                for (function, args), value in self._values.items()
                if table and not any(table.casefold() in arg.casefold() for arg in args)
            }
            self._generation += 1

    def kept(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose answers are kept by its arguments, which name the table; nobody may change an answer."""

        @functools.wraps(function)
        def call(*args: Any) -> Any:
            if any(tables.RESULTS in arg for arg in args):  # results are saved while nobody is told
                return function(*args)
            key = (function, args)
            with self._lock:
                if key in self._values:
                    return self._values[key]
                generation = self._generation
            value = function(*args)
            with self._lock:
                if generation == self._generation:
                    self._values[key] = value
            return value

        return call

    @contextlib.contextmanager
    def changing(self, table: str = "") -> Iterator[None]:
        """What is read of a table, or of all, is not kept for it, nor for after it."""
        self.forget(table)
        try:
            yield
        finally:
            self.forget(table)


FACTS = Facts()


def split(table_id: str) -> tuple[str, str | None]:
    """The table and, of `table$YYYYMMDD`, the day as `YYYY-MM-DD`."""
    if not (match := DECORATED.match(table_id)):
        return table_id, None
    with contextlib.suppress(ValueError):
        if match[2].isdecimal() and len(match[2]) == len("YYYYMMDD"):
            return match[1], datetime.date.fromisoformat(match[2]).isoformat()
    message = f"Invalid partition ${match[2]} of table {match[1]}: only days ($YYYYMMDD) are supported here"
    raise BigQueryError("invalid", message)


def partition(resource: Any, target: Reference) -> str:
    """The column a table is partitioned by, by day.

    Raises:
        BigQueryError: it is not.
    """
    spec = resource.timePartitioning
    if not (spec and spec.field) or (spec.type or "DAY") != "DAY":
        raise BigQueryError(
            "invalid",
            f"Table {names.label(*target)} is not partitioned by the day of a column: a partition decorator needs it",
        )
    return str(spec.field)


def within(column: str, day: str) -> str:
    """The condition for a row to lie in a partition; the connection's time zone is UTC, as BigQuery's partitions."""
    return f"CAST({quote(column)} AS DATE) = DATE '{day}'"


def partition_source(reference: Reference, columns: str) -> str | None:
    """A subquery of a decorated table's partition; None for a whole table."""
    table_id, day = split(reference[2])
    if day is None:
        return None
    target = (*reference[:2], table_id)
    column = partition(tables.load(*target), target)
    return f"(SELECT {columns} FROM {tables.name(*target)} WHERE {within(column, day)})"


@contextlib.contextmanager
def transaction(cursor: Any) -> Iterator[None]:
    """Commit, or roll back on any error."""
    cursor.execute("BEGIN")
    try:
        yield
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")  # one that fails rolls back


def same_layout(one: Any, other: Any) -> bool:
    """Whether two tables are partitioned by the same column and unit."""
    specs = [
        (spec.type or "DAY", (spec.field or "").casefold()) if (spec := table.timePartitioning) else None
        for table in (one, other)
    ]
    return specs[0] == specs[1]


def check_types(target: Reference, relation: Any, prefix: str) -> None:
    """Refuse rows of other types than the table's, which DuckDB would cast without a word."""
    existing = {field.name.casefold(): field for field in tables.columns(*target)}
    for name, kind in zip(relation.columns, relation.types, strict=True):
        if name.casefold() in existing:
            old, new = (types.bigquery_type(f) for f in (existing[name.casefold()], types.field(name, kind)))
            if old != new:
                raise BigQueryError("invalid", f"{prefix}Field {name} has changed type from {old} to {new}")


def refuse_strangers(query: str, column: str, day: str, columns: list[str]) -> str:
    """The query, failing on a row of another day than the partition it is written to."""
    if column.casefold() not in map(str.casefold, columns):
        raise BigQueryError("invalid", f"The rows lack {column}, the field the table is partitioned by")
    message = f"{STRANGERS} {day.replace('-', '')}"
    name = quote(column)
    return (
        f"SELECT * REPLACE (CASE WHEN ({within(column, day)}) IS NOT TRUE THEN error('{message}') ELSE {name} END "
        f"AS {name}) FROM ({query})"
    )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """BigQuery's reason and words for the errors the engine raises while rows are written."""
    try:
        yield
    except duckdb.InvalidInputException as error:
        if STRANGERS not in str(error):
            raise
        raise BigQueryError("invalid", str(error).removeprefix("Invalid Input Error: ")) from error
    except duckdb.ConstraintException as error:
        raise BigQueryError("invalid", f"Required field cannot be null: {error}") from error


def resource_written(target: Reference, config: Any, layout: Any, *, found: bool, replace: bool) -> Any:
    """A table's properties once a job has written to it.

    A table that is replaced keeps when it was made, when it expires and its partitioning, and loses its descriptions
    and labels. A copy takes its source's partitioning.
    """
    stored = (found and metadata.load(Table, *target)) or tables.defaults(*target)
    copied = isinstance(config, JobConfigurationTableCopy)
    if found and not (copied and replace) and (layout.timePartitioning or copied) and not same_layout(layout, stored):
        raise BigQueryError(
            "invalid", f"Incompatible table partitioning specification for table {names.label(*target)}"
        )
    resource = stored
    if replace and database.objects(*target):
        kept = ("creationTime", "expirationTime", *(() if copied else tables.LAYOUT))
        resource = tables.defaults(*target).merged(stored.only(*kept))
    if replace and (schema := config.dump().get("schema")):
        resource = resource.replace(schema=schema)
    return resource.merged(layout).replace(lastModifiedTime=metadata.now())


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

    In place of local-bigquery's own, which knows no partitions, keeps descriptions over a truncation, ignores
    REQUIRED, casts rows of another type, and never records when a table it makes expires, so that it does not.
    """
    if reference[1] == tables.RESULTS:
        return bool(write_result(cur, query, params, reference, config, default, prefix, isolated))
    table_id, day = split(reference[2])
    target = (*reference[:2], table_id)
    table, label = tables.name(*target), names.label(*target)
    disposition = config.writeDisposition or default
    relation = Described(cur).sql(query, params=params)
    layout = tables.layout(relation.columns, config, "WRITE_APPEND" if day else disposition)
    # `cur` reads the rows as they were before the transaction, so a query may read the partition it replaces.
    with database.writing(*target), database.cursor() as writer, explained():
        found, copied = tables.exists(*target), isinstance(config, JobConfigurationTableCopy)
        if not found and config.createDisposition == "CREATE_NEVER":
            raise not_found("Table", label)
        replace = not database.objects(*target) or (disposition == "WRITE_TRUNCATE" and day is None)
        resource = resource_written(target, config, layout, found=found, replace=replace)
        where = ""
        if day:
            column = partition(resource, target)
            where = f" WHERE {within(column, day)}"
            query = refuse_strangers(query, column, day, relation.columns)
        if not replace and disposition == "WRITE_EMPTY" and cur.sql(f"SELECT 1 FROM {table}{where} LIMIT 1").fetchone():
            raise already_exists("Table", names.label(*reference))

        # Rows that are none of the table's own are written by the engine alone: through Arrow they take many times as
        # long, and the memory of all.
        alone = not isolated and (replace or isinstance(config, JobConfigurationLoad))
        by, through = (cur, None) if alone else (writer, writer)
        with transaction(by):
            if not replace:
                check_types(target, relation, prefix)
                tables.evolve(by, target, relation, getattr(config, "schemaUpdateOptions", None), prefix)
                if disposition == "WRITE_TRUNCATE":
                    by.execute(f"DELETE FROM {table}{where}")
            files = whole_files(cur, config) if alone and copied else []
            rows = f"{query} LIMIT 0" if files else query
            results.materialise(Described(cur) if alone else cur, rows, table, params, not replace, through)
            add_files(cur, target, files)
            if replace:
                set_required(by, table, tables.fields(resource))
            # Before the commit: a kill in between leaves a new table empty, but partitioned as it should be.
            tables.record(*target, resource)
    # Nothing left to do for a table just created: load.run would put its schema on record, under a decorated name.
    return False


def whole_files(cursor: Any, config: Any) -> list[str]:
    """The files whose rows are all those of a table that is copied, if they are large; no file where that is not so."""
    project, dataset, table = tables.reference((config.sourceTables or [config.sourceTable])[0])
    if len(config.sourceTables or [None]) > 1 or copied_source(project, dataset, table):
        return []
    there = cursor.execute(
        "SELECT data_file, delete_file, data_file_size_bytes FROM ducklake_list_files($1, $2, schema => $3)",
        [project, table, dataset],
    ).fetchall()
    if any(deleted for _, deleted, _ in there) or sum(size for *_, size in there) < LINKED_BYTES:
        return []
    lake = quote(f"__ducklake_metadata_{project}")
    ((changed,),) = cursor.execute(  # columns that came, went or changed since a file was written
        f"SELECT count(*) FROM {lake}.ducklake_column AS c JOIN {lake}.ducklake_table AS t USING (table_id)"
        f" JOIN {lake}.ducklake_schema AS s USING (schema_id) JOIN {lake}.ducklake_data_file AS f USING (table_id)"
        " WHERE (s.schema_name, t.table_name) = ($1, $2) AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL"
        " AND f.end_snapshot IS NULL AND greatest(c.begin_snapshot, c.end_snapshot) > f.begin_snapshot",
        [dataset, table],
    ).fetchall()
    return [] if changed else [file for file, *_ in there]


def add_files(cursor: Any, target: Reference, files: list[str]) -> None:
    """Add files to a table, as links where that can be: no row is read or written."""
    project, dataset, table = target
    for file in files:
        link = settings.data_dir / project / dataset / table / f"{uuid.uuid4()}.parquet"
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.hardlink_to(file)
        except OSError:  # not every file system has links
            shutil.copyfile(file, link)
        cursor.execute("CALL ducklake_add_data_files($1, $2, $3, schema => $4)", [project, table, str(link), dataset])


class Described:
    """A cursor that does not run a query to tell its columns, as DuckDB does where the query has parameters."""

    def __init__(self, cursor: Any) -> None:
        self.cursor, self.execute = cursor, cursor.execute

    def sql(self, query: str, params: dict[str, Any] | None = None) -> Any:
        """A relation with the query's columns, and its rows too where it has no parameters."""
        return self.cursor.sql(f"SELECT * FROM ({query}) LIMIT 0" if params else query, params=params)


class Sessionless:
    """A cursor of its own for one query, which so has no temporary tables: the list of all tables need not be searched.

    That list reads every table's statistics, more of them with each result saved; it is asked for before every query.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def sql(self, query: str, **kwargs: Any) -> Any:
        """A relation with the query's rows."""
        asks = query == "SELECT table_name FROM duckdb_tables() WHERE temporary"
        return self._cursor.sql("SELECT '' AS table_name LIMIT 0" if asks else query, **kwargs)


def run_query(cursor: Any, project: str, job: str, config: Any, *args: Any, session: Any = None, **kwargs: Any) -> Any:
    """Run a query job's statements."""
    if re.search(r"INFORMATION_SCHEMA\W+JOBS", config.query or "", re.IGNORECASE):
        show_jobs()
    by = cursor if session else Sessionless(cursor)
    return run_statements(by, project, job, config, *args, session=session, **kwargs)


def show_jobs() -> None:
    """Copy the jobs on record to where INFORMATION_SCHEMA.JOBS reads them, one query's copy at a time."""
    with SHOWING, open_cursor() as cursor, transaction(cursor):
        cursor.execute("DELETE FROM emulator.jobs")
        for row in RECORDS.run("SELECT * FROM emulator.jobs"):
            cursor.execute("INSERT INTO emulator.jobs VALUES (?, ?, ?, ?, ?, ?)", row)


def set_required(writer: Any, table: str, fields: list[Any]) -> None:
    """Make the REQUIRED columns of a table just written so."""
    for field in fields:
        if field.mode == "REQUIRED":
            try:
                writer.execute(f"ALTER TABLE {table} ALTER COLUMN {quote(field.name)} SET NOT NULL")
            except duckdb.CatalogException as error:
                raise BigQueryError("invalid", f"Required field {field.name} cannot be null") from error


@FACTS.kept
def count_rows(source: str) -> int:
    """Rows of a table or a subquery."""
    ((count,),) = database.fetch(f"SELECT count(*) FROM {source}")
    return int(count)


def load(project_id: str, dataset_id: str, table_id: str) -> Any:
    """A table's or a partition's resource, its rows counted: the engine's estimate counts deleted rows too."""
    base, day = split(table_id)
    table = load_table(project_id, dataset_id, base)
    source = partition_source((project_id, dataset_id, table_id), "*")
    if table.type == "TABLE" and tables.fields(table):
        count = count_rows(source or table_name(project_id, dataset_id, base))
        size = str(tables.logical_bytes(count, len(tables.fields(table))))
        table = table.replace(numRows=str(count), numBytes=size, numTotalLogicalBytes=size, numActiveLogicalBytes=size)
    return table.replace(tableReference=table.tableReference.replace(tableId=table_id)) if day else table


def delete(project_id: str, dataset_id: str, table_id: str) -> None:
    """Delete a table, or the rows of a partition."""
    base, day = split(table_id)
    target = (project_id, dataset_id, base)
    with database.writing(*target):
        if day is None:
            delete_table(*target)
        else:
            column = partition(load_table(*target), target)
            database.execute(f"DELETE FROM {tables.name(*target)} WHERE {within(column, day)}")


def update(project_id: str, dataset_id: str, table_id: str, *args: Any) -> Any:
    """Update a table's properties; a partition has none of its own."""
    if split(table_id)[1]:
        raise BigQueryError("invalid", f"The properties of a single partition, {table_id}, cannot be changed")
    with database.writing(project_id, dataset_id, table_id):
        return update_table(project_id, dataset_id, table_id, *args)


def objects(project_id: str, dataset_id: str, table_id: str | None = None) -> Any:
    """A data set's tables and views as (name, kind, 0), or one of them; DuckDB's list of all tables takes far longer.

    Rows are counted in `load`.
    """
    if table_id is not None:
        return object_named(project_id, dataset_id, table_id)
    return list_objects(project_id, dataset_id) if project_id == "emulator" else objects_in(project_id, dataset_id)


@FACTS.kept
def object_named(project_id: str, dataset_id: str, table_id: str) -> Any:
    """A table or view, if it is there."""
    if project_id != "emulator":
        return objects_in(project_id, dataset_id, table_id)
    try:  # saved results are in no lake
        table_info(quote(project_id, dataset_id, table_id))
    except duckdb.CatalogException:
        return []
    return [(table_id, "TABLE", 0)]


def objects_in(project_id: str, dataset_id: str, table_id: str | None = None) -> Any:
    """Tables and views of a lake's data set."""
    lake = quote(f"__ducklake_metadata_{project_id}")
    current = (
        f"FROM {lake}.ducklake_{{kind}} JOIN {lake}.ducklake_schema AS s USING (schema_id) WHERE s.schema_name = $1"
        " AND {kind}_name = coalesce($2, {kind}_name) AND ducklake_{kind}.end_snapshot IS NULL"
        " AND s.end_snapshot IS NULL"
    )
    return database.fetch(
        f"SELECT table_name, 'TABLE', 0 {current.format(kind='table')} UNION ALL"
        f" SELECT view_name, 'VIEW', 0 {current.format(kind='view')} ORDER BY 1",
        [dataset_id, table_id],
    )


@FACTS.kept
def table_info(table: str) -> Any:
    """Each column of a table, by quoted name, and whether it is required; DuckDB's list of all columns takes longer."""
    return database.fetch('SELECT name, "notnull" FROM pragma_table_info($1)', [table])


@FACTS.kept
def columns(project_id: str, dataset_id: str, table_id: str) -> Any:
    """A table's columns, which are its partitions' too."""
    base = split(table_id)[0]
    table = tables.name(project_id, dataset_id, base)
    try:
        required = {column for column, is_required in table_info(table) if is_required}
        with database.cursor() as cur:
            relation = cur.sql(f"SELECT * FROM {table} LIMIT 0")
            return [
                types.field(column, kind, column in required)
                for column, kind in zip(relation.columns, relation.types, strict=True)
                if column != tables.INGESTION_TIME or dataset_id == tables.RESULTS
            ]
    except duckdb.CatalogException:
        raise not_found("Table", names.label(project_id, dataset_id, base)) from None


def has_ingestion_time(table: exp.Table) -> bool:
    """Whether a table of a query is partitioned by when its rows came."""
    if not (table.catalog and table.db) or not isinstance(table.this, exp.Identifier):
        return False
    try:
        found = table_info(quote(table.catalog, table.db, table.name))
    except duckdb.CatalogException:
        return False
    return tables.INGESTION_TIME in dict(found)


def listed_name(project_id: str, dataset_id: str, table_id: str) -> str:
    """What rows are listed from; a query job's result is read from its destination, so from a partition."""
    source = partition_source((project_id, dataset_id, table_id), "*, rowid")
    return source or table_name(project_id, dataset_id, table_id)


def copied_source(project_id: str, dataset_id: str, table_id: str) -> str | None:
    """What a copy job reads: a partition, a table as of a time, or None for a whole table."""
    source = partition_source((project_id, dataset_id, table_id), "*")
    return source or as_of(project_id, dataset_id, table_id)


def run_copy(cur: Any, config: Any, upload: str | None) -> Any:
    """Run a copy job, which carries its source's schema and layout; local-bigquery's own drops them."""
    project_id, dataset_id, table_id = tables.reference((config.sourceTables or [config.sourceTable])[0])
    source = load_table(project_id, dataset_id, split(table_id.partition("@")[0])[0])
    return copy_rows(cur, config.replace(**source.only("schema", *tables.LAYOUT).dump()), upload)


def run_statement(cursor: Any, tree: exp.Expression, *args: Any) -> Any:
    """Run one statement; what is no query may change anything."""
    with contextlib.nullcontext() if isinstance(tree, exp.Query) else FACTS.changing():
        return run_any(cursor, tree, *args)


def safe_cast(node: exp.Expression, _context: Any) -> exp.Expression:
    """SAFE_CAST of a string that BigQuery would not cast is NULL."""
    if isinstance(node, exp.TryCast) and (pattern := CASTABLE.get(node.to.this)):
        text = exp.cast(node.this.copy(), "VARCHAR")
        refused = exp.and_(
            exp.func("typeof", node.this.copy()).eq(exp.Literal.string("VARCHAR")),
            exp.not_(exp.func("regexp_full_match", text, exp.Literal.string(pattern))),
        )
        node.set("this", exp.case().when(refused, exp.null()).else_(node.this))
    return node


class LakeLock:
    """Many threads may read the lake, or one may write it; a thread may take either again.

    DuckLake keeps what a transaction knows of its schema only as long as no other thread loads that schema anew: then a
    commit fails on bytes that were freed, or the process dies (duckdb/ducklake issue 1248).
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers: collections.Counter[int] = collections.Counter()
        self._writer, self._waiting = 0, 0

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Hold it for reading; writers that wait go first."""
        me = threading.get_ident()
        with self._changed:
            if self._writer != me and me not in self._readers:
                self._changed.wait_for(lambda: not (self._writer or self._waiting))
            self._readers[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers[me] -= 1
                if not self._readers[me]:
                    del self._readers[me]
                self._changed.notify_all()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold it alone; what this thread was reading by it is let go meanwhile, or two would wait for each other."""
        me = threading.get_ident()
        if self._writer == me:
            yield
            return
        with self._changed:
            mine = self._readers.pop(me, 0)
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._writer or self._readers))
            self._waiting -= 1
            self._writer = me
        try:
            yield
        finally:
            with self._changed:
                self._writer = 0
                self._readers.update({me: mine} if mine else {})
                self._changed.notify_all()


class Written(threading.local):
    """The table that a thread writes; empty: none, or any."""

    table = ""


@contextlib.contextmanager
def lake_writing(table: str = "") -> Iterator[None]:
    """Hold the lake for writing a table, or any."""
    with LAKE.writing():
        outer, WRITTEN.table = WRITTEN.table, table
        try:
            yield
        finally:
            WRITTEN.table = outer
            FACTS.forget(table)


def sweep(now: float) -> None:
    """Drop what is only history at a time, in s since 1970: results of queries, past states of the lake, old jobs.

    local-bigquery and DuckLake keep all for good: a quarter of a megabyte a query, every file and every table that ever
    was; and all is slower with each. BigQuery drops them, too, if later.

    Of the lake's past states none is kept: each costs as many steps to drop as there are tables in all of them.
    """
    before = now - RESULT_SECONDS
    saved = database.fetch(  # held: the list of all tables reads the lake's, too
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'emulator' AND schema_name = $1", [tables.RESULTS]
    )
    kept = RECORDS.run(
        "SELECT project_id || ':' || job_id FROM emulator.jobs"
        " WHERE coalesce(CAST(json_extract(resource, '$.statistics.endTime') AS INTEGER), ?1) >= ?1",
        [int(before * 1000)],
    )
    for (name,) in {*saved} - {*kept}:
        with contextlib.suppress(duckdb.TransactionException), open_cursor() as cursor:  # somebody reads it: next time
            cursor.execute(f"DROP TABLE IF EXISTS {quote('emulator', tables.RESULTS, name)}")
    RECORDS.run(
        "DELETE FROM emulator.jobs WHERE state = 'DONE' AND creation_time < ?", [int((now - JOB_SECONDS) * 1000)]
    )
    with lake_writing():  # so nobody reads a file that goes
        for project in database.projects():
            # Counted, as nothing else here can read the times that they tell.
            for call in (
                f"expire_snapshots($1, older_than => to_timestamp({now}))",
                "cleanup_old_files($1, cleanup_all => true)",
            ):
                database.fetch(f"SELECT count(*) FROM ducklake_{call}", [project])


class Sweeper:
    """Sweeps now and then, in the thread of a job that has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due = 0.0

    def run_job(self, *args: Any) -> None:
        """Run a job, and sweep if that is due."""
        run_unswept(*args)
        with self._lock:
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + SWEEP_SECONDS
        try:
            sweep(time.time())
        except duckdb.Error:  # nobody asks a job's thread; the next sweep comes
            traceback.print_exc()


def held(function: Callable[..., Any], lock: Callable[[], Any]) -> Callable[..., Any]:
    """The function, called only with a lock, or the like, held."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with lock():
            return function(*args, **kwargs)

    return call


@contextlib.contextmanager
def writing(*table: str) -> Iterator[None]:
    """Let one thread alone write a table; results are saved in no lake."""
    with write_lock(*table) if tables.RESULTS in table else lake_writing(table[-1]):
        yield


@contextlib.contextmanager
def reading_cursor() -> Iterator[Any]:
    """A cursor that may read the lake."""
    with LAKE.reading(), open_cursor() as cursor:
        yield cursor


def fetch(sql: str, params: list[Any] | None = None) -> Any:
    """Rows of the engine, or of what is on record: whoever asks for a job does not wait for one that writes."""
    return RECORDS.run(sql, params) if on_record(sql) else fetch_rows(sql, params)


def execute(sql: str, params: list[Any] | None = None) -> None:
    """Run a statement of the engine, which may change any table, or change what is on record."""
    if on_record(sql):
        RECORDS.run(sql, params)
    else:
        with FACTS.changing(WRITTEN.table):
            execute_sql(sql, params)


LAKE, WRITTEN, SWEEPER = LakeLock(), Written(), Sweeper()
SUBMITTING, SHOWING = threading.Lock(), threading.Lock()
open_cursor = database.cursor
write_lock, list_objects = database.writing, database.objects
fetch_rows, execute_sql = database.fetch, database.execute
write_result, load_table, delete_table, update_table = tables.write, tables.load, tables.delete, tables.update
table_name, as_of, copy_rows = tables.name, copy.decorated, copy.run
run_any, run_statements, run_unswept = query._run, query.execute, runner._execute


def patch() -> None:
    """Put the functions above in the place of local-bigquery's, wherever it holds them."""
    tables.write, tables.load, tables.delete, tables.update, tables.columns = write, load, delete, update, columns
    tabledata.load, tabledata.columns, tabledata.name = load, columns, listed_name
    copy.decorated = copied_source
    runner.HANDLERS["copy"] = run_copy
    rules.tables.DECORATOR = re.compile(r"^(.+)[@$](-?\d+)$")  # SQL may not name a partition, as it may no `t@time`
    rules.NODE_RULES.insert(0, safe_cast)
    rules.partitions._hidden = has_ingestion_time
    database.writing, database.objects, database.cursor = writing, objects, reading_cursor
    for module in (database, store, metadata, iam, row_access):
        module.fetch, module.execute = fetch, execute
    runner._query = held(runner._query, LAKE.reading)  # its cursor is its own
    for module, name in ((tables, "create"), (datasets, "create"), (datasets, "delete")):
        setattr(module, name, held(getattr(module, name), lake_writing))
    datasets.exists = FACTS.kept(datasets.exists)
    query.catalog_ddl.apply = held(query.catalog_ddl.apply, FACTS.changing)
    query._run = run_statement
    query.execute = run_query
    # Two jobs of one id at once would both be taken.
    runner.submit = held(runner.submit, lambda: SUBMITTING)
    runner._execute = SWEEPER.run_job


def link_extensions(home: Path) -> None:
    """Put DuckDB's extensions, which come as packages, where DuckDB looks for them: under $HOME, so under another.

    They are links: copies are 138 MB in every data folder. They are made anew, as the environment may have moved.
    """
    os.environ["HOME"] = str(home)
    version = f"v{duckdb.__version__}"
    ((platform,),) = duckdb.sql("PRAGMA platform").fetchall()
    folder = home / ".duckdb" / "extensions" / version / platform
    folder.mkdir(parents=True, exist_ok=True)
    for name in EXTENSIONS:
        file = f"{name}.duckdb_extension"
        (folder / file).unlink(missing_ok=True)
        package = importlib.resources.files(f"duckdb_extension_{name}")
        (folder / file).symlink_to(str(package / "extensions" / version / file))


def fail_unfinished_jobs() -> None:
    """End the jobs a killed server left RUNNING: their clients would wait for ever."""
    stopped = BigQueryError("stopped", "The server stopped while the job ran; run it again")
    for (text,) in RECORDS.run("SELECT resource FROM emulator.jobs WHERE state <> 'DONE'"):
        job = Job.model_validate_json(text)
        store.save(runner._done(job, JobStatistics(), stopped))
    shutil.rmtree(settings.data_dir / "uploads", ignore_errors=True)


def forget_unmade_tables() -> None:
    """Drop the records of tables that a killed server was about to make: they would be listed, but not be there."""
    there = functools.cache(database.objects)
    for reference in RECORDS.run("SELECT project_id, dataset_id, table_id FROM emulator.tables"):
        *dataset, table = tables.physical(*reference)
        if table not in [name for name, *_ in there(*dataset)]:
            tables.forget(*reference)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A BigQuery server on this machine")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9050)
    parser.add_argument("--data-dir", type=Path, default=Path(".lumbung/bigquery"))
    parser.add_argument("--project", default="local")
    args = parser.parse_args()
    # Uvicorn takes these over, stops serving, and raises them again; a query in flight must not hold up the exit.
    # What was committed is safe, as it is from a kill.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    try:
        listener = socket.create_server((args.host, args.port))
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        sys.exit(f"Cannot listen on {args.host}:{args.port} ({reason}): stop what holds it, or change the port")
    # Else every answer waits 40 ms: uvicorn sends head and body apart, and asyncio does not know the socket for TCP.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    settings.data_dir, settings.default_project_id = args.data_dir.resolve(), args.project
    link_extensions(settings.data_dir / "home")
    patch()
    try:
        database.connection()
    except duckdb.IOException as error:
        sys.exit(f"Cannot open {settings.data_dir}: {str(error).splitlines()[0]}")
    fail_unfinished_jobs()
    forget_unmade_tables()
    # The Storage API's gRPC server is not started: the clients read with create_bqstorage_client=False.
    uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run([listener])


if __name__ == "__main__":
    main()
