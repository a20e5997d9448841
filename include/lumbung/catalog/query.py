"""What the tables' queries read, in which order they are built, and how they are rendered and audited."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from lumbung.catalog.contract import Check, Contract
from lumbung.core.errors import LumbungError

if TYPE_CHECKING:  # sqlglot takes long to import: who only names checks does without
    from sqlglot import exp

Names = Callable[[str], str]
"""From a table's address to the full name it has in this run, `project.dataset.table`."""

LAYERS = {"dwh": ("staging", "dwh"), "datamart": ("dwh",)}
"""Which data sets the queries of a data set may read."""

VERSION = "snapshot_date"
"""The query parameter, and the staging column it selects a partition by."""

CHANGED = "tweet_dates"
"""The query parameter of incremental tables: the days that are made anew."""

SELECTIONS = {VERSION: f"{VERSION} = @{VERSION}", "tweet_date": f"tweet_date IN UNNEST(@{CHANGED})"}
"""How a query selects the partitions that a run is about, by the partition column."""


def upstreams(contract: Contract) -> set[str]:
    """The addresses of the tables a contract's query reads.

    Raises:
        LumbungError: the file is not exactly one SELECT, or names a table otherwise than `<dataset>.<table>`.
    """
    return {_address(table) for table in _tables(contract, _select(contract))}


def dependencies(contract: Contract) -> set[str]:
    """The tables that must be built before this one is built and audited: those its query or its checks look at.

    Raises:
        LumbungError: as `upstreams`.
    """
    looked_at = {table for check in contract.checks for table in _looks_at(check)}
    return upstreams(contract) | (looked_at - {contract.address})


