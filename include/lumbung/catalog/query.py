"""What the tables' queries read, in which order they are built, and how they are rendered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache, lru_cache
from graphlib import CycleError, TopologicalSorter
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from lumbung.catalog.contract import Catalog, Contract
from lumbung.core.errors import LumbungError, UnparsableError, first_line

if TYPE_CHECKING:  # sqlglot takes long to import: who only names checks does without
    from sqlglot import exp

Names = Callable[[str], str]
"""From a table's address to the full name it has in this run, `project.dataset.table`."""

LAYERS = {"dwh": ("staging", "dwh"), "datamart": ("dwh",)}
"""Which data sets the queries of a data set may read."""

SNAPSHOT_DATE = "snapshot_date"
"""The query parameter of a snapshot's day, and the staging column it selects a partition by."""


def upstreams(contract: Contract) -> set[str]:
    """The addresses of the tables a contract's query reads.

    Raises:
        LumbungError: the file is not exactly one SELECT, or names a table otherwise than `<dataset>.<table>`.
    """
    return {_address(table) for table in _tables(contract)}


def selection(contract: Contract) -> str | None:
    """The condition by which a query selects the partitions of a table that a run is about; None: there is none."""
    if contract.incremental:
        return f"{contract.partition} IN UNNEST(@{contract.days_parameter})"
    return f"{SNAPSHOT_DATE} = @{SNAPSHOT_DATE}" if contract.partition == SNAPSHOT_DATE else None


def tables(catalog: Catalog, system: str) -> list[Contract]:
    """The system's tables that are made by a query, each after all that its query and its checks look at.

    Raises:
        LumbungError: as `build_order`.
    """
    return [contract for contract in build_order(catalog.contracts.values()) if contract.system == system]


def dependencies(contract: Contract) -> set[str]:
    """The tables that must be built before this one is built and audited: those its query or its checks look at.

    Raises:
        LumbungError: as `upstreams`.
    """
    compared = {table for check in contract.checks for table in check.other_tables}
    return upstreams(contract) | (compared - {contract.address})


def build_order(contracts: Iterable[Contract]) -> list[Contract]:
    """The contracts that have a query, each after all that its query and its checks look at.

    Args:
        contracts: every contract of the folder, of all systems; those without a query are sources.

    Raises:
        LumbungError: a circle, a query without a contract, a table without one, a layer passed over, columns other
            than the contract's, or a query whose result would depend on when it is run. The message names the file.
    """
    contracts = tuple(contracts)
    roots = sorted({contract.path.parents[1] for contract in contracts})
    queries = ((path, path.read_bytes()) for root in roots for path in sorted(root.glob("*/*.sql")))
    return list(_build_order(contracts, tuple(queries)))


@lru_cache(maxsize=8)  # a task is forked from a process that has examined the same files
def _build_order(
    contracts: tuple[Contract, ...],
    queries: tuple[tuple[Path, bytes], ...],  # noqa: ARG001 - what is read depends on them
) -> list[Contract]:
    order, faults = examine(contracts)
    for fault in faults:
        raise fault
    return order


def examine(
    contracts: Iterable[Contract], unreadable: Collection[str] = ()
) -> tuple[list[Contract], list[LumbungError]]:
    """The contracts that have a query, in the order they are built, and everything that is wrong with the queries.

    Args:
        contracts: every contract of the folder, of all systems; those without a query are sources.
        unreadable: addresses whose contracts cannot be read; nothing is said about what reads those tables.

    Returns:
        The order, without the queries that cannot be read (empty where there is a circle), and the faults.
    """
    known = {contract.address: contract for contract in sorted(contracts, key=attrgetter("address"))}
    faults = []
    for root in sorted({contract.path.parents[1] for contract in known.values()}):
        faults += [
            LumbungError("a query without a contract", where=str(path), remedy=f"add {path.stem}.yaml to it")
            for path in sorted(root.glob("*/*.sql"))
            if f"{path.parent.name}.{path.stem}" not in {*known, *unreadable}
        ]
    queries = {address: contract for address, contract in known.items() if contract.sql_path.exists()}
    graph = {}
    for contract in queries.values():
        try:
            graph[contract.address] = sorted(dependencies(contract) & queries.keys())
        except LumbungError as fault:
            faults.append(fault)
        else:
            faults += _misplaced(contract, known, queries, unreadable)
    order = []
    try:
        order = [queries[address] for address in TopologicalSorter(graph).static_order() if address in graph]
    except CycleError as error:
        circle = error.args[1]
        faults.append(
            LumbungError(
                f"tables need each other in a circle: {' -> '.join(circle)}",
                where=str(queries[circle[0]].sql_path),
                remedy="take one reference or check out of the circle",
            )
        )
    return order, [*faults, *_moving_past(order)]


