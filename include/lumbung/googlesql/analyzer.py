"""Analysing and evaluating SQL against a catalogue of tables."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from lumbung.googlesql import engine as engines
from lumbung.googlesql import options
from lumbung.googlesql.errors import GoogleSqlError
from lumbung.googlesql.kinds import SYNONYMS, type_name, type_proto
from lumbung.googlesql.values import python_value, value_proto

Columns = Sequence[tuple[str, str]]
"""Names and types, such as ("instruments", "ARRAY<STRING>")."""


@dataclass(frozen=True)
class Statement:
    """What GoogleSQL says of a statement.

    Attributes:
        columns: of a query: names and types of its result; a column without a name has the empty one.
        parameters: the query parameters that it refers to, in lower case.
        end: where it ends in the text, in bytes of UTF-8: the next statement of a script starts there.
    """

    columns: tuple[tuple[str, str], ...]
    parameters: frozenset[str]
    end: int


class Catalogue:
    """Tables that SQL may name, known to the engine until it is closed.

    Args:
        tables: each table's columns, by its path: `table`, `dataset.table` or `project.dataset.table`. SQL may put
            any of a path's parts, or all of it, into one pair of backticks.
        rows: rows of tables, each a dict by column, where SQL is evaluated; it then names a table by its whole path in
            one pair of backticks.

    Raises:
        MissingEngineError: the engine is not installed.
    """

    def __init__(
        self, tables: Mapping[str, Columns], rows: Mapping[str, Iterable[Mapping[str, Any]]] | None = None
    ) -> None:
        from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as messages
        from zetasql.wasi._pb2.zetasql.proto import simple_catalog_pb2

        self._engine, self._messages = engines.shared(), messages
        self._pools = messages.DescriptorPoolListProto()
        self._pools.definitions.add().builtin.SetInParent()
        root = simple_catalog_pb2.SimpleCatalogProto(name="catalogue")
        root.builtin_function_options.language_options.CopyFrom(analyzer_options().language_options)
        for synonym, name in SYNONYMS.items():
            if name == "INT64":  # GoogleSQL knows the others
                root.named_type.add(name=synonym).type.CopyFrom(type_proto(name))
        for path, columns in tables.items():
            _add_table(root, tuple(path.split(".")), columns)
        request = messages.RegisterCatalogRequest(simple_catalog=root, descriptor_pool_list=self._pools)
        for path, given in (rows or {}).items():
            data = request.table_content[path].table_data
            data.SetInParent()
            for row in given:
                data.row.add().cell.extend(value_proto(row.get(name), kind) for name, kind in tables[path])
        self._request, self._start = request, 0
        self._id: int = 0
        self._register()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the catalogue's memory back."""
        from google.protobuf import empty_pb2

        if self._start == self._engine.starts:
            request = self._messages.UnregisterRequest(registered_id=self._id)
            self._engine.call("UnregisterCatalog", request, empty_pb2.Empty)

    def _register(self) -> int:
        """The engine's number of this catalogue, which changes when the engine was started again."""
        if self._start != self._engine.starts:
            answer = self._engine.call("RegisterCatalog", self._request, self._messages.RegisterResponse)
            self._start, self._id = self._engine.starts, answer.registered_id
        return self._id

    def analyse(self, sql: str, parameters: Mapping[str, str] | None = None) -> Statement:
        """Analyse one statement.

        Args:
            sql: a query or any other statement; what follows it must be blank.
            parameters: the types of the query parameters, by name.

        Raises:
            GoogleSqlError: BigQuery would refuse it.
            NotJudgedError: BigQuery may take it; the engine cannot tell.
        """
        request = self._messages.AnalyzeRequest(sql_statement=sql)
        statement = self._analyse(request, parameters)
        return Statement(statement.columns, statement.parameters, len(sql.encode()))

    def script(self, sql: str, parameters: Mapping[str, str] | None = None) -> Iterator[Statement]:
        """Analyse the statements of a script that has no variables and no control flow, one after the other.

        Args:
            sql: statements, each with a semicolon at its end.
            parameters: as in `analyse`.

        Raises:
            GoogleSqlError: as `analyse`; its position is that in the whole text.
        """
        size, position = len(sql.encode()), 0
        while position < size:
            request = self._messages.AnalyzeRequest()
            request.parse_resume_location.input = sql
            request.parse_resume_location.byte_position = position
            statement = self._analyse(request, parameters)
            yield statement
            position = statement.end

    def evaluate(self, sql: str, parameters: Mapping[str, tuple[str, Any]] | None = None) -> tuple[Columns, list[Any]]:
        """Run a query over the rows of this catalogue.

        Args:
            sql: a query.
            parameters: type and value of each query parameter, by name.

        Returns:
            The columns of its result, and its rows: tuples in the order of the columns.

        Raises:
            GoogleSqlError: BigQuery would refuse it, or fail on these rows.
            UnimplementedError: the analyzer takes it, the reference implementation does not have it.
        """
        from google.protobuf import empty_pb2

        messages, parameters = self._messages, parameters or {}
        kinds = {name: kind for name, (kind, _) in parameters.items()}
        request = messages.PrepareQueryRequest(
            sql=sql, options=_with(kinds), registered_catalog_id=self._register(), descriptor_pool_list=self._pools
        )
        prepared = self._engine.call("PrepareQuery", request, messages.PrepareQueryResponse).prepared
        start = self._engine.starts
        try:
            columns = tuple((column.name, type_name(column.type)) for column in prepared.columns)
            _refuse_repeated(columns)
            evaluation = messages.EvaluateQueryRequest(prepared_query_id=prepared.prepared_query_id)
            for name, (kind, value) in parameters.items():
                evaluation.params.add(name=name).value.CopyFrom(value_proto(value, kind))
            result = self._engine.call("EvaluateQuery", evaluation, messages.EvaluateQueryResponse)
            rows = [
                tuple(python_value(cell, column.type) for cell, column in zip(row.cell, prepared.columns, strict=True))
                for row in result.content.table_data.row
            ]
        finally:
            if start == self._engine.starts:
                release = messages.UnprepareQueryRequest(prepared_query_id=prepared.prepared_query_id)
                self._engine.call("UnprepareQuery", release, empty_pb2.Empty)
        return columns, rows

    def _analyse(self, request: Any, parameters: Mapping[str, str] | None) -> Statement:
        request.options.CopyFrom(_with(parameters or {}))
        request.registered_catalog_id = self._register()
        request.descriptor_pool_list.CopyFrom(self._pools)
        answer = self._engine.call("Analyze", request, self._messages.AnalyzeResponse)
        statement = answer.resolved_statement
        columns: tuple[tuple[str, str], ...] = ()
        if statement.HasField("resolved_query_stmt_node"):
            columns = tuple(
                ("" if column.name.startswith("$") else column.name, type_name(column.column.type))
                for column in statement.resolved_query_stmt_node.output_column_list
            )
            _refuse_repeated(columns)
        # Without parameters there is nothing to look for: one that is not declared is refused.
        referenced = frozenset(_parameters(statement)) if parameters else frozenset()
        return Statement(columns, referenced, answer.resume_byte_position)


