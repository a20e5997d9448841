"""A table's contract in the Open Data Contract Standard (ODCS) 3.2.0, for tools that read that.

https://bitol-io.github.io/open-data-contract-standard: what the standard has no field for is in `customProperties`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import yaml

from lumbung.catalog import audit
from lumbung.catalog.contract import Check, Column, Contract, Reference, Severity
from lumbung.catalog.lineage import ColumnLineage
from lumbung.catalogue.entries import Entries, TableEntry

VERSION = "v3.2.0"
LOGICAL: dict[str, dict[str, Any]] = {
    "STRING": {"logicalType": "string"},
    "INT64": {"logicalType": "integer", "logicalTypeOptions": {"format": "i64"}},
    "NUMERIC": {"logicalType": "number"},
    "FLOAT64": {"logicalType": "number", "logicalTypeOptions": {"format": "f64"}},
    "BOOL": {"logicalType": "boolean"},
    "DATE": {"logicalType": "date"},
    "TIMESTAMP": {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}},
    "JSON": {"logicalType": "object"},
    "ARRAY<STRING>": {"logicalType": "array", "items": {"logicalType": "string", "physicalType": "STRING"}},
}
SEVERITIES: dict[Severity, str] = {"fail": "error", "warn": "warning"}


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as lines."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def text(entries: Entries, address: str) -> str:
    """The contract as a YAML file."""
    content = document(entries, entries.tables[address])
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def document(entries: Entries, table: TableEntry) -> dict[str, Any]:
    """The contract as the standard has it.

    Args:
        entries: all tables.
        table: the table.
    """
    contract = table.contract
    (system,) = [each for each in entries.systems if each.name == contract.system]
    settings = entries.settings
    content = {
        "kind": "DataContract",
        "apiVersion": VERSION,
        "id": f"lumbung.{contract.address}",
        "name": contract.address,
        # Contracts have no version numbers: this changes with what the file says, and with nothing else.
        "version": hashlib.sha256(contract.definition.encode()).hexdigest()[:12],
        "status": "active",
        "domain": contract.system,
        "dataProduct": system.label,
        "description": {"purpose": contract.description, "limitations": _limitations(table)},
        "servers": [
            {
                "server": settings.warehouse,
                "type": "bigquery",
                "project": settings.project_id,
                "dataset": f"{settings.dataset_prefix}{contract.dataset}",
            }
        ],
        "schema": [_object(entries, table)],
        "slaProperties": _service_levels(table),
        "customProperties": _custom(entries, table),
    }
    standard: dict[str, Any] = _without_empty(content)
    return standard


def _object(entries: Entries, table: TableEntry) -> dict[str, Any]:
    contract = table.contract
    quality, by_column = _quality(contract, entries.settings.dataset_prefix)
    return {
        "id": contract.table,  # by which other contracts refer to it
        "name": contract.table,
        "physicalName": contract.table,
        "physicalType": "TABLE",
        "logicalType": "object",
        "description": contract.description,
        "dataGranularityDescription": contract.grain,
        "properties": [
            {**_property(contract, column, table.lineage.columns[column.name]), "quality": by_column.get(column.name)}
            for column in contract.columns
        ],
        "relationships": _relationships(entries, contract),
        "quality": quality,
    }


def _property(contract: Contract, column: Column, made: ColumnLineage) -> dict[str, Any]:
    position = contract.key.index(column.name) + 1 if column.name in contract.key else None
    partitioned = column.name == contract.partition
    origins = [*map(str, sorted(made.origins.columns)), *sorted(made.origins.counted)]
    source = contract.source
    if made.field is not None and source:
        origins = [f"{source.label}: {made.field}"]
    return {
        "id": column.name,
        "name": column.name,
        "physicalName": column.name,
        "description": column.description,
        **LOGICAL[column.type],
        "physicalType": column.type,
        "required": column.required or position is not None,
        "unique": True if contract.key == [column.name] and not contract.partition else None,
        "primaryKey": True if position else None,
        "primaryKeyPosition": position,
        "partitioned": True if partitioned else None,
        "partitionKeyPosition": 1 if partitioned else None,
        "enum": [{"value": value} for value in column.values or []],
        "transformSourceObjects": origins,
        "transformLogic": made.expression,
        "transformDescription": _how(made),
    }


def _how(made: ColumnLineage) -> str | None:
    """In words, how a column is made of its origins."""
    if made.origins.untraced:
        return f"not traced: {', '.join(sorted(made.origins.untraced))}"
    if made.copied or made.field is not None:
        return "copied"
    if made.origins.counted and not made.origins.columns:
        return f"counts rows of {', '.join(sorted(made.origins.counted))}"
    return "computed" if made.origins.columns else None


def _quality(contract: Contract, prefix: str) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The checks of the table, and of single columns by name.

    Args:
        contract: the table.
        prefix: of data sets, in queries.
    """
    of_table: list[dict[str, Any]] = []
    by_column: dict[str, list[dict[str, Any]]] = {}
    for name, check in audit.checks(contract).items():
        severity = SEVERITIES[check.severity]
        if check.not_null:
            for column in check.not_null:
                rule = {"type": "library", "metric": "nullValues", "mustBe": 0}
                by_column.setdefault(column, []).append(
                    {"name": f"not_null({column})", "dimension": "completeness", "severity": severity, **rule}
                )
        else:
            of_table.append({"name": name, "severity": severity, **_rule(contract, check, prefix)})
    if contract.source and contract.source.min_rows:
        least = {"type": "library", "metric": "rowCount", "mustBeGreaterOrEqualTo": contract.source.min_rows}
        description = "Fewer rows refuse the day."
        of_table.append({"name": "min_rows", "severity": "error", "description": description, **least})
    return of_table, by_column


