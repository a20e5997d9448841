"""The files of a new source: contract and a small sample."""

from __future__ import annotations

import io
from pathlib import Path

from lumbung.catalog.contract import SQL_ROOT, Kind
from lumbung.cli.new.files import Files, check_name, render


def files(system: str, table: str, kind: Kind, data_source: Path) -> Files:
    """The files of a source.

    Args:
        system: whose source it is.
        table: its table in staging.
        kind: what it is read from; the sample of `postgres` is the seed of the embedded PostgreSQL.
        data_source: the folder that samples are read from.
    """
    suffix = "csv" if kind == "postgres" else kind
    contract = render("source/contract.yaml.j2", system=system, table=check_name(table), kind=kind)
    text = Path(__file__).with_name(f"sample.{'json' if kind == 'json' else 'csv'}").read_text(encoding="utf-8")
    sample = _workbook(table, text) if kind == "xlsx" else text
    return {contract_path(table): contract, data_source / f"{table}.{suffix}": sample}


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