def tables(sql: str) -> set[tuple[str, ...]]:
    """The paths of the tables that a statement names, as it writes them; those of its own WITH clauses are none.

    Raises:
        GoogleSqlError: it is not GoogleSQL.
    """
    from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as messages

    request = messages.ExtractTableNamesFromStatementRequest(
        sql_statement=sql, options=analyzer_options().language_options
    )
    response = messages.ExtractTableNamesFromStatementResponse
    answer = engines.shared().call("ExtractTableNamesFromStatement", request, response)
    return {tuple(table.table_name_segment) for table in answer.table_name}


@functools.lru_cache(maxsize=1)
def analyzer_options() -> Any:
    """How SQL is analysed: BigQuery's dialect, times in UTC, errors with their position."""
    from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as messages
    from zetasql.wasi._pb2.zetasql.proto import options_pb2
    from zetasql.wasi._pb2.zetasql.public import options_pb2 as public

    call = engines.shared().call
    maximum = messages.LanguageOptionsRequest(maximum_features=True)
    language = call("GetLanguageOptions", maximum, options_pb2.LanguageOptionsProto)
    made = call("GetAnalyzerOptions", messages.AnalyzerOptionsRequest(), options_pb2.AnalyzerOptionsProto)
    made.language_options.CopyFrom(options.of_bigquery(language))
    made.default_timezone = "UTC"
    made.error_message_mode = public.ERROR_MESSAGE_ONE_LINE
    return made


def _with(parameters: Mapping[str, str]) -> Any:
    made = type(analyzer_options())()
    made.CopyFrom(analyzer_options())
    for name, kind in parameters.items():
        made.query_parameters.add(name=name).type.CopyFrom(type_proto(kind))
    return made


def _add_table(root: Any, path: tuple[str, ...], columns: Columns) -> None:
    """Add a table under every way to write its path: `a`.`b`, `a.b`.

    The engine looks each part up in a catalogue of its own, and what stands in one pair of backticks is one part.
    """
    for length in range(1, len(path) + 1):
        name, rest = ".".join(path[:length]), path[length:]
        if rest:
            inner = next((catalog for catalog in root.catalog if catalog.name == name), None)
            _add_table(inner or root.catalog.add(name=name), rest, columns)
        else:
            table = root.table.add(name=name)
            for column, kind in columns:
                table.column.add(name=column).type.CopyFrom(type_proto(kind))


def _refuse_repeated(columns: Columns) -> None:
    """Refuse two columns of one name: GoogleSQL has them, BigQuery's service does not."""
    counts = Counter(name.lower() for name, _ in columns if name)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise GoogleSqlError(f"Duplicate column names in the result are not supported. Found: {', '.join(repeated)}")


def _parameters(statement: Any) -> Iterator[str]:
    """The names of the query parameters inside a message of the engine, which may be deeper than Python's stack."""
    messages = [statement]
    while messages:
        message = messages.pop()
        if message.DESCRIPTOR.name == "ResolvedParameterProto":
            yield message.name
        for field, value in message.ListFields():
            if field.type == field.TYPE_MESSAGE:
                messages.extend(value if field.is_repeated else (value,))
