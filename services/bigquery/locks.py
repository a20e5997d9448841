"""Who may read and write the lake (DuckLake's tables), and transactions on it."""

import collections
import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from local_bigquery.catalog import tables

from bigquery import originals
from bigquery.cache import CACHE


class LakeLock:
    """Many threads may read the lake, or one may write it; a thread that holds the lock may take it again.

    A transaction of DuckLake points into the schema that was loaded when it began. If another thread loads the schema
    again, that memory is freed: the commit then fails on it, or the process dies (duckdb/ducklake issue 1248).
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers: collections.Counter[int] = collections.Counter()
        self._writer, self._waiting_writers = 0, 0

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock for reading.

        Waiting writers go first, or a stream of readers would keep them out. A thread that reads already does not
        wait: the writer waits for that thread.
        """
        thread = threading.get_ident()
        with self._changed:
            if self._writer != thread and thread not in self._readers:
                self._changed.wait_for(lambda: not (self._writer or self._waiting_writers))
            self._readers[thread] += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers[thread] -= 1
                if not self._readers[thread]:
                    del self._readers[thread]
                self._changed.notify_all()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock alone.

        A thread that reads and now wants to write gives its reads up until it has written: two such threads would
        otherwise wait for each other for ever.
        """
        thread = threading.get_ident()
        if self._writer == thread:
            yield
            return
        with self._changed:
            reads = self._readers.pop(thread, 0)
            self._waiting_writers += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._writer or self._readers))
            self._waiting_writers -= 1
            self._writer = thread
        try:
            yield
        finally:
            with self._changed:
                self._writer = 0
                self._readers.update({thread: reads} if reads else {})
                self._changed.notify_all()


class Written(threading.local):
    """The table that the current thread writes; empty where it writes none, or where it may write any."""

    table = ""


LAKE, WRITTEN = LakeLock(), Written()


@contextlib.contextmanager
def write_lake(table: str = "") -> Iterator[None]:
    """Hold the lake for writing, and drop what the cache holds of the table.

    Args:
        table: its name without project and data set; empty: any table may be written.
    """
    with LAKE.writing():
        outer_table, WRITTEN.table = WRITTEN.table, table
        try:
            yield
        finally:
            WRITTEN.table = outer_table
            CACHE.invalidate(table)


@contextlib.contextmanager
def writing(*table: str) -> Iterator[None]:
    """Let only this thread write, and none read, the lake that a table is in. In place of `database.writing`.

    Results of queries lie outside the lake; each of those tables has local-bigquery's own lock.
    """
    with originals.lock_table(*table) if tables.RESULTS in table else write_lake(table[-1]):
        yield


@contextlib.contextmanager
def reading_cursor() -> Iterator[Any]:
    """Open a cursor that may read the lake. In place of `database.cursor`."""
    with LAKE.reading(), originals.open_cursor() as cursor:
        yield cursor


@contextlib.contextmanager
def transaction(cursor: Any) -> Iterator[None]:
    """Commit, or roll back on any error."""
    cursor.execute("BEGIN")
    try:
        yield
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")  # DuckDB rolls back a commit that fails


def locked(function: Callable[..., Any], lock: Callable[[], AbstractContextManager[Any]]) -> Callable[..., Any]:
    """Wrap a function so that each call holds a lock.

    Args:
        function: what to call.
        lock: returns the lock, or another context manager, to enter for one call.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with lock():
            return function(*args, **kwargs)

    return call
