"""Queries are analysed by Google's own engine before they run: what it refuses is refused, and results have its types.

A query that the engine cannot judge runs as it is: one that names what only BigQuery's service has (INFORMATION_SCHEMA,
routines, some functions), or a temporary table. So do scripts and all that is not a query.
"""

import contextlib
import itertools
import re
import threading
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import duckdb
import sqlglot
from local_bigquery.catalog import tables
from local_bigquery.engine.database import quote
from local_bigquery.engine.types import TO_DUCKDB, bigquery_type
from local_bigquery.errors import BigQueryError
from sqlglot import exp

from bigquery import originals
from bigquery.kept_analyses import KeptAnalyses
from bigquery.nameless import nameless
from lumbung.googlesql import analyzer
from lumbung.googlesql.errors import GoogleSqlError, MissingEngineError, NotJudgedError

Columns = tuple[tuple[str, str], ...]

QUERY = re.compile(
    r"(?:\s|\(|--[^\n]*+\n|\#[^\n]*+\n|/\*(?:(?!\*/).)*+\*/)*+(?:SELECT|WITH|FROM)\b", re.IGNORECASE | re.DOTALL
)
# Columns and variables that BigQuery's service adds to those of GoogleSQL.
OF_THE_SERVICE = re.compile(
    r"(?:Unrecognized name: |Name )`?(?:@@|_PARTITIONTIME|_PARTITIONDATE|_TABLE_SUFFIX|_FILE_NAME)", re.IGNORECASE
)
# Types that DuckDB casts to as BigQuery coerces; a result of another type keeps the one it has.
COERCED = {"STRING", "INT64", "FLOAT64", "NUMERIC", "BOOL", "DATE", "TIME", "DATETIME", "TIMESTAMP", "JSON"}
BYTES_LITERAL = re.compile(r"""\b(b|rb|br)['"]""", re.IGNORECASE)  # or a text that ends in these letters

NAMES_MATTER = "names matter"


class NotAnalysedError(Exception):
    """The engine cannot judge a query."""