def _rule(contract: Contract, check: Check, prefix: str) -> dict[str, Any]:
    """A check as a metric of the standard, or as SQL that counts its violations.

    Args:
        contract: the table.
        check: the check.
        prefix: of data sets, in queries.
    """
    if check.unique:
        columns = dict.fromkeys([*([contract.partition] if contract.partition else []), *check.unique])
        return {
            "type": "library",
            "metric": "duplicateValues",
            "arguments": {"properties": list(columns)},
            "dimension": "uniqueness",
            "mustBe": 0,
        }
    if check.rows:
        least, most = check.rows.get("min"), check.rows.get("max")
        bound: dict[str, Any] = {"mustBeGreaterOrEqualTo": least} if most is None else {"mustBeLessOrEqualTo": most}
        if least is not None and most is not None:
            bound = {"mustBe": least} if least == most else {"mustBeBetween": [least, most]}
        return {"type": "library", "metric": "rowCount", "dimension": "completeness", **bound}
    query = audit.count(contract, check, lambda address: f"{prefix}{address}")
    return {"type": "sql", "query": query, "unit": "rows", "dimension": "conformity", "mustBe": 0}


def _relationships(entries: Entries, contract: Contract) -> list[dict[str, Any]]:
    """The foreign keys: those of a source, and those of checks that stop the run."""
    found = [
        *((reference, f"{contract.dataset}.{reference.table}") for reference in contract.references),
        *(
            (check.references, check.references.table)
            for check in contract.checks
            if check.references and check.severity == "fail"
        ),
    ]
    return [_relationship(contract, reference, other) for reference, other in found if other in entries.tables]


def _relationship(contract: Contract, reference: Reference, other: str) -> dict[str, Any]:
    # To a column of another contract by that one's file, as names are unique in a file only.
    start = [f"{contract.table}.{column}" for column in reference.columns]
    end = [f"{other}.odcs.yaml#/schema/{other.partition('.')[2]}/properties/{column}" for column in reference.key]
    return {"from": start[0], "to": end[0]} if len(start) == 1 else {"from": start, "to": end}


def _service_levels(table: TableEntry) -> list[dict[str, Any]]:
    """How often it is built; nothing of what the program writes about itself, which has no schedule of its own."""
    if table.sql is None and table.contract.source is None:
        return []
    description = "Made every day, after midnight in Asia/Jakarta, for the business day that has ended."
    element = table.contract.table
    return [{"property": "frequency", "value": 1, "unit": "d", "element": element, "description": description}]


def _limitations(table: TableEntry) -> str | None:
    """What the query's header warns of."""
    lines = [line.removeprefix("--").strip() for line in (table.sql or "").splitlines() if line.startswith("--")]
    traps = " ".join(lines).partition("Traps: ")[2]
    return traps or None


def _custom(entries: Entries, table: TableEntry) -> list[dict[str, Any]]:
    contract = table.contract
    source = contract.source and contract.source.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    values = {
        "incremental": contract.incremental or None,
        "source": source,
        "upstreamTables": table.upstream,
        "downstreamTables": table.downstream,
        "rowConditions": list(map(str, sorted(table.lineage.conditions.columns))),
        "sources": entries.sources(contract.address),
        "query": table.sql,
    }
    return [{"property": name, "value": value} for name, value in values.items() if value]


def _without_empty(value: Any) -> Any:
    """Leave out what is not given: the standard has no nulls, and lists with at least one item."""
    if isinstance(value, dict):
        pairs = ((key, _without_empty(each)) for key, each in value.items())
        return {key: each for key, each in pairs if each is not None and each not in ([], {}, "")}
    if isinstance(value, list):
        return [_without_empty(each) for each in value]
    return value
