"""What the warehouse's jobs are configured with, as BigQuery takes it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from google.cloud import bigquery


def parameter(name: str, value: date | str | int | Sequence[date]) -> Any:
    """A query parameter: DATE, STRING, INT64 or ARRAY<DATE>."""
    if isinstance(value, str | date | int):
        kind = "DATE" if isinstance(value, date) else "INT64" if isinstance(value, int) else "STRING"
        return bigquery.ScalarQueryParameter(name, kind, value)
    return bigquery.ArrayQueryParameter(name, "DATE", list(value))


def list_inference() -> Any:
    """Options by which a list in Parquet becomes an array, and not a record of records."""
    from google.cloud.bigquery.format_options import ParquetOptions

    options = ParquetOptions()  # type: ignore[no-untyped-call]
    options.enable_list_inference = True
    return options


def labels(given: Mapping[str, str]) -> dict[str, str]:
    """Label values as BigQuery takes them: lower case letters, digits, `_` and `-`, at most 63."""
    return {key: re.sub(r"[^a-z0-9_-]", "-", str(value).lower())[:63] for key, value in given.items()}


def new_id(kind: str, where: str) -> str:
    """A job id that is not taken."""
    return f"lumbung-{kind}-{re.sub(r'[^A-Za-z0-9_-]', '-', where)[-80:]}-{uuid.uuid4().hex}"
