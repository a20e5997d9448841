"""What all readers share: the schema of a source's rows, and the values that a contract does not allow."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lumbung.catalog.contract import Contract
from lumbung.sources import texts

_short = reprlib.Repr(maxstring=60)


def schema(contract: Contract) -> pa.Schema:
    """The business columns, all nullable STRING."""
    return pa.schema([(column.name, pa.string()) for column in contract.business_columns])


def faults(contract: Contract, rows: pa.RecordBatch) -> pa.StringArray:
    """Why each row must be rejected: its first column that is null, blank or a text which is not allowed; null if kept.

    Args:
        contract: a staging table's contract.
        rows: its business columns.
    """
    reasons = pa.nulls(rows.num_rows, pa.string())
    for column in contract.business_columns:
        values = rows.column(column.name)
        checks = []
        if column.name in contract.key:
            blank = pc.or_(pc.equal(values, ""), pc.utf8_is_space(values))
            checks = [("key", "null", values.is_null()), ("key", "blank", blank)]
        elif column.required:
            checks = [("required", "null", values.is_null())]
        for role, state, mask in checks:
            if pc.any(mask).as_py():
                reason = pa.scalar(f"{role} column {column.name} is {state}")
                reasons = pc.coalesce(reasons, pc.if_else(mask, reason, pa.scalar(None, pa.string())))
        if column.values or column.parses_as:
            reasons = pc.coalesce(reasons, texts.faults(column, values))
    return reasons


def key_of(contract: Contract, values: Sequence[str | None]) -> dict[str, str | None]:
    """The texts of a row's key columns; None for one that is null or blank.

    Args:
        contract: a staging table's contract.
        values: the row's, in the order of the business columns.
    """
    row = dict(zip((column.name for column in contract.business_columns), values, strict=True))
    return {name: text if (text := row[name]) and not text.isspace() else None for name in contract.key}


def mismatch(expected: list[str], actual: Iterable[str]) -> str:
    """How actual names differ from the expected ones; empty if they are the same set, each once."""
    counts = Counter(actual)
    differences = {
        "missing": [name for name in expected if name not in counts],
        "unexpected": [name for name in counts if name not in expected],
        "repeated": [name for name, count in counts.items() if count > 1],
    }
    return "; ".join(
        f"{kind}: {', '.join(map(_short.repr, names[:20]))}" for kind, names in differences.items() if names
    )