def build_order(contracts: Iterable[Contract]) -> list[Contract]:
    """The contracts that have a query, each after all that its query and its checks look at.

    Args:
        contracts: every contract of the folder, of all systems; those without a query are sources.

    Raises:
        LumbungError: a circle, a query without a contract, a table without one, a layer passed over, columns other
            than the contract's, or a query whose result would depend on when it is run. The message names the file.
    """
    known = {contract.address: contract for contract in sorted(contracts, key=lambda one: one.address)}
    for root in {contract.path.parents[1] for contract in known.values()}:
        for path in sorted(root.glob("*/*.sql")):
            if f"{path.parent.name}.{path.stem}" not in known:
                raise LumbungError("a query without a contract", where=str(path), remedy=f"add {path.stem}.yaml to it")
    queries = {address: contract for address, contract in known.items() if contract.sql_path.exists()}
    for contract in queries.values():
        _refuse_misplaced(contract, known, queries)
    graph = {address: sorted(dependencies(one) & queries.keys()) for address, one in queries.items()}
    try:
        order = [queries[address] for address in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = error.args[1]
        raise LumbungError(
            f"tables need each other in a circle: {' -> '.join(circle)}",
            where=str(queries[circle[0]].sql_path),
            remedy="take one reference or check out of the circle",
        ) from error
    _refuse_moving_past(order)
    return order


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
    tables = _tables(contract, _select(contract))
    # From the end on, so that the positions before stay right.
    for table in sorted(tables, key=lambda one: _span(one)[0], reverse=True):
        start, end = _span(table)
        alias = "" if table.alias else f" AS `{table.name}`"
        text = f"{text[:start]}{_quoted(names(_address(table)))}{alias}{text[end:]}"
    return text


def with_other_days(contract: Contract, query: str, published: str) -> str:
    """A rendered query of an incremental table, and all other days as they are published.

    Args:
        contract: the table.
        query: gives the days in the parameter `tweet_dates`.
        published: the full name of the table that has the others.
    """
    columns = ", ".join(_quoted(column.name) for column in contract.columns)
    changed = query.rstrip().rstrip(";")
    return (
        f"SELECT {columns} FROM (\n{changed}\n)\nUNION ALL\nSELECT {columns} FROM {_quoted(published)}"
        f" WHERE {_quoted(contract.partition or '')} NOT IN UNNEST(@{CHANGED})"
    )


def check_names(contract: Contract) -> list[str]:
    """All checks of a table by name, those that follow from its key and its required columns first."""
    return list(_checks(contract))


def audit(contract: Contract, names: Names) -> str | None:
    """A script that fails at the first check of severity `fail` that does not hold; its message names table and check.

    References of a source are not among them: they are checked before it is loaded.

    Args:
        contract: the table to audit.
        names: gives each address the full name of the table to look at, `project.dataset.table`.

    Returns:
        GoogleSQL, one ASSERT a check; None if there is nothing to check.
    """
    return (
        "\n".join(
            f"ASSERT (\n  {_violations(contract, check, names)}\n) = 0 AS "
            f"{_literal(f'{contract.address}: check {name} failed')};"
            for name, check in _checks(contract).items()
            if check.severity == "fail"
        )
        or None
    )


def warnings(contract: Contract, names: Names) -> str | None:
    """A query that counts the violations of each check of severity `warn`.

    Args:
        contract: the table to look at.
        names: gives each address the full name of the table to look at, `project.dataset.table`.

    Returns:
        GoogleSQL that gives a row `check` STRING, `violations` INT64 for each check; None if there is none.
    """
    return (
        "\nUNION ALL\n".join(
            f"SELECT {_literal(name)} AS `check`, (\n  {_violations(contract, check, names)}\n) AS violations"
            for name, check in _checks(contract).items()
            if check.severity == "warn"
        )
        or None
    )


@cache  # parsing is most of what a DAG file costs each task, and every query is asked for several times
def _parsed(text: str) -> list[exp.Expr]:
    import sqlglot

    return [one for one in sqlglot.parse(text, dialect="bigquery") if one]


@cache
def _query(text: str) -> exp.Query | None:
    """The one SELECT that the text is; None if it is anything else."""
    from sqlglot import exp

    statements = _parsed(text)
    if len(statements) != 1 or not isinstance(query := statements[0], exp.Query) or query.find(exp.DML, exp.DDL):
        return None
    return query


def _select(contract: Contract) -> exp.Query:
    from sqlglot.errors import SqlglotError

    where = str(contract.sql_path)
    try:
        query = _query(contract.sql_path.read_text())
    except SqlglotError as error:
        fault = str(error).splitlines()[0].rstrip(".")  # what follows is the query's text
        raise LumbungError(f"no GoogleSQL ({fault})", where=where, remedy="mend the query") from error
    if query is None:
        raise LumbungError(
            "not exactly one SELECT", where=where, remedy="leave only a query; the program writes its result"
        )
    return query


def _tables(contract: Contract, query: exp.Query) -> list[exp.Table]:
    from sqlglot import exp

    ctes = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    tables = []
    for table in query.find_all(exp.Table):
        if len(table.parts) == 1 and table.name.lower() in ctes:
            continue
        if len(table.parts) != 2 or not all(isinstance(part, exp.Identifier) for part in table.parts):
            raise LumbungError(
                f"reads {table.sql(dialect='bigquery')}, which is not written <dataset>.<table>",
                where=str(contract.sql_path),
                remedy="name the data set and the table, not the project, which is a setting; no table functions",
            )
        tables.append(table)
    return tables


def _address(table: exp.Table) -> str:
    return f"{table.db}.{table.name}"


def _span(table: exp.Table) -> tuple[int, int]:
    return table.parts[0].meta["start"], table.parts[-1].meta["end"] + 1


def _refuse_misplaced(contract: Contract, known: dict[str, Contract], queries: dict[str, Contract]) -> None:
    where = str(contract.sql_path)
    if contract.dataset not in LAYERS or contract.source:
        raise LumbungError(
            f"{contract.address} is loaded, not queried", where=where, remedy="move the query to dwh or datamart"
        )
    query = _select(contract)
    expected = [column.name for column in contract.columns]
    if query.named_selects != expected:
        raise LumbungError(
            f"selects {', '.join(query.named_selects)}, but the contract has {', '.join(expected)}",
            where=where,
            remedy="name the contract's columns, in its order",
        )
    for table in _tables(contract, query):
        address = _address(table)
        if address not in known:
            raise LumbungError(f"reads {address}, which has no contract", where=where, remedy="mend the name or add it")
        if table.db not in LAYERS[contract.dataset]:
            raise LumbungError(
                f"a {contract.dataset} query reads {address}",
                where=where,
                remedy=f"read only {' and '.join(LAYERS[contract.dataset])}",
            )
        if known[address].system != contract.system:
            raise LumbungError(
                f"a query of {contract.system} reads {address} of {known[address].system}",
                where=where,
                remedy="systems are built and published apart: keep to one",
            )
        partition = known[address].partition
        # What is published of an incremental table has all days, and a whole table may read them.
        selected = known[address].is_daily or table.db == "staging" or contract.is_incremental
        if partition in SELECTIONS and selected and not _is_selected(table, partition):
            raise LumbungError(
                f"reads all days of {address}",
                where=where,
                remedy=f"add WHERE {SELECTIONS[partition]} to the SELECT that reads it",
            )
        if table.db == "staging" and known[address].is_incremental and not contract.is_incremental:
            raise LumbungError(
                f"reads {address}, of which a run sees only the days that changed",
                where=where,
                remedy=f"read a dwh table with partition: {partition}, which has all days",
            )
    for other in sorted({address for check in contract.checks for address in _looks_at(check)} - queries.keys()):
        raise LumbungError(
            f"a check looks at {other}, which no query makes",
            where=str(contract.path),
            remedy="check against a table of dwh or datamart",
        )


def _is_selected(table: exp.Table, partition: str) -> bool:
    from sqlglot import exp

    (wanted,) = _parsed(SELECTIONS[partition])
    select = table.find_ancestor(exp.Select)
    for found in select.find_all(type(wanted)) if select else ():
        column = found.this
        if (
            found.find_ancestor(exp.Select) is select
            and not isinstance(found.parent, exp.Not)
            and isinstance(column, exp.Column)
            and column.name == partition
            and column.table in ("", table.alias_or_name)
            and found.sql() == wanted.sql().replace(partition, column.sql(), 1)
        ):
            return True
    return False


def _refuse_moving_past(order: list[Contract]) -> None:
    """Refuse a table by day that looks at a whole one: it would change with the newest version, whatever its day."""
    from sqlglot import exp

    newest: set[str] = set()
    incremental = {contract.address for contract in order if contract.is_incremental}
    for contract in order:
        moving = dependencies(contract) & newest
        if contract.partition is None:
            versioned = any(one.name == VERSION for one in _select(contract).find_all(exp.Parameter))
            if moving or versioned or dependencies(contract) & incremental:
                newest.add(contract.address)
        elif moving:
            raise LumbungError(
                f"a daily table looks at {', '.join(sorted(moving))}, which is of the newest version, not of its day",
                where=str(contract.sql_path),
                remedy="take what is needed from that day's staging partitions, or from another daily table",
            )


def _looks_at(check: Check) -> list[str]:
    return [table for table in (check.references and check.references.table, check.equal_rows) if table]


def _checks(contract: Contract) -> dict[str, Check]:
    required = [column.name for column in contract.columns if column.required or column.name in contract.key]
    implied = [Check(unique=contract.key)] if contract.key else []
    implied += [Check(not_null=required)] if required else []
    checks = {_name(check): check for check in implied}
    for check in contract.checks:
        checks.setdefault(_name(check), check)  # a warning does not soften what the key implies
    return checks


def _name(check: Check) -> str:
    (kind,) = check.kinds
    value = getattr(check, kind)
    if check.references:
        value = f"{', '.join(check.references.columns)} in {check.references.table}"
    elif check.rows:
        value = ", ".join(f"{bound} {count}" for bound, count in check.rows.items())
    elif isinstance(value, list):
        value = ", ".join(value)
    return f"{kind}({' '.join(value.split())})"


def _violations(contract: Contract, check: Check, names: Names) -> str:
    """A query for one number, 0 if the check holds; it scans each table once."""
    table = _quoted(names(contract.address))
    if check.unique:
        # What is unique in a partitioned table is so within a partition.
        columns = dict.fromkeys([*([contract.partition] if contract.partition else []), *check.unique])
        groups = ", ".join(map(_quoted, columns))
        return f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} GROUP BY {groups} HAVING COUNT(*) > 1)"
    if check.not_null:
        return f"SELECT COUNT(*) FROM {table} WHERE {' OR '.join(f'{_quoted(c)} IS NULL' for c in check.not_null)}"
    if check.references:
        pairs = list(zip(check.references.columns, check.references.key, strict=True))
        matches = " AND ".join(f"child.{_quoted(column)} = parent.{_quoted(key)}" for column, key in pairs)
        given = " AND ".join(f"child.{_quoted(column)} IS NOT NULL" for column, _ in pairs)
        return (
            f"SELECT COUNT(*) FROM {table} AS child LEFT JOIN {_quoted(names(check.references.table))} AS parent"
            f" ON {matches} WHERE {given} AND parent.{_quoted(pairs[0][1])} IS NULL"
        )
    if check.rows:
        signs = {"min": ">=", "max": "<="}
        bounds = " AND ".join(f"COUNT(*) {signs[bound]} {count}" for bound, count in check.rows.items())
        return f"SELECT IF({bounds}, 0, 1) FROM {table}"
    if check.equal_rows:
        other = _quoted(names(check.equal_rows))
        return f"SELECT ABS((SELECT COUNT(*) FROM {table}) - (SELECT COUNT(*) FROM {other}))"
    return f"SELECT COUNT(*) FROM {table} WHERE ({check.expression}\n) IS NOT TRUE"


def _quoted(name: str) -> str:
    return f"`{name.strip('`')}`"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
