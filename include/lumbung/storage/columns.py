"""A contract's columns as BigQuery and Arrow have them: the one place that knows both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.cloud import bigquery

from lumbung.catalog.contract import Contract

if TYPE_CHECKING:
    import pyarrow as pa

LIST_OF_STRING = "ARRAY<STRING>"


def bigquery_schema(contract: Contract) -> list[bigquery.SchemaField]:
    """The columns as BigQuery's schema; `required` is a check, not a mode, as query jobs drop modes."""
    return [
        bigquery.SchemaField(
            column.name,
            "STRING" if column.type == LIST_OF_STRING else column.type,
            mode="REPEATED" if column.type == LIST_OF_STRING else "NULLABLE",
            description=column.description,
        )
        for column in contract.columns
    ]


def partition(target: Any, contract: Contract) -> None:
    """Have a table, or what a job writes, partitioned as the contract says; without a partition nothing is said.

    Args:
        target: a table or a job's configuration.
        contract: the table.
    """
    if contract.partition is not None:
        day = bigquery.TimePartitioningType.DAY
        target.time_partitioning = bigquery.TimePartitioning(type_=day, field=contract.partition)


def describe(table: bigquery.Table, contract: Contract, labels: Mapping[str, str]) -> bool:
    """Put the contract's descriptions and labels on a table, and say whether that changes anything.

    Args:
        table: the table, as BigQuery has it.
        contract: the table.
        labels: its labels.
    """
    before = _texts(table)
    ours = {field.name: field for field in bigquery_schema(contract)}
    table.description = f"{contract.description.strip()}\n\nGrain: {contract.grain}."
    table.labels = labels
    # A column that the contract no longer has stays in a partitioned table; a patch may not leave it out.
    table.schema = [ours.get(field.name, field) for field in table.schema]
    return _texts(table) != before


def _texts(table: bigquery.Table) -> tuple[Any, ...]:
    return table.description, dict(table.labels), [(field.name, field.description) for field in table.schema]


def arrow_schema(contract: Contract) -> pa.Schema:
    """The columns as the schema of a Parquet file that is loaded into the table."""
    import pyarrow as pa

    types = {
        "STRING": pa.string(),
        "INT64": pa.int64(),
        "FLOAT64": pa.float64(),
        "BOOL": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us", "UTC"),
        LIST_OF_STRING: pa.list_(pa.string()),
    }
    return pa.schema([(column.name, types[column.type]) for column in contract.columns])
