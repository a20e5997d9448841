"""Every query and check, analysed by Google's own engine against a catalogue made of the contracts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from lumbung.catalog import audit, case, query
from lumbung.catalog.contract import LOADER, Contract
from lumbung.core.errors import LumbungError
from lumbung.googlesql import engine
from lumbung.googlesql.analyzer import Catalogue, Statement
from lumbung.googlesql.errors import GoogleSqlError, MissingEngineError, NotJudgedError

# What GoogleSQL says of what other dialects have, and what BigQuery has instead.
REMEDIES = {
    r'got ":"': "write CAST(x AS type), not x::type",
    r'got "%"': "write MOD(a, b), not a % b",
    r'Unexpected "="': "compare by one =",
    r'got "~"': "write REGEXP_CONTAINS(x, pattern)",
    r'Unexpected "/"': "write DIV(a, b), not a // b",
    r'Unexpected "\*"': "write POW(a, b), not a ** b",
    r'"ILIKE"': "write LOWER(x) LIKE 'pattern'",
    r'got "\("': "write COUNTIF(condition), or IF(condition, x, NULL) in the function, not FILTER",
    r"keyword QUALIFY": "qualify is a keyword: choose another name, or put it in backticks",
    r"keyword EXCLUDE": "write * EXCEPT (column)",
    r"keyword UNNEST": "join it: FROM table CROSS JOIN UNNEST(array) AS element",
    r"EPOCH": "write UNIX_SECONDS(x)",
    r"date part name": "give the part last and without quotes: DATE_TRUNC(x, MONTH), DATE_DIFF(later, earlier, DAY)",
    r"UNION ALL has incompatible|common supertype": "CAST them to one type",
    r"SELECT list alias": "give the table another alias than the selected column's name",
    r"literal NULL": "leave the NULL out, or CAST it to a type",
    r"Type not found": "name one of BigQuery's types, such as STRING, INT64, FLOAT64 or NUMERIC",
    r"should return type BOOL": "write a condition, such as x <> 0",
    r"Duplicate column names": "name each column once",
    r"not found: NOW": "write CURRENT_TIMESTAMP()",
    r"not found: MEDIAN": "write APPROX_QUANTILES(x, 2)[OFFSET(1)], or PERCENTILE_CONT(x, 0.5) OVER ()",
    r"not found: LIST_VALUE": "write [a, b]",
    r"not found: (LIST|LIST_AGG)\b": "write ARRAY_AGG(x)",
    r"not found: STRFTIME": "write FORMAT_DATE or FORMAT_TIMESTAMP, the format first",
    r"not found: CONCAT_WS": "write ARRAY_TO_STRING([a, b], separator)",
    r"not found: (YEAR|MONTH|DAY|HOUR|MINUTE|WEEK|QUARTER)\b": "write EXTRACT(YEAR FROM x)",
    r"not found: LEN\b": "write LENGTH(x)",
    r"not found: TRY_CAST": "write SAFE_CAST(x AS type)",
    r"not found: REGEXP_MATCHES": "write REGEXP_CONTAINS(x, pattern)",
    r"not found: ARG_(MAX|MIN)": "write MAX_BY(x, y)",
    r"Query parameter": "use the parameter that the table gets, @{parameter}",
}
REMEDY = "write it as BigQuery has it; its reference: GoogleSQL for BigQuery"


class UnjudgedError(LumbungError):
    """SQL that the engine cannot judge and BigQuery may take: reported, but not a fault."""


@dataclass(frozen=True)
class Place:
    """Where a text stands in a file.

    Attributes:
        line: the line of its first character, from 1.
        column: the column of its first character, from 1.
        lines: how many lines it has.
    """

    line: int
    column: int
    lines: int


def unavailable() -> str | None:
    """Why nothing is analysed on this machine; None: the engine is here."""
    try:
        engine.shared()
    except MissingEngineError as error:
        return str(error)
    return None


def faults(contracts: Mapping[str, Contract]) -> Iterator[LumbungError]:
    """What BigQuery would refuse of the queries and checks, and results that are not as their contracts say.

    Nothing is said of a query that reads a table without a contract, and of checks that compare with one.

    Args:
        contracts: every contract that can be read, by address.

    Yields:
        Faults; and an UnjudgedError for what uses a function that only BigQuery has, or is too deep for the engine.

    Raises:
        MissingEngineError: the engine is not installed.
    """
    tables = {
        address: [(column.name, column.type) for column in contract.columns] for address, contract in contracts.items()
    }
    with Catalogue(tables) as catalogue:
        for contract in contracts.values():
            if contract.sql_path.exists() and _reads(contract) <= contracts.keys():
                yield from _query(catalogue, contract)
            yield from _checks(catalogue, contract, contracts)


def _reads(contract: Contract) -> set[str]:
    """What a query reads; nothing if that cannot be known, as GoogleSQL's analyzer then says more."""
    with contextlib.suppress(LumbungError):
        return query.upstreams(contract)
    return set()


