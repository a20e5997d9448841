"""The files of a new source: its contract, and a small sample, or the contract of a CSV file that is there."""

from __future__ import annotations

import io
import re
import unicodedata
from pathlib import Path

from sqlglot.dialects.bigquery import BigQuery

from lumbung.catalog.contract import SQL_ROOT, Column, Kind
from lumbung.cli.new.files import Files, check_name, render
from lumbung.sources.csv_header import STRICT
from lumbung.sources.csv_sniff import layout

_SAMPLE = [
    Column(name="id", required=True, description="The source's id of the row."),
    Column(name="name", description="What it is called."),
]


def files(system: str, table: str, kind: Kind, data_source: Path) -> Files:
    """The files of a source.

    Args:
        system: whose source it is.
        table: its table in staging.
        kind: what it is read from; the sample of `postgres` is the seed of the embedded PostgreSQL.
        data_source: the folder that samples are read from; of a CSV file that is there the contract has the columns.

    Raises:
        SourceError: such a file has no header.
    """
    suffix = "csv" if kind == "postgres" else kind
    sample = data_source / f"{check_name(table)}.{suffix}"
    is_there = kind == "csv" and sample.is_file()
    keys, columns = _of_file(sample) if is_there else ({}, _SAMPLE)
    values = {"system": system, "table": table, "kind": kind, "keys": keys, "columns": columns}
    contract: Files = {contract_path(table): render("source/contract.yaml.j2", **values)}
    if is_there:
        return contract
    text = Path(__file__).with_name(f"sample.{'json' if kind == 'json' else 'csv'}").read_text(encoding="utf-8")
    return contract | {sample: _workbook(table, text) if kind == "xlsx" else text}


def _workbook(sheet: str, csv: str) -> bytes:
    """The rows of a CSV sample in a sheet of a workbook."""
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    rows = workbook.create_sheet(sheet)
    for line in csv.splitlines():
        rows.append(line.split(","))
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def contract_path(table: str) -> Path:
    """The file of a source's contract."""
    return SQL_ROOT / "staging" / f"{table}.yaml"


def _of_file(path: Path) -> tuple[dict[str, object], list[Column]]:
    """The keys of the source and the columns of a CSV file; the first column is the key."""
    dialect, header, decimals = layout(path)
    changed = zip(dialect._fields, dialect, STRICT, strict=True)
    keys: dict[str, object] = {key: value for key, value, default in changed if value != default}
    columns: list[Column] = []
    for cell, decimal in zip(header, decimals, strict=True):
        name = _name(cell, [column.name for column in columns])
        described = {"name": name, "description": f"The source's {' '.join(cell.split())}.", "required": not columns}
        columns.append(
            Column.model_validate(described | {"decimal": decimal} | ({"from": cell} if cell != name else {}))
        )
    return keys, columns


def _name(cell: str, taken: list[str]) -> str:
    """A column's name like a header's cell, and none of those that are taken."""
    letters = unicodedata.normalize("NFKD", cell).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    if not name or name[0].isdigit() or name in BigQuery.Generator.RESERVED_KEYWORDS:
        name = f"column_{name}".rstrip("_")
    number = 1
    while (unique := name if number == 1 else f"{name}_{number}") in (*taken, "snapshot_date"):
        number += 1
    return unique
