"""The records of jobs, tables, data sets and other resources, kept in SQLite.

local-bigquery keeps them in DuckDB, in a database called `emulator`. There a job's record takes some 3 ms to write,
three times a job, and a request for the state of one job would wait while another job writes.
"""

import functools
import json
import re
import sqlite3
import threading
from typing import Any

from local_bigquery.engine import database
from local_bigquery.settings import settings

from bigquery import originals
from bigquery.cache import CACHE
from bigquery.locks import WRITTEN

RECORD_STATEMENT = re.compile(r"(SELECT [\w, ]+ FROM|DELETE FROM|INSERT OR REPLACE INTO) emulator\.")


class Records:
    """The records of one data folder; one connection, which threads take in turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def run(self, sql: str, params: list[Any] | None = None) -> list[Any]:
        """Run a statement that local-bigquery wrote for DuckDB, and return its rows."""
        values = [json.dumps(param) if isinstance(param, list) else param for param in params or []]
        sql = sql.replace(" IS NOT DISTINCT FROM ", " IS ")  # which SQLite knows since 3.39 only
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @functools.cached_property
    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        # DuckDB's functions that local-bigquery's statements call; lists arrive as JSON.
        connection.create_function("starts_with", 2, str.startswith)
        connection.create_function("list_contains", 2, lambda items, item: bool(items) and item in json.loads(items))
        # Attached under DuckDB's name, so that the statements need no change.
        connection.execute("ATTACH ? AS emulator", [str(settings.data_dir / "records.sqlite")])
        connection.execute("PRAGMA emulator.journal_mode = WAL")
        connection.execute("PRAGMA emulator.synchronous = NORMAL")
        ((version,),) = connection.execute("PRAGMA emulator.user_version").fetchall()
        if not version:
            # One transaction: a server killed in it starts again from nothing, not from half of the records.
            connection.execute("BEGIN")
            for statement in re.findall(r"CREATE TABLE[^;]+", database.EMULATOR_SCHEMA):
                connection.execute(statement)
            self._copy_from_duckdb(connection)
            connection.execute("PRAGMA emulator.user_version = 1")
            connection.execute("COMMIT")
        return connection

    def _copy_from_duckdb(self, connection: sqlite3.Connection) -> None:
        """Take over the records of a data folder that an older Lumbung made."""
        for name in re.findall(r"CREATE TABLE IF NOT EXISTS (emulator\.\w+)", database.EMULATOR_SCHEMA):
            with originals.open_cursor() as cursor:
                for row in cursor.execute(f"FROM {name}").fetchall():
                    connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)


RECORDS = Records()


def fetch(sql: str, params: list[Any] | None = None) -> list[Any]:
    """Return rows of the records or, for any other statement, of DuckDB. In place of `database.fetch`."""
    return RECORDS.run(sql, params) if RECORD_STATEMENT.match(sql) else originals.fetch(sql, params)


def execute(sql: str, params: list[Any] | None = None) -> None:
    """Change the records or, by any other statement, a table. In place of `database.execute`."""
    if RECORD_STATEMENT.match(sql):
        RECORDS.run(sql, params)
    else:
        with CACHE.changing(WRITTEN.table):
            originals.execute(sql, params)