def _query(catalogue: Catalogue, contract: Contract) -> Iterator[LumbungError]:
    name, default = case.parameter(contract)
    path = str(contract.sql_path)
    try:
        text = contract.sql_path.read_text(encoding="utf-8")
        statement = catalogue.analyse(text, {name: "ARRAY<DATE>" if isinstance(default, list) else "DATE"})
    except UnicodeDecodeError:
        return  # reported already
    except GoogleSqlError as refusal:
        where = f"{path}, line {refusal.line}, column {refusal.column}" if refusal.line else path
        if isinstance(refusal, NotJudgedError):
            yield _unjudged(refusal, where)
            return
        yield LumbungError(f"BigQuery refuses it: {_words(refusal)}", where=where, remedy=_remedy(refusal, name))
        return
    yield from _result(statement, contract)
    if contract.partition and name not in statement.parameters:
        yield LumbungError(
            f"does not use @{name}, so each run would build the same rows",
            where=path,
            remedy=f"select the rows by {contract.partition} and @{name}",
        )


def _result(statement: Statement, contract: Contract) -> Iterator[LumbungError]:
    """Columns of another type than the contract's; that the names are the contract's is checked with the query."""
    types = {column.name: column.type for column in contract.columns}
    for name, kind in statement.columns:
        if name in types and kind != types[name]:
            yield LumbungError(
                f"{name} is {kind}, but the contract has {types[name]}",
                where=str(contract.sql_path),
                remedy="give the table of that name an alias, as it hides the column"
                if kind.startswith("STRUCT<")
                else f"CAST it to {types[name]}, or correct {contract.path.name}",
            )


def _checks(catalogue: Catalogue, contract: Contract, contracts: Mapping[str, Contract]) -> Iterator[LumbungError]:
    """What BigQuery refuses of a table's audit: the expressions at fault, or what its checks compare."""
    compared = {address for check in contract.checks for address in check.other_tables}
    sql = audit.query(contract, lambda address: address)
    if sql is None or not compared <= contracts.keys():
        return
    try:
        catalogue.analyse(sql)
    except GoogleSqlError as refusal:
        expressions = list(_expressions(catalogue, contract))
        yield from expressions
        if not expressions and isinstance(refusal, NotJudgedError):
            yield _unjudged(refusal, str(contract.path))
        elif not expressions:
            yield LumbungError(
                f"BigQuery refuses its audit: {_words(refusal)}",
                where=str(contract.path),
                remedy="compare columns of one type",
            )


def _expressions(catalogue: Catalogue, contract: Contract) -> Iterator[LumbungError]:
    opening, places = "SELECT (", _places(contract)
    for check, place in zip(contract.checks, places, strict=True):
        if not check.expression or not place:
            continue
        try:
            catalogue.analyse(f"{opening}{check.expression}\n) IS NOT TRUE FROM {contract.address}")
        except NotJudgedError as refusal:
            yield _unjudged(refusal, f"{contract.path}, line {place.line}, column {place.column}")
        except GoogleSqlError as refusal:
            # Inside an expression of many lines the position is where it starts.
            inside = refusal.column - len(opening) - 1 if refusal.line == 1 and place.lines == 1 else 0
            yield LumbungError(
                f"check expression({check.expression}) is not GoogleSQL ({_words(refusal)})",
                where=f"{contract.path}, line {place.line}, column {place.column + max(0, inside)}",
                remedy=_remedy(refusal, ""),
            )


def _places(contract: Contract) -> list[Place | None]:
    """Where the expression of each check stands in the contract's file."""
    document = yaml.compose(contract.path.read_bytes(), Loader=LOADER)
    assert document  # it was read before
    checks = next(value for key, value in document.value if key.value == "checks")
    places: list[Place | None] = []
    for check in checks.value:
        node = next((value for key, value in check.value if key.value == "expression"), None)
        places.append(node and _place(node))
    return places


def _place(node: yaml.ScalarNode) -> Place:
    start, end = node.start_mark, node.end_mark
    return Place(start.line + 1, start.column + 1 + (node.style in ('"', "'")), end.line - start.line + 1)


def _unjudged(refusal: NotJudgedError, where: str) -> UnjudgedError:
    return UnjudgedError(f"not judged: {_words(refusal)}", where=where, remedy="try it on BigQuery")


def _words(refusal: GoogleSqlError) -> str:
    """What GoogleSQL says, on one line: of a function's signatures only what it was called with."""
    return "; ".join(line.strip() for line in refusal.message.splitlines()[:2])


def _remedy(refusal: GoogleSqlError, parameter: str) -> str:
    remedies = (remedy for pattern, remedy in REMEDIES.items() if re.search(pattern, refusal.message))
    return next(remedies, REMEDY).format(parameter=parameter)
