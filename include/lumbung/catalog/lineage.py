"""Where the columns of each table come from, read out of its query by sqlglot, column by column.

A column's origins are the columns that its value is made of, through WITH clauses, unions, sub-queries, STRUCTs and
UNNEST; the tables whose rows it counts; and the conditions of its query, which choose and group the rows of all
columns. A part that sqlglot cannot assign to a table is kept as text in `untraced`: nothing is guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from lumbung.catalog.contract import Catalog, Contract
from lumbung.core.errors import first_line

if TYPE_CHECKING:  # sqlglot takes long to import
    from sqlglot import exp
    from sqlglot.optimizer import Scope


@dataclass(frozen=True, order=True)
class ColumnAddress:
    """A column of a table; as text `<dataset>.<table>.<column>`."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True)
class Origins:
    """What a value is made of.

    Attributes:
        columns: the columns of other tables that it is computed from.
        counted: the tables whose rows it counts.
        untraced: parts of the query that could not be assigned to a column.
    """

    columns: frozenset[ColumnAddress] = frozenset()
    counted: frozenset[str] = frozenset()
    untraced: frozenset[str] = frozenset()

    def __or__(self, other: Origins) -> Origins:
        return Origins(self.columns | other.columns, self.counted | other.counted, self.untraced | other.untraced)

    @property
    def tables(self) -> set[str]:
        """The tables that it comes from."""
        return {column.table for column in self.columns} | self.counted


@dataclass(frozen=True)
class ColumnLineage:
    """Where a column comes from.

    Attributes:
        origins: what it is made of; none of a column that the query itself lists, or that the program writes.
        expression: the GoogleSQL that makes it, where it is more than a column's name.
        copied: whether it has the values of its one origin, unchanged.
        field: of a source's column, what the source calls it.
    """

    origins: Origins = Origins()
    expression: str | None = None
    copied: bool = False
    field: str | None = None


@dataclass(frozen=True)
class TableLineage:
    """Where a table comes from.

    Attributes:
        columns: of each column, in the contract's order.
        conditions: the columns that choose, join or group the rows of all columns.
        source: what people call its source; None: it has none.
    """

    columns: Mapping[str, ColumnLineage]
    conditions: Origins = Origins()
    source: str | None = None

    @property
    def origins(self) -> Origins:
        """Those of all its columns and conditions."""
        return reduce(or_, (column.origins for column in self.columns.values()), self.conditions)


def of_catalog(catalog: Catalog) -> dict[str, TableLineage]:
    """The lineage of every table, by address."""
    return {address: trace(contract, catalog.contracts) for address, contract in catalog.contracts.items()}


def readers(lineages: Mapping[str, TableLineage]) -> dict[ColumnAddress, list[ColumnAddress]]:
    """The columns that are made of each column, the other way round."""
    made: defaultdict[ColumnAddress, list[ColumnAddress]] = defaultdict(list)
    for table, lineage in lineages.items():
        for name, column in lineage.columns.items():
            for origin in column.origins.columns:
                made[origin].append(ColumnAddress(table, name))
    return {origin: sorted(columns) for origin, columns in made.items()}


def trace(contract: Contract, contracts: Mapping[str, Contract]) -> TableLineage:
    """Where each column of a table comes from.

    Args:
        contract: the table; its query, if there is one, can be read (`query.build_order`).
        contracts: all contracts, by address.
    """
    if not contract.sql_path.exists():
        taken = contract.business_columns if contract.source else []
        fields = {column.name: column.source_name for column in taken}
        columns = {column.name: ColumnLineage(field=fields.get(column.name)) for column in contract.columns}
        return TableLineage(columns, source=contract.source.label if contract.source else None)
    from sqlglot.errors import SqlglotError

    try:
        return _of_query(contract, contracts)
    except SqlglotError as error:
        untraced = Origins(untraced=frozenset({f"the query: {first_line(error)}"}))
        return TableLineage({column.name: ColumnLineage(untraced) for column in contract.columns}, untraced)


def _of_query(contract: Contract, contracts: Mapping[str, Contract]) -> TableLineage:
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer import build_scope
    from sqlglot.optimizer.qualify import qualify

    schema: defaultdict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for known in contracts.values():
        schema[known.dataset][known.table] = {column.name: column.type for column in known.columns}
    text = contract.sql_path.read_text()
    written = sqlglot.parse_one(text, dialect="bigquery")
    assert isinstance(written, exp.Query)
    expressions = _written(text, written)
    qualified = qualify(
        written, dialect="bigquery", schema=dict(schema), identify=False, validate_qualify_columns=False
    )
    root = build_scope(qualified)
    assert root  # it is a query
    tracer = _Tracer(contracts)
    columns = {}
    for position, column in enumerate(contract.columns):
        origins = tracer.output(root, position)
        copied = tracer.is_copied(root, position) and len(origins.columns) == 1
        columns[column.name] = ColumnLineage(origins, expressions[position], copied)
    return TableLineage(columns, tracer.conditions(root))


