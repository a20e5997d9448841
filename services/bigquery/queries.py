"""How queries run: a cache that sees their changes, jobs shown to SQL."""

import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any

from local_bigquery.catalog import names, tables
from local_bigquery.errors import BigQueryError
from sqlglot import exp

from bigquery import catalog, originals, records
from bigquery.cache import CACHE
from bigquery.locks import transaction

JOBS_VIEW = re.compile(r"INFORMATION_SCHEMA\W+JOBS", re.IGNORECASE)

JOBS_LOCK = threading.Lock()


class SessionlessCursor:
    """A cursor that serves one query without a session, so that it has no temporary tables.

    Before every query local-bigquery asks DuckDB for its temporary tables. DuckDB's list of tables reads the statistics
    of every table, more of them with each result saved; here the answer is known to be empty.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def sql(self, query: str, **kwargs: Any) -> Any:
        """Return a relation with the query's rows."""
        asks_for_temporary_tables = query == "SELECT table_name FROM duckdb_tables() WHERE temporary"
        return self._cursor.sql("SELECT '' AS table_name LIMIT 0" if asks_for_temporary_tables else query, **kwargs)


def run_query(cursor: Any, project: str, job: str, config: Any, *args: Any, session: Any = None, **kwargs: Any) -> Any:
    """Run a query job's statements. In place of `query.execute`.

    Args:
        cursor: the job's, or its session's.
        project: the job's project.
        job: the job's id.
        config: the job's configuration.
        args: what `query.execute` takes further.
        session: the job's session, if it has one.
        kwargs: what `query.execute` takes further.
    """
    if JOBS_VIEW.search(config.query or ""):
        copy_jobs_to_duckdb()
    query_cursor = cursor if session else SessionlessCursor(cursor)
    return originals.run_query(query_cursor, project, job, config, *args, session=session, **kwargs)


def copy_jobs_to_duckdb() -> None:
    """Copy the records of jobs to where INFORMATION_SCHEMA.JOBS reads them; two copies at once would conflict."""
    with JOBS_LOCK, originals.open_cursor() as cursor, transaction(cursor):
        cursor.execute("DELETE FROM emulator.jobs")
        for row in records.RECORDS.run("SELECT * FROM emulator.jobs"):
            cursor.execute("INSERT INTO emulator.jobs VALUES (?, ?, ?, ?, ?, ?)", row)


def run_statement(cursor: Any, tree: exp.Expression, context: Any, *args: Any) -> Any:
    """Run one statement; any but a query may change any table. In place of `query._run`.

    Args:
        cursor: the job's, or its session's.
        tree: the statement.
        context: the names that it is read with.
        args: what `query._run` takes further.
    """
    changed = tree.find(exp.Table) if isinstance(tree, exp.TruncateTable) else names.target(tree)
    target = changed and names.reference(changed, context.project_id, context.dataset_id or "")
    unchanged = isinstance(tree, exp.Query)
    with contextlib.nullcontext() if unchanged else CACHE.changing(), default_data_set(tree, changed, context):
        statistics = originals.run_statement(cursor, tree, context, *args)
    if target:
        catalog.touch(*target)
    return statistics


@contextlib.contextmanager
def default_data_set(tree: exp.Expression, table: exp.Table | None, context: Any) -> Iterator[None]:
    """Have a default data set while a statement defines a temporary table, without which local-bigquery fails.

    Args:
        tree: the statement.
        table: the table that it changes, if it changes one.
        context: the names that it is read with.

    Raises:
        BigQueryError: another table is to be defined, and neither its name nor the job says in which data set.
    """
    is_definition = isinstance(tree, exp.Create | exp.Drop | exp.Alter) and tree.args.get("kind") in ("TABLE", "VIEW")
    if not is_definition or context.dataset_id or table is None or table.db:
        yield
        return
    if not tree.find(exp.TemporaryProperty) and table.name.casefold() not in context.temporary:
        message = f'Table "{table.name}" must be qualified with a dataset (e.g. dataset.table).'
        raise BigQueryError("invalid", message)
    context.dataset_id = tables.RESULTS  # BigQuery too has them in a data set that is hidden
    try:
        yield
    finally:
        context.dataset_id = None
