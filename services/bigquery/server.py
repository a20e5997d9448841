"""The warehouse on a laptop: local-bigquery, made to write as BigQuery writes.

It runs in an environment of its own, which has neither Airflow nor what Lumbung needs, so of Lumbung it imports only
`lumbung.googlesql`:

    PYTHONPATH=services:include .venv-bigquery/bin/python -P -m bigquery.server --port 9050 --data-dir .lumbung/bigquery

local-bigquery 0.3.2 takes `table$20260102` for a table of that name, copies a table without its partitioning, never
expires a table that a job made, and departs from BigQuery silently in more ways. What this pipeline needs is corrected
at start-up: `patch` puts functions of this package in place of local-bigquery's, and each says why. The server asks for
no password: keep it on loopback.
"""

import argparse
import contextlib
import importlib.resources
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path

import duckdb
from local_bigquery.catalog import datasets, iam, metadata, row_access, tabledata, tables
from local_bigquery.engine import database
from local_bigquery.jobs import copy, load, query, runner, store
from local_bigquery.settings import settings
from local_bigquery.sql import rules

from bigquery import (
    analysis,
    catalog,
    lakes,
    loads,
    misfits,
    partitions,
    queries,
    records,
    recovery,
    restart,
    translation,
    writes,
)
from bigquery.cache import CACHE
from bigquery.locks import LAKE, locked, reading_cursor, write_lake, writing
from bigquery.threads import THREADS

EXTENSIONS = ("ducklake", "icu", "spatial")

SUBMIT_LOCK = threading.Lock()


def patch() -> None:
    """Put this package's functions in place of local-bigquery's, under every name by which it calls them."""
    tables.write, tables.columns = writes.write, catalog.columns
    tables.load, tables.delete, tables.update = catalog.load, catalog.delete, catalog.update
    tabledata.load, tabledata.columns, tabledata.name = catalog.load, catalog.columns, partitions.listed_source
    tabledata.insert_all = catalog.insert_rows
    copy.decorated = partitions.copied_source
    runner.HANDLERS["copy"], runner.HANDLERS["load"] = writes.run_copy, loads.run
    load._hive, database._attach = loads.hive_options, lakes.attach
    load._reader, load._projection, load._textual = misfits.read_source, misfits.project, misfits.textual
    # SQL may not name a partition, as it may not name `table@time`: both are refused as decorators.
    rules.tables.DECORATOR = re.compile(r"^(.+)[@$](-?\d+)$")
    translation.install()
    rules.partitions._hidden = catalog.has_ingestion_time
    database.writing, database.objects, database.cursor = writing, catalog.objects, reading_cursor
    for module in (database, store, metadata, iam, row_access):
        module.fetch, module.execute = records.fetch, records.execute
    runner._query = locked(runner._query, LAKE.reading)  # it opens its cursor without `database.cursor`
    for module, name in ((tables, "create"), (datasets, "create"), (datasets, "delete")):
        setattr(module, name, locked(getattr(module, name), write_lake))
    datasets.exists = CACHE.cached(datasets.exists)
    query.catalog_ddl.apply = locked(query.catalog_ddl.apply, CACHE.changing)
    query._run, query.execute = queries.run_statement, queries.run_query
    query._execute, query.translate = analysis.run_statements, analysis.translate
    # Two jobs submitted at once under one id would both be accepted.
    runner.submit = locked(runner.submit, lambda: SUBMIT_LOCK)
    runner._execute = restart.RESTARTER.run_job


def link_extensions(home: Path) -> None:
    """Put DuckDB's extensions, which are installed as packages, where DuckDB looks for them: under $HOME.

    They are links, as copies take 138 MB in every data folder; and they are made at each start, as the environment may
    have moved.

    Args:
        home: a folder that becomes $HOME, so that the user's own is left alone.
    """
    with contextlib.suppress(RuntimeError):  # the user has no home
        if not os.environ.get("XDG_CACHE_HOME"):
            os.environ["XDG_CACHE_HOME"] = str(Path.home() / ".cache")  # the user's, also when $HOME is another
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


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; end the program with one line where that cannot be."""
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]
        sys.exit(f"Cannot listen on {host}:{port} ({reason}): stop what holds it, or change the port")
    # Without it every answer takes 40 ms more: uvicorn sends head and body apart. asyncio sets it only on a socket that
    # was opened with TCP as its protocol; this one was opened with 0, the default.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A BigQuery server on this machine")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9050)
    parser.add_argument("--data-dir", type=Path, default=Path(".lumbung/bigquery"))
    parser.add_argument("--project", default="local")
    parser.add_argument("--jobs-per-start", type=int, default=restart.JOBS_PER_START)
    parser.add_argument(restart.LISTENER_OPTION, type=int, help="the open socket of the program that starts this one")
    args = parser.parse_args()
    # Uvicorn takes these signals over, stops serving, and raises them again; a query that still runs must not hold up
    # the exit. What was committed is safe, as it is from a kill.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    if args.listener is None:
        listener = listen(args.host, args.port)
    else:
        listener = socket.socket(fileno=args.listener)
        listener.set_inheritable(False)
    settings.data_dir, settings.default_project_id = args.data_dir.resolve(), args.project
    if "'" in str(settings.data_dir):  # local-bigquery puts the path into a statement as it is
        sys.exit(f"Cannot open {settings.data_dir}: there is a ' in the path; rename that folder, or use another")
    link_extensions(settings.data_dir / "home")
    patch()
    try:
        database.connection()
    except duckdb.IOException as error:
        sys.exit(f"Cannot open {settings.data_dir}: {str(error).splitlines()[0]}")
    recovery.fail_unfinished_jobs()
    recovery.forget_missing_tables()
    THREADS.start()
    # The Storage API's gRPC server is not started: the clients read with create_bqstorage_client=False.
    restart.RESTARTER.serve(listener, args.jobs_per_start)


if __name__ == "__main__":
    main()
