"""How many contracts there are by country, and what changed in them day by day, from what is published."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lumbung.serving import published
from lumbung.serving.contract_schema import ContractAnswers, ContractCount, EventCount
from lumbung.storage.warehouse import Warehouse

OPERATIONS = ("INSERT", "UPDATE", "DELETE")


def answers(warehouse: Warehouse) -> ContractAnswers:
    """Read the answers.

    Raises:
        LumbungError: no contracts are published yet.
    """
    countries = _rows(warehouse, ContractCount, "contract_by_country", "contract_count DESC, country")
    days = [EventCount(**row) for row in _rows(warehouse, EventCount, "contract_event_daily", "event_date")]
    days.sort(key=lambda row: (row.event_date, OPERATIONS.index(row.operation)))
    return ContractAnswers(
        contracts_by_country=[ContractCount(**row) for row in countries],
        events_by_operation={
            operation: sum(row.event_count for row in days if row.operation == operation) for operation in OPERATIONS
        },
        events_by_day=days,
    )


def _rows(warehouse: Warehouse, kind: type[Any], mart: str, order: str) -> list[dict[str, Any]]:
    columns = ", ".join(field.name for field in fields(kind))
    sql, missing = f"SELECT {columns} FROM {{0}} ORDER BY {order}", "no contracts are published yet"
    return published.rows(warehouse, sql, f"datamart.{mart}", missing=missing, command="lumbung contract-events run")