class Analysis:
    """Google's engine, started with the first query; one query at a time is analysed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_on = True
        self._kept = KeptAnalyses()
        self._tables: dict[str, Columns] = {}
        self._catalogue: analyzer.Catalogue | None = None  # of these tables

    def columns(self, config: Any, context: Any, statements: Sequence[Any]) -> Columns | None:
        """Return the names and types of a query's result; None: it was not analysed.

        Args:
            config: the job's configuration.
            context: the names that the query is read with.
            statements: the job's statements.

        Raises:
            BigQueryError: the query is refused.
        """
        sql = config.query or ""
        is_query = len(statements) == 1 and statements[0].kind == "SQL" and QUERY.match(sql)
        if not (self.is_on and is_query) or context.variables:
            return None
        try:
            parameters = tuple(parameter_types(config.queryParameters or []))
            with self._lock:
                question, paths = self._asked(sql)
                known = {path: table_columns(path, context) for path in paths.values()}
                about = [question, parameters, {stand_in: known[path] for stand_in, path in paths.items()}]
                if (columns := self._kept.get("columns", *about)) is None:
                    columns = self._analyse(sql, parameters, known)
                    self._kept.put(columns, "columns", *about)
                return tuple((name, kind) for name, kind in columns)
        except (NotAnalysedError, NotJudgedError):
            return None
        except (MissingEngineError, metadata.PackageNotFoundError):
            self.is_on = False
            return None
        except GoogleSqlError as error:
            if OF_THE_SERVICE.match(error.message):
                return None
            place = f" at [{error.line}:{error.column}]" if error.line else ""
            raise BigQueryError("invalidQuery", f"{error.message}{place}") from error

    def _asked(self, sql: str) -> tuple[str, dict[str, str]]:
        """The query as its answers are kept, and the paths of its tables by how they are written in that.

        Without the names of its tables, unless one of these is not a table's.
        """
        question, names = nameless(sql)
        if (kept := self._kept.get("tables", question)) is None:
            stand_ins = {name: stand_in for stand_in, name in names.items()}
            found = {".".join(path) for path in analyzer.tables(sql)}
            kept = sorted(stand_ins.get(path, path) for path in found) if found >= stand_ins.keys() else NAMES_MATTER
            self._kept.put(kept, "tables", question)
        if kept != NAMES_MATTER:
            return question, {path: names.get(path, path) for path in kept}
        if (paths := self._kept.get("tables", NAMES_MATTER, sql)) is None:
            paths = sorted(".".join(path) for path in analyzer.tables(sql))
            self._kept.put(paths, "tables", NAMES_MATTER, sql)
        return sql, {path: path for path in paths}

    def _analyse(self, sql: str, parameters: Columns, known: dict[str, Columns]) -> Columns:
        if self._catalogue is None or self._tables != known:  # a new one takes 10 ms
            if len({path.casefold() for path in known}) < len(known):  # to the engine they are the same
                raise NotAnalysedError
            catalogue = analyzer.Catalogue(known)
            if self._catalogue:
                self._catalogue.close()
            self._catalogue, self._tables = catalogue, known
        return self._catalogue.analyse(sql, dict(parameters)).columns


ANALYSIS = Analysis()


def table_columns(path: str, context: Any) -> Columns:
    """Return a table's columns.

    Args:
        path: the table as the query names it.
        context: the names that the query is read with.

    Raises:
        NotAnalysedError: the table is temporary or does not exist; in that case the query itself says so.
    """
    parts = path.split(".")
    if len(parts) > 3 or (len(parts) == 1 and (not context.dataset_id or path.casefold() in context.temporary)):
        raise NotAnalysedError
    project, dataset, table = [context.project_id, context.dataset_id][: 3 - len(parts)] + parts
    with contextlib.suppress(BigQueryError, duckdb.Error):
        if fields := tables.columns(project, dataset, table):
            return tuple((field.name, bigquery_type(field)) for field in fields)
    raise NotAnalysedError


def parameter_types(parameters: Sequence[Any]) -> list[tuple[str, str]]:
    """Return the names and types of a job's query parameters.

    Raises:
        NotAnalysedError: they have no names.
    """
    if not all(parameter.name for parameter in parameters):
        raise NotAnalysedError
    return [(parameter.name, _type_text(parameter.parameterType)) for parameter in parameters]


def _type_text(kind: Any) -> str:
    match (kind.type or "").upper():
        case "ARRAY":
            return f"ARRAY<{_type_text(kind.arrayType)}>"
        case "STRUCT":
            members = (f"{member.name or ''} {_type_text(member.type)}".strip() for member in kind.structTypes)
            return f"STRUCT<{', '.join(members)}>"
        case "RANGE":
            return f"RANGE<{_type_text(kind.rangeElementType)}>"
        case name:
            return {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}.get(name, name)


def has_bytes_beyond_ascii(sql: str) -> bool:
    """Return whether a literal of BYTES is written with other characters, which DuckDB would take for code points."""
    return bool(BYTES_LITERAL.search(sql)) and any(
        token.token_type.name == "BYTE_STRING" and not sql[token.start : token.end + 1].isascii()
        for token in sqlglot.tokenize(sql, dialect="bigquery")
    )


def run_statements(
    cursor: Any,
    project: str,
    job: str | None,
    config: Any,
    dry_run: bool,
    isolated: bool,
    context: Any,
    statements: Sequence[Any],
) -> Any:
    """Run a job's statements, its query once it is analysed. In place of `query._execute`, whose arguments it takes."""
    if has_bytes_beyond_ascii(config.query or ""):
        raise BigQueryError("invalidQuery", "A BYTES literal with characters beyond ASCII is not supported locally")
    context.result_columns = ANALYSIS.columns(config, context, statements)
    return originals.run_statements(cursor, project, job, config, dry_run, isolated, context, statements)


def translate(tree: exp.Expression, context: Any) -> tuple[str, dict[str, Any]]:
    """Translate a statement to DuckDB's SQL; the result of a query that was analysed has the names and types found.

    In place of `query.translate`.
    """
    sql, values = originals.translate(tree, context)
    if isinstance(tree, exp.Query) and (columns := getattr(context, "result_columns", None)):
        sql = coerced(sql, columns)
    return sql, values


def coerced(sql: str, columns: Columns) -> str:
    """Return DuckDB's SQL of a query whose columns have other names and types.

    Args:
        sql: DuckDB's SQL of the query.
        columns: the names and types, as GoogleSQL writes them; an empty name: as the query has it.
    """
    unnamed = itertools.count()  # BigQuery names them f0_ and on
    columns = tuple((name or f"f{next(unnamed)}_", kind) for name, kind in columns)
    places = [f"c{position}" for position in range(len(columns))]
    casts = ", ".join(
        f"{cast(place, kind)} AS {quote(name)}" for place, (name, kind) in zip(places, columns, strict=True)
    )
    return f"SELECT {casts} FROM ({sql}) AS result({', '.join(places)})"


def cast(place: str, kind: str) -> str:
    """Return DuckDB's expression that casts a column to a type of GoogleSQL, or the column itself."""
    element = kind.removeprefix("ARRAY<").removesuffix(">") if kind.startswith("ARRAY<") else kind
    if element not in COERCED:
        return place
    return f"CAST({place} AS {TO_DUCKDB[element]}{'[]' if element != kind else ''})"
