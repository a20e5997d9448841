"""Marts of contracts built from staging rows, without the lake, Spark and Kafka that staging comes from."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.catalog.contract import Catalog, Contract
from lumbung.catalog.query import SNAPSHOT_DATE, render, tables
from lumbung.pipeline.build import check
from lumbung.storage.columns import arrow_schema
from lumbung.storage.warehouse import Warehouse

SYSTEM = "contract_events"


def load(warehouse: Warehouse, contract: Contract, rows: list[dict[str, Any]], folder: Path) -> None:
    """Load rows into a table, or into the partitions that they are of."""
    warehouse.ensure_table(contract)
    file = folder / f"{contract.address}.parquet"
    days = sorted({row[contract.partition] for row in rows}) if contract.partition else [None]
    for day in days:
        given = [row for row in rows if day is None or row[contract.partition] == day]
        pq.write_table(pa.Table.from_pylist(given, schema=arrow_schema(contract)), file)
        warehouse.load(contract, file, day, {})


def publish(warehouse: Warehouse, day: date, staging: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    """Load staging tables, and make every mart of contracts from them in place of what is published.

    Args:
        warehouse: where.
        day: the version's day.
        staging: rows by the staging table's name; tables that are not named have none.
        folder: for files on their way.
    """
    catalog = Catalog()
    warehouse.ensure_datasets(catalog.datasets())
    events = staging.get("contract_event", [])
    for name in ("contract", "contract_party", "contract_event"):
        load(warehouse, catalog[f"staging.{name}"], staging.get(name, []), folder)
    for table in tables(catalog, SYSTEM):
        days = sorted({row["event_date"] for row in events})
        parameters = {table.days_parameter: days} if table.incremental else {SNAPSHOT_DATE: day}
        warehouse.build(table, render(table, warehouse.table), warehouse.table(table.address), parameters, {})
        check(warehouse, table, warehouse.table, table.address, {})
