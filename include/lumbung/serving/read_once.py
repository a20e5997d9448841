"""The warehouse as one command reads it: a query that was answered is not asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lumbung.storage.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from google.auth.credentials import Credentials

    from lumbung.core.settings import Settings


class ReadOnce(Warehouse):
    """Remembers what queries without parameters gave.

    The answers that a run prints and its report page ask most of the same: so they show one state, by half of the jobs.
    """

    def __init__(self, settings: Settings, credentials: Callable[[], Credentials] | None = None) -> None:
        super().__init__(settings, credentials)
        self._results: dict[str, pa.Table] = {}

    def rows(self, sql: str, *args: Any, **options: Any) -> pa.Table:
        """A query's result; the same one as before where it was asked in the same words, without parameters."""
        if args or options:
            return super().rows(sql, *args, **options)
        if sql not in self._results:
            self._results[sql] = super().rows(sql)
        return self._results[sql]