def render(contract: Contract, names: Names) -> str:
    """The query with each table under the name it has in this run; all else stays as it is in the file.

    A table without an alias gets its own name as one, so that columns written `table.column` go on to be found.

    Args:
        contract: the table the query makes.
        names: gives each address its full name, `project.dataset.table`.

    Raises:
        LumbungError: as `upstreams`.
    """
    text = contract.sql_path.read_text()
    tables = _tables(contract)
    # From the end on, so that the positions before stay right.
    for table in sorted(tables, key=lambda table: _span(table)[0], reverse=True):
        start, end = _span(table)
        alias = "" if table.alias else f" AS `{table.name}`"
        text = f"{text[:start]}{quoted(names(_address(table)))}{alias}{text[end:]}"
    return text


def with_other_days(contract: Contract, query: str, published: str) -> str:
    """A rendered query of an incremental table, and all other days as they are published.

    Args:
        contract: the table.
        query: gives the days in its `days_parameter`.
        published: the full name of the table that has the others.
    """
    columns = ", ".join(quoted(column.name) for column in contract.columns)
    changed = query.rstrip().rstrip(";")
    return (
        f"SELECT {columns} FROM (\n{changed}\n)\nUNION ALL\nSELECT {columns} FROM {quoted(published)}"
        f" WHERE {quoted(contract.partition or '')} NOT IN UNNEST(@{contract.days_parameter})"
    )


@cache  # parsing is most of what a DAG file costs each task, and every query is asked for several times
def _parsed(text: str) -> list[exp.Expr]:
    import sqlglot

    return [statement for statement in sqlglot.parse(text, dialect="bigquery") if statement]


@cache
def _query(text: str) -> exp.Query | None:
    """The one SELECT that the text is; None if it is anything else."""
    from sqlglot import exp

    statements = _parsed(text)
    if len(statements) != 1 or not isinstance(query := statements[0], exp.Query) or query.find(exp.DML, exp.DDL):
        return None
    return query


@cache
def _named(text: str) -> list[exp.Table]:
    """The tables that the one SELECT names; those of its own WITH clauses are none."""
    from sqlglot import exp

    query = _query(text)
    assert query
    ctes = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    tables = query.find_all(exp.Table)
    return [table for table in tables if not (len(table.parts) == 1 and table.name.lower() in ctes)]


def unparsable(sql: str) -> str | None:
    """Why a text is not GoogleSQL; None: it is."""
    from sqlglot.errors import SqlglotError

    try:
        _parsed(sql)
    except SqlglotError as error:
        return first_line(error).rstrip(".")  # what follows is the text
    return None


def _select(contract: Contract) -> exp.Query:
    from sqlglot.errors import SqlglotError

    where = str(contract.sql_path)
    try:
        query = _query(contract.sql_path.read_text())
    except (SqlglotError, UnicodeDecodeError) as error:
        fault = first_line(error).rstrip(".")  # what follows is the query's text
        raise UnparsableError(f"not GoogleSQL ({fault})", where=where, remedy="fix the query") from error
    if query is None:
        raise LumbungError(
            "not exactly one SELECT", where=where, remedy="leave only a query; the program writes its result"
        )
    return query


def _tables(contract: Contract) -> list[exp.Table]:
    from sqlglot import exp

    _select(contract)
    tables = _named(contract.sql_path.read_text())
    for table in tables:
        if len(table.parts) != 2 or not all(isinstance(part, exp.Identifier) for part in table.parts):
            raise LumbungError(
                f"reads {table.sql(dialect='bigquery')}, which is not written <dataset>.<table>",
                where=str(contract.sql_path),
                remedy="name the data set and the table, not the project, which is a setting; no table functions",
            )
    return tables


def _address(table: exp.Table) -> str:
    return f"{table.db}.{table.name}"


def _span(table: exp.Table) -> tuple[int, int]:
    return table.parts[0].meta["start"], table.parts[-1].meta["end"] + 1