def _written(text: str, query: exp.Query) -> list[str | None]:
    """What each column is selected as, as the file has it, without its alias; None: a column as it is."""
    import sqlglot
    from sqlglot import exp

    parts: list[list[sqlglot.Token]] = []
    depth = 0
    for token in sqlglot.tokenize(text, dialect="bigquery"):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        kind = token.token_type.name if depth == 0 else ""
        if kind == "SELECT" or (parts and kind == "COMMA"):
            parts.append([])
        elif parts and kind == "FROM":
            break
        elif parts and kind != "DISTINCT":
            parts[-1].append(token)
    if len(parts) != len(query.selects):  # the first SELECT is in parentheses
        parts = [[]] * len(query.selects)
    expressions: list[str | None] = []
    for selected, tokens in zip(query.selects, parts, strict=True):
        made = selected.unalias()
        if isinstance(made, exp.Column) or not tokens:
            expressions.append(None if isinstance(made, exp.Column) else made.sql(dialect="bigquery"))
            continue
        alias = 0
        if isinstance(selected, exp.Alias):
            alias = 2 if tokens[-2].token_type.name == "ALIAS" else 1
        expressions.append(text[tokens[0].start : tokens[len(tokens) - alias - 1].end + 1])
    return expressions


class _Tracer:
    """Follows names through the scopes of one qualified query."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        # Qualified names of columns are in lower case.
        self.columns = {
            address: {column.name.lower(): column.name for column in contract.columns}
            for address, contract in contracts.items()
        }
        self.outputs: dict[tuple[int, int, str], Origins] = {}

    def output(self, scope: Scope, position: int, field: str = "") -> Origins:
        """The origins of what a scope selects at a position; `field`: of one field of that STRUCT."""
        key = id(scope), position, field
        if key not in self.outputs:
            self.outputs[key] = Origins()  # a recursive query adds nothing to itself
            self.outputs[key] = self._output(scope, position, field)
        return self.outputs[key]

    def _output(self, scope: Scope, position: int, field: str) -> Origins:

        if scope.set_operation_scopes:
            return reduce(or_, (self.output(part, position, field) for part in scope.set_operation_scopes))
        selects = _selects(scope)
        if position < len(selects) and not selects[position].is_star:
            return self._made_of(selects[position].unalias(), scope, field)
        return _untraced(scope.expression)

    def is_copied(self, scope: Scope, position: int) -> bool:
        """Whether the values of a table's column go on unchanged."""
        from sqlglot import exp

        if scope.set_operation_scopes:
            return all(self.is_copied(part, position) for part in scope.set_operation_scopes)
        selected = _selects(scope)[position].unalias()
        if not isinstance(selected, exp.Column):
            return False
        source = _source(selected, scope)
        if isinstance(source, exp.Table):
            return True
        position = _position(source, selected.name) if source else -1
        return source is not None and position >= 0 and self.is_copied(source, position)

    def conditions(self, root: Scope) -> Origins:
        """The origins of all that chooses, joins and groups rows, in any of the query's scopes."""
        from sqlglot import exp

        origins = Origins()
        for scope in root.traverse():
            select = scope.expression
            if not isinstance(select, exp.Select):
                continue
            clauses = [select.args.get(name) for name in ("where", "group", "having", "qualify")]
            clauses += [join.args.get("on") for join in select.args.get("joins") or []]
            if select.args.get("limit"):
                clauses.append(select.args.get("order"))
            for clause in filter(None, clauses):
                origins |= self._made_of(clause, scope)
            for _, source in scope.selected_sources.values():
                if isinstance(source, exp.Table) or not isinstance(source.expression, exp.UDTF):
                    continue
                for array in source.expression.expressions:
                    if not isinstance(array, exp.Array):  # a row for each element: the array says how many
                        origins |= self._made_of(array, source)
        return replace(origins, counted=frozenset())

    def _made_of(self, expression: exp.Expr, scope: Scope, field: str = "") -> Origins:
        """The origins of an expression of a scope, or of one field of the STRUCT that it is."""
        from sqlglot import exp
        from sqlglot.optimizer import walk_in_scope

        if isinstance(expression, exp.Dot) and isinstance(expression.expression, exp.Identifier) and not field:
            return self._made_of(expression.this, scope, expression.name.lower())
        if field and (chosen := _field(expression, field)) is not None:
            return self._made_of(chosen, scope)
        if isinstance(expression, exp.Column):
            return self._named(expression, scope, field)
        origins = Origins()
        inner = {id(sub.expression): sub for sub in scope.subquery_scopes}
        dots = set()
        for node in walk_in_scope(expression):
            if isinstance(node, exp.Dot) and isinstance(node.this, exp.Column):
                origins |= self._made_of(node, scope)
                dots.add(id(node.this))
            elif isinstance(node, exp.Column) and id(node) not in dots and node is not expression:
                origins |= self._named(node, scope)
            elif isinstance(node, exp.TableColumn):  # a whole row
                origins |= self._row(node, scope)
            elif isinstance(node, exp.Query) and id(node) in inner and node is not expression:
                origins |= self._of_subquery(inner[id(node)], exists=isinstance(node.parent, exp.Exists))
            elif _counts_rows(node):
                origins |= Origins(counted=frozenset(_tables(scope)))
        return origins

    def _of_subquery(self, scope: Scope, *, exists: bool) -> Origins:
        """The origins of a sub-query's value: of what it selects, and of what chooses its rows."""
        origins = self.conditions(scope)
        for position in range(len(_selects(scope))):
            origins |= self.output(scope, position)
        return origins | Origins(counted=frozenset(_tables(scope))) if exists else origins

    def _named(self, column: exp.Column, scope: Scope, field: str = "") -> Origins:
        from sqlglot import exp

        source = _source(column, scope)
        if isinstance(source, exp.Table):
            address = f"{source.db}.{source.name}"
            name = self.columns.get(address, {}).get(column.name.lower())
            return Origins(frozenset({ColumnAddress(address, name)})) if name else _untraced(column)
        if source is None:
            return _untraced(column)
        if isinstance(source.expression, exp.UDTF):
            # An element of an array: a field of its STRUCTs has that field's origins.
            return reduce(
                or_,
                (self._made_of(part, source, field or column.name.lower()) for part in source.expression.expressions),
                Origins(),
            )
        position = _position(source, column.name)
        return self.output(source, position, field) if position >= 0 else _untraced(column)

    def _row(self, row: exp.TableColumn, scope: Scope) -> Origins:
        from sqlglot import exp

        source = _source(exp.column("row", table=row.name), scope)
        if isinstance(source, exp.Table):
            address = f"{source.db}.{source.name}"
            return Origins(frozenset(ColumnAddress(address, name) for name in self.columns[address].values()))
        if source is None or not isinstance(source.expression, exp.Query):
            return _untraced(row)
        return reduce(or_, (self.output(source, position) for position in range(len(_selects(source)))), Origins())


