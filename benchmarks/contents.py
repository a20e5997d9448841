"""What a way of making a day has made, so that ways are compared only where they made the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.peer import project
from lumbung.storage.warehouse import Warehouse

Contents = dict[str, list[tuple[Any, ...]]]
"""The sorted rows of each query, by what it asks."""

Ask = Callable[[str], list[tuple[Any, ...]]]
"""Gives the rows of a query, which names tables as `{dataset.table}`."""

DETAILS = {
    "datamart.course_enrollment_summary": "COUNT(*) AS n, COUNT(course_type) AS categories, COUNT(course_title) AS"
    " courses, COUNT(mentor_name) AS mentors, COUNT(city) AS cities, SUM(LENGTH(student_name)) AS letters",
    "datamart.student_count_by_city": "*",
    "datamart.student_count_by_category": "*",
    "datamart.top_mentor": "*",
    "datamart.course_enrollment_daily": "*",
}
"""What is compared of a table; of others, how many rows they have."""


def of_duckdb(file: Path, day: str) -> Contents:
    """What is in a DuckDB file of a day, YYYY-MM-DD."""
    with duckdb.connect(f"{file}", read_only=True) as db:
        return _contents(day, lambda query: db.execute(query.replace("{", "").replace("}", "")).fetchall())


def of_warehouse(warehouse: Warehouse, day: str) -> Contents:
    """What is published of a day, YYYY-MM-DD."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        before, _, rest = query.partition("{")
        address, _, after = rest.partition("}")
        rows = warehouse.rows(f"{before}`{warehouse.table(address)}`{after}")
        return [tuple(row.values()) for row in rows.to_pylist()]

    return _contents(day, ask)


def _contents(day: str, ask: Ask) -> Contents:
    sources, made = project.tables()
    contents = {}
    for contract in [*sources, *made]:
        condition = f" WHERE {contract.partition} = DATE '{day}'" if contract.is_daily else ""
        query = f"SELECT {DETAILS.get(contract.address, 'COUNT(*) AS n')} FROM {{{contract.address}}}{condition}"
        contents[contract.address] = sorted(ask(query), key=str)
    return contents
