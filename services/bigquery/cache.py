"""What was read about tables (kind, columns, row count), kept until a table is written.

local-bigquery asks for it several times a job, and each answer takes DuckDB some milliseconds.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from local_bigquery.catalog import tables


class Cache:
    """Answers of functions, by function and arguments."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[Callable[..., Any], tuple[Any, ...]], Any] = {}
        self._generation = 0

    def invalidate(self, table: str = "") -> None:
        """Drop the answers about one table, or about all.

        Args:
            table: its name without project and data set; empty: all tables. Every answer whose arguments contain the
                name is dropped, even as part of a longer name: some are read again needlessly, but none is stale.
        """
        with self._lock:
            self._answers = {
                (function, args): answer
                for (function, args), answer in self._answers.items()
                if table and not any(table.casefold() in arg.casefold() for arg in args)
            }
            self._generation += 1

    def cached(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function whose arguments are strings that name the table; callers must not change its answer."""

        @functools.wraps(function)
        def call(*args: Any) -> Any:
            # Results of queries are saved without the lake's lock, so nothing invalidates what was read about them.
            if any(tables.RESULTS in arg for arg in args):
                return function(*args)
            key = (function, args)
            with self._lock:
                if key in self._answers:
                    return self._answers[key]
                generation = self._generation
            answer = function(*args)
            with self._lock:
                # A table written in between may have made the answer stale: then it is returned, but not kept.
                if generation == self._generation:
                    self._answers[key] = answer
            return answer

        return call

    @contextlib.contextmanager
    def changing(self, table: str = "") -> Iterator[None]:
        """Drop the answers about a table, or about all, before a change and again after it.

        Before, so that the change itself reads afresh; after, as an answer read meanwhile may be of either state.
        """
        self.invalidate(table)
        try:
            yield
        finally:
            self.invalidate(table)


CACHE = Cache()