def _misplaced(
    contract: Contract, known: dict[str, Contract], queries: dict[str, Contract], unreadable: Collection[str]
) -> Iterator[LumbungError]:
    """What is wrong with a readable query: its place, its columns, and the tables that it or its checks name."""
    where = str(contract.sql_path)
    if contract.dataset not in LAYERS or contract.source:
        yield LumbungError(
            f"{contract.address} is loaded, not queried", where=where, remedy="move the query to dwh or datamart"
        )
        return
    query = _select(contract)
    expected = [column.name for column in contract.columns]
    if query.named_selects != expected:
        yield LumbungError(
            f"selects {', '.join(query.named_selects)}, but the contract has {', '.join(expected)}",
            where=where,
            remedy="name the contract's columns, in its order",
        )
    for table in _tables(contract):
        address = _address(table)
        if address in unreadable:
            continue
        if address not in known:
            yield LumbungError(
                f"reads {address}, which has no contract", where=where, remedy="correct the name or add it"
            )
            continue
        if table.db not in LAYERS[contract.dataset]:
            yield LumbungError(
                f"a {contract.dataset} query reads {address}",
                where=where,
                remedy=f"read only {' and '.join(LAYERS[contract.dataset])}",
            )
        if known[address].system != contract.system:
            yield LumbungError(
                f"a query of {contract.system} reads {address} of {known[address].system}",
                where=where,
                remedy="systems are built and published apart: keep to one",
            )
        source = known[address]
        if source.is_daily and source.sql_path.exists() and not contract.is_daily:
            yield LumbungError(
                f"a whole table reads {address}, of which a run builds only its own day",
                where=where,
                remedy=f"read what {address} is made from, or add partition: {SNAPSHOT_DATE} to the contract",
            )
        condition = selection(source)
        # What is published of an incremental table has all days, and a whole table may read them.
        needs_selection = source.is_daily or table.db == "staging" or contract.incremental
        if condition and needs_selection and not _is_selected(table, source):
            yield LumbungError(
                f"reads all days of {address}",
                where=where,
                remedy=f"add WHERE {condition} to the SELECT that reads it",
            )
        if table.db == "staging" and source.incremental and not contract.incremental:
            yield LumbungError(
                f"reads {address}, of which a run sees only the days that changed",
                where=where,
                remedy=f"read a dwh table with partition: {source.partition}, which has all days",
            )
    compared = {address for check in contract.checks for address in check.other_tables}
    for other in sorted(compared - queries.keys() - set(unreadable)):
        yield LumbungError(
            f"a check looks at {other}, which no query makes",
            where=str(contract.path),
            remedy="check against a table of dwh or datamart",
        )
    for what, remedy in _ambiguous(query):
        yield LumbungError(what, where=where, remedy=remedy)


def _ambiguous(query: exp.Query) -> Iterator[tuple[str, str]]:
    """Names that BigQuery and the local server read differently, and the remedies.

    In GROUP BY, HAVING, QUALIFY and ORDER BY GoogleSQL takes a name for that of a selected column first, DuckDB for
    that of a table or of a table's column. Seen with GoogleSQL's own analyzer.
    """
    from sqlglot import exp

    for select in query.find_all(exp.Select):
        outputs = {output.alias_or_name.lower(): output for output in select.selects}
        for clause in filter(None, map(select.args.get, ("group", "having", "qualify", "order"))):
            for column in clause.find_all(exp.Column):
                if column.find_ancestor(exp.Select) is select and column.table.lower() in outputs:
                    yield (
                        f"{column.sql()} after the FROM clause is not a column of the table {column.table} on BigQuery,"
                        " as a selected column has that name",
                        f"give the table another alias than {column.table}",
                    )
        for column in select.args["group"].expressions if "group" in select.args else ():
            name = column.name.lower()
            if not isinstance(column, exp.Column) or column.table or name not in outputs:
                continue
            made = outputs[name].unalias()
            if not isinstance(made, exp.Column) and name in {used.name.lower() for used in made.find_all(exp.Column)}:
                yield (
                    f"GROUP BY {column.name} is the selected column on BigQuery, the table's on the local server",
                    f"give the selected column another name than {column.name}, or group by its expression",
                )


def _is_selected(table: exp.Table, source: Contract) -> bool:
    """Whether the SELECT that reads the table has the condition that selects the source's partitions."""
    from sqlglot import exp

    (expected,) = _parsed(selection(source) or "")
    partition = str(source.partition)
    select = table.find_ancestor(exp.Select)
    for condition in select.find_all(type(expected)) if select else ():
        column = condition.this
        if (
            condition.find_ancestor(exp.Select) is select
            and not isinstance(condition.parent, exp.Not)
            and isinstance(column, exp.Column)
            and column.name == partition
            and column.table in ("", table.alias_or_name)
            and condition.sql() == expected.sql().replace(partition, column.sql(), 1)
        ):
            return True
    return False


def _moving_past(order: list[Contract]) -> Iterator[LumbungError]:
    """Tables by day that look at a whole one: they would change with the newest version, whatever their day."""
    from sqlglot import exp

    of_newest_version: set[str] = set()
    incremental = {contract.address for contract in order if contract.incremental}
    for contract in order:
        moving = dependencies(contract) & of_newest_version
        if contract.partition is None:
            versioned = any(parameter.name == SNAPSHOT_DATE for parameter in _select(contract).find_all(exp.Parameter))
            if moving or versioned or dependencies(contract) & incremental:
                of_newest_version.add(contract.address)
        elif moving:
            yield LumbungError(
                f"a daily table looks at {', '.join(sorted(moving))}, which is of the newest version, not of its day",
                where=str(contract.sql_path),
                remedy="take what is needed from that day's staging partitions, or from another daily table",
            )


def quoted(name: str) -> str:
    """A quoted identifier of GoogleSQL."""
    return f"`{name.strip('`')}`"
