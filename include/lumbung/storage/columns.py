"""A contract's columns as BigQuery and Arrow have them: the one place that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def partitioning(contract: Contract) -> bigquery.TimePartitioning | None:
    """How BigQuery partitions the table; None: not at all."""
    if contract.partition is None:
        return None
    return bigquery.TimePartitioning(type_=bigquery.TimePartitioningType.DAY, field=contract.partition)


def arrow_schema(contract: Contract) -> pa.Schema:
    """The columns as the schema of a Parquet file that is loaded into the table."""
    import pyarrow as pa

    types = {
        "STRING": pa.string(),
        "INT64": pa.int64(),
        "FLOAT64": pa.float64(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us", "UTC"),
    }
    return pa.schema([(column.name, types[column.type]) for column in contract.columns])