def _source(column: exp.Column, scope: Scope | None) -> exp.Table | Scope | None:
    """What a column's table stands for, in its own scope or in one around it; None: it is not known."""
    while scope is not None and column.table:
        if source := scope.sources.get(column.table):
            from sqlglot import exp

            is_pivoted = isinstance(source, exp.Table) and source.args.get("pivots")
            return None if is_pivoted else source
        scope = scope.parent
    return None


def _selects(scope: Scope) -> list[exp.Expr]:
    """What a scope selects; nothing where it is not a query."""
    from sqlglot import exp

    return scope.expression.selects if isinstance(scope.expression, exp.Query) else []


def _position(scope: Scope, name: str) -> int:
    names = [selected.alias_or_name.lower() for selected in _selects(scope)]
    return names.index(name.lower()) if name.lower() in names else -1


def _field(expression: exp.Expr, field: str) -> exp.Expr | None:
    """One field of a STRUCT that the query makes, or of all STRUCTs of an array; None: it is not one."""
    from sqlglot import exp

    if isinstance(expression, exp.ArrayAgg):
        return _field(expression.this, field)
    if isinstance(expression, exp.Array) and expression.expressions:
        # The first STRUCT names the fields of all; the others may leave the names out.
        first = expression.expressions[0]
        names = [part.alias_or_name.lower() for part in first.expressions] if isinstance(first, exp.Struct) else []
        structs = [each for each in expression.expressions if isinstance(each, exp.Struct)]
        if field in names and len(structs) == len(expression.expressions):
            return exp.Array(expressions=[_value(each.expressions[names.index(field)]) for each in structs])
    if isinstance(expression, exp.Struct):
        for part in expression.expressions:
            if part.alias_or_name.lower() == field:
                return _value(part)
    return None


def _value(part: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    return (part.expression if isinstance(part, exp.PropertyEQ) else part.unalias()).copy()


def _counts_rows(node: exp.Expr) -> bool:
    """Whether it is an aggregation, or a number of a row, that looks at no column, such as COUNT(*)."""
    from sqlglot import exp

    if not isinstance(node, (exp.AggFunc, exp.RowNumber)) or node.find(exp.Column):
        return False
    return not (isinstance(node.parent, exp.Window) and node.parent.find(exp.Column))


def _tables(scope: Scope, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """The tables whose rows a scope reads, through the queries that it names."""
    from sqlglot import exp

    for part in scope.set_operation_scopes or []:
        yield from _tables(part, seen | {id(scope)})
    for _, source in scope.selected_sources.values():
        if isinstance(source, exp.Table):
            yield f"{source.db}.{source.name}"
        elif id(source) not in seen:
            yield from _tables(source, seen | {id(scope)})


def _untraced(expression: exp.Expr) -> Origins:
    return Origins(untraced=frozenset({expression.sql(dialect="bigquery", comments=False)}))
