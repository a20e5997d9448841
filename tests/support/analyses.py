"""What Google's engine said of SQL before, so that tests that change one file do not have all others analysed again."""

from collections.abc import Mapping
from typing import Any, Self

from lumbung.googlesql.analyzer import Catalogue, Columns, Statement
from lumbung.googlesql.errors import GoogleSqlError

SAID: dict[Any, Statement | GoogleSqlError] = {}


class RememberingCatalogue:
    """A `Catalogue` that asks the engine once about each statement and its tables."""

    def __init__(self, tables: Mapping[str, Columns]) -> None:
        self._tables, self._catalogue = tables, None
        self._key = str(sorted(tables.items()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._catalogue:
            self._catalogue.close()

    def analyse(self, sql: str, parameters: Mapping[str, str] | None = None) -> Statement:
        key = (self._key, sql, str(parameters))
        if key not in SAID:
            self._catalogue = self._catalogue or Catalogue(self._tables)
            try:
                SAID[key] = self._catalogue.analyse(sql, parameters)
            except GoogleSqlError as refusal:
                SAID[key] = refusal
        said = SAID[key]
        if isinstance(said, GoogleSqlError):
            raise said
        return said
