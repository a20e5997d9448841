"""What a step read and wrote, for OpenLineage; imported only where its events are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    documentation_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    sql_job,
)

from lumbung.catalog import query
from lumbung.catalog.contract import Contract
from lumbung.catalog.lineage import ColumnAddress, trace
from lumbung.pipeline.run import Run, Step

WAREHOUSE = "bigquery"


def loaded(run: Run, contract: Contract, rows: int | None) -> OperatorLineage:
    """What a load read and wrote.

    Args:
        run: the run.
        contract: the staging table.
        rows: its rows.
    """
    return OperatorLineage(inputs=_lake(run, contract), outputs=[_output(run, contract, rows)])


def built(run: Run, contract: Contract, step: Step) -> OperatorLineage:
    """What a build read and made, under the names of what is published.

    Args:
        run: the run.
        contract: the table.
        step: what was done.
    """
    return OperatorLineage(
        inputs=[InputDataset(WAREHOUSE, run.warehouse.table(address)) for address in sorted(query.upstreams(contract))],
        outputs=[_output(run, contract, step.rows_out)],
        job_facets={"sql": sql_job.SQLJobFacet(query=step.sql)} if step.sql else {},
    )


def published(run: Run, rows: Mapping[str, int | None]) -> OperatorLineage:
    """What a publish replaced.

    Args:
        run: the run.
        rows: of each table, by its address.
    """
    tables = [contract for contract in run.tables if contract.address in rows]
    return OperatorLineage(outputs=[_output(run, contract, rows[contract.address]) for contract in tables])


def _output(run: Run, contract: Contract, rows: int | None) -> OutputDataset:
    """A table: its columns, where they come from, and its rows."""
    fields = [
        schema_dataset.SchemaDatasetFacetFields(name=column.name, type=column.type, description=column.description)
        for column in contract.columns
    ]
    facets: dict[str, Any] = {
        "documentation": documentation_dataset.DocumentationDatasetFacet(description=contract.description),
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
    }
    if contract.sql_path.exists():
        facets["columnLineage"] = _columns(run, contract)
    counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(
        WAREHOUSE,
        run.warehouse.table(contract.address),
        facets=facets,
        outputFacets={} if rows is None else {"outputStatistics": counted},
    )


def _columns(run: Run, contract: Contract) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    traced = trace(contract, run.catalog.contracts)
    fields = {
        name: column_lineage_dataset.Fields(
            inputFields=_inputs(
                run, column.origins.columns, "DIRECT", "IDENTITY" if column.copied else "TRANSFORMATION"
            )
        )
        for name, column in traced.columns.items()
        if column.origins.columns
    }
    conditions = _inputs(run, traced.conditions.columns, "INDIRECT", None)
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields, dataset=conditions)


def _inputs(
    run: Run, columns: Iterable[ColumnAddress], kind: str, subtype: str | None
) -> list[column_lineage_dataset.InputField]:
    transformation = column_lineage_dataset.Transformation(type=kind, subtype=subtype)
    return [
        column_lineage_dataset.InputField(
            namespace=WAREHOUSE,
            name=run.warehouse.table(column.table),
            field=column.column,
            transformations=[transformation],
        )
        for column in sorted(columns)
    ]


def _lake(run: Run, contract: Contract) -> list[Dataset]:
    """The lake's folder that a source's rows are loaded from."""
    if contract.source is None:
        return []
    address = urlsplit(run.settings.lake_uri)
    namespace = "file" if address.scheme == "file" else f"{address.scheme}://{address.netloc}"
    path = unquote(address.path) if address.scheme == "file" else address.path.lstrip("/")
    return [InputDataset(namespace, f"{path}/raw/{run.system}/{contract.table}")]
