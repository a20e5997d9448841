"""Writes the dbt project of the peer: the project's queries as models, its contracts' checks as tests."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import sqlglot
import yaml

from lumbung.catalog import query as queries
from lumbung.catalog.contract import Catalog, Check, Contract, Reference

HERE = Path(__file__).parent
SYSTEM = "pinter_skuy"
NAME = re.compile(r"(staging|dwh|datamart)__(\w+)")

DAY = """'{{ env_var("DAY") }}'"""

Test = dict[str, Any]


def tables() -> tuple[list[Contract], list[Contract]]:
    """The sources that the others load, and the tables that are made of these alone, in the order of their references.

    They do without the workbook of campus branches, and so without two tables that Lumbung makes.
    """
    catalog = Catalog()
    sources = [contract for contract in catalog.sources(SYSTEM) if contract.source and contract.source.kind != "xlsx"]
    known = {contract.address for contract in sources}
    made = []
    for contract in queries.tables(catalog, SYSTEM):
        if queries.dependencies(contract) <= known:
            known.add(contract.address)
            made.append(contract)
    return sources, made


def rendered(contract: Contract, names: Callable[[str], str]) -> str:
    """A table's query in GoogleSQL, its references by names without quotes."""
    return queries.render(contract, names).replace("`", "")


def duckdb(text: str, day: str) -> str:
    """GoogleSQL as DuckDB takes it.

    Args:
        text: one statement.
        day: what stands for the snapshot's day, an expression of type text.
    """
    (statement,) = sqlglot.transpile(
        text.replace("@snapshot_date", "CAST('DAY' AS DATE)"), read="bigquery", write="duckdb"
    )
    return statement.replace("'DAY'", day)


def address(name: str) -> str:
    """How a model or a test refers to a table."""
    dataset, table = name.split(".")
    return f"source('staging', '{table}')" if dataset == "staging" else f"ref('{table}')"


def write(folder: Path) -> None:
    """Write the project into a new folder."""
    shutil.copytree(HERE / "dbt", folder)
    models = folder / "models"
    models.mkdir()
    sources, made = tables()
    for contract in made:
        (models / f"{contract.table}.sql").write_text(_model(contract))
    schema = {
        "version": 2,
        "sources": [{"name": "staging", "tables": list(map(_described, sources))}],
        "models": list(map(_described, made)),
    }
    (models / "schema.yml").write_text(yaml.safe_dump(schema, sort_keys=False, allow_unicode=True))


def _model(contract: Contract) -> str:
    """A model; a daily table keeps the days before."""
    query = duckdb(rendered(contract, lambda name: name.replace(".", "__")), DAY)
    query = NAME.sub(lambda match: f"{{{{ {address(f'{match[1]}.{match[2]}')} }}}}", query)
    options = f"materialized='table', schema='{contract.dataset}'"
    if contract.is_daily:
        options = (
            f"materialized='incremental', incremental_strategy='delete+insert', unique_key='{contract.partition}',"
            f" schema='{contract.dataset}'"
        )
    return f"{{{{ config({options}) }}}}\n{query}\n"


def _described(contract: Contract) -> dict[str, Any]:
    """A table's tests, as `schema.yml` has them: those of its key and required columns, then its checks."""
    columns: dict[str, list[str | Test]] = {column.name: [] for column in contract.columns}
    tests: list[Test] = []
    checks = [Check(unique=contract.key), *contract.checks]
    checks += [Check(references=reference) for reference in _absolute(contract.references)]
    required = [column.name for column in contract.columns if column.required or column.name in contract.key]
    for check in [Check(not_null=required), *checks]:
        severity = {"config": {"severity": "warn"}} if check.severity == "warn" else {}
        if check.not_null:
            for name in check.not_null:
                columns[name].append({"not_null": dict(severity)} if severity else "not_null")
        elif check.unique and len(check.unique) == 1 and (contract.source or not contract.is_daily):
            columns[check.unique[0]].append({"unique": severity} if severity else "unique")
        elif check.unique:
            tests.append({"unique_together": {"columns": check.unique, **severity}})
        elif check.references:
            (name,), (key,) = check.references.columns, check.references.key
            columns[name].append({"relationships": {"to": address(check.references.table), "field": key, **severity}})
        elif check.rows:
            tests.append({"at_least_rows": {"least": check.rows["min"], **severity}})
        elif check.equal_rows:
            tests.append({"equal_rows": {"other": address(check.equal_rows), **severity}})
        elif check.expression:
            condition = duckdb(f"SELECT {check.expression}", DAY).removeprefix("SELECT ")
            tests.append({"holds": {"expression": condition, **severity}})
    return {
        "name": contract.table,
        "columns": [{"name": name, "data_tests": found} for name, found in columns.items() if found],
        "data_tests": tests,
    }


def _absolute(references: Iterable[Reference]) -> list[Reference]:
    return [reference.model_copy(update={"table": f"staging.{reference.table}"}) for reference in references]
