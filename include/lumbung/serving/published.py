"""Reading published tables, for the answers of all systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lumbung.core.errors import LumbungError
from lumbung.serving.schema import Freshness
from lumbung.storage.client_errors import MissingError
from lumbung.storage.warehouse import Warehouse

FRESHNESS = "datamart.freshness"
NOTHING = "nothing is published yet"


class UnpublishedError(LumbungError):
    """The table does not exist yet, or is empty."""


def rows(
    warehouse: Warehouse,
    sql: str,
    address: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    missing: str = NOTHING,
    command: str = "lumbung run",
) -> list[dict[str, Any]]:
    """The rows of a query on one published table.

    Args:
        warehouse: where it is.
        sql: the query; `{0}` stands for the table.
        address: the table, `<dataset>.<table>`.
        parameters: the query's parameters by name.
        missing: what a missing table means.
        command: what publishes it.

    Raises:
        UnpublishedError: the table does not exist yet.
    """
    try:
        table = warehouse.table(address)
        given = [parameters] if parameters else []  # without any, `ReadOnce` remembers what a query gave
        records: list[dict[str, Any]] = warehouse.rows(sql.format(f"`{table}`"), *given).to_pylist()
    except MissingError as error:
        where = warehouse.dataset(address.partition(".")[0])
        raise UnpublishedError(missing, where=where, remedy=f"run a day first: {command}") from error
    return records


def freshness(warehouse: Warehouse) -> list[Freshness]:
    """What each system's published tables were built from, by system.

    Raises:
        UnpublishedError: nothing is published yet.
    """
    columns = ", ".join(field.name for field in fields(Freshness))
    records = rows(warehouse, f"SELECT {columns} FROM {{0}} ORDER BY system", FRESHNESS)
    if not records:
        raise UnpublishedError(NOTHING, where=warehouse.table(FRESHNESS), remedy="run a day: lumbung run")
    return [Freshness(**row) for row in records]
