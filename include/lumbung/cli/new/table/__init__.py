"""The files of a new table: contract, query and test case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from difflib import SequenceMatcher
from typing import Any

from lumbung.catalog import query
from lumbung.catalog.case import CASES_ROOT, DAY
from lumbung.catalog.contract import OWN_SYSTEM, SQL_ROOT, Column, Contract
from lumbung.cli.new.files import Files, check_name, render
from lumbung.core.errors import LumbungError

Rows = list[dict[str, Any]]

# One row of a case is filtered out by its day, or as blank.
COPY, COUNT = "other_day", "blank"


def files(address: str, origin: Contract) -> Files:
    """The files of a table that reads one other table.

    One that reads staging takes over its rows; any other counts rows, so that the query shows how to.

    Args:
        address: the table, `<dataset>.<table>`.
        origin: what it reads.
    """
    copies = origin.dataset == "staging"
    case, values, given, expected = _copy(origin) if copies else _count(origin)
    path = SQL_ROOT / address.replace(".", "/")
    folder = CASES_ROOT / address.replace(".", "/") / case
    # A table's name hides its column of that name: without an alias the column would be the whole row.
    prefix = "listed." if origin.table in {column.name for column in origin.columns} else ""
    values = {"origin": origin, "prefix": prefix, "incremental": False, "check": None, **values}
    return {
        path.with_suffix(".yaml"): render("table/contract.yaml.j2", **values),
        path.with_suffix(".sql"): render("table/copy.sql.j2" if copies else "table/count.sql.j2", **values),
        folder / "given" / f"{origin.address}.ndjson": _lines(given),
        folder / "expect.ndjson": _lines(expected),
    }


def origin_of(address: str, chosen: str | None, contracts: Mapping[str, Contract]) -> Contract:
    """The table that a new table reads: the one chosen, or that of the layer below with the most similar name.

    Args:
        address: the new table, `<dataset>.<table>`.
        chosen: the address given, if any.
        contracts: every contract, by address.

    Raises:
        LumbungError: the address is not one of a table made by a query, or may not read the table chosen.
    """
    dataset, _, table = address.partition(".")
    if dataset not in query.LAYERS:
        raise LumbungError(
            f"{address} is not an address of a table that a query makes",
            remedy=f"begin it with {' or '.join(f'{layer}.' for layer in query.LAYERS)};"
            " what is loaded into staging is a source: lumbung new source",
        )
    check_name(table)
    layers = query.LAYERS[dataset]
    readable = {
        address: contract
        for address, contract in contracts.items()
        if contract.dataset in layers
        and contract.system != OWN_SYSTEM
        and (contract.dataset == "staging" or not contract.is_daily)  # the new table is a whole one
    }
    if chosen is not None and chosen not in readable:
        raise LumbungError(
            f"a {dataset} query cannot read {chosen}", remedy=f"choose one of {', '.join(sorted(readable))}"
        )
    below = [contract for contract in readable.values() if contract.dataset == layers[0]]
    if chosen is None and not below:
        raise LumbungError(f"there is no table of {layers[0]} to read", remedy="add a source first: lumbung new source")
    return readable[chosen] if chosen else max(below, key=lambda c: SequenceMatcher(None, table, c.table).ratio())


def _copy(origin: Contract) -> tuple[str, dict[str, Any], Rows, Rows]:
    """Rows of staging as they are; those of another day are filtered out."""
    columns = origin.columns if origin.incremental else origin.business_columns
    rows = [_row(origin, n) for n in (1, 2)]
    other = {**_row(origin, 3), str(origin.partition): f"{DAY - timedelta(days=1)}"}
    values = {
        "description": f"What {origin.address} holds; say here what a row tells.",
        "grain": f"a row of {origin.address}",
        "key": origin.key,
        "columns": columns,
        "incremental": origin.incremental,
        "condition": query.selection(origin),
        "check": None if origin.incremental else {"rows": {"min": 1}},
    }
    return COPY, values, [*rows, other], [{column.name: row[column.name] for column in columns} for row in rows]


def _count(origin: Contract) -> tuple[str, dict[str, Any], Rows, Rows]:
    """How many rows share a text; those without one are filtered out."""
    texts = sorted(
        (column for column in origin.columns if column.type == "STRING"), key=lambda column: column.name in origin.key
    )
    if not texts:
        raise LumbungError(f"{origin.address} has no column of type STRING to count by", remedy="read another table")
    by = texts[0]
    count = Column(name="row_count", type="INT64", required=True, description=f"Rows of {origin.address} that have it.")
    given = [{**_row(origin, n), by.name: text} for n, text in enumerate(("a", "b", "b", ""), start=1)]
    values = {
        "description": f"Rows of {origin.address} by {by.name}; say here what a row tells.",
        "grain": f"a {by.name} of {origin.address}",
        "key": [by.name],
        "columns": [by.model_copy(update={"required": True}), count],
        "condition": f"{by.name} <> ''",
        "check": {"expression": "row_count > 0"},
    }
    return COUNT, values, given, [{by.name: text, count.name: rows} for text, rows in (("a", 1), ("b", 2))]


def _row(contract: Contract, n: int) -> dict[str, Any]:
    """The n-th example row, from 1."""
    examples: dict[str, Any] = {
        "STRING": f"{n}",
        "INT64": n,
        "NUMERIC": f"{n}",
        "FLOAT64": n + 0.5,
        "BOOL": n % 2 == 0,
        "DATE": f"{DAY}",
        "TIMESTAMP": f"{DAY} 0{n}:00:00+00:00",
        "JSON": {"n": n},
        "ARRAY<STRING>": [f"{n}"],
    }
    return {column.name: examples[column.type] for column in contract.columns}


def _lines(rows: Rows) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
