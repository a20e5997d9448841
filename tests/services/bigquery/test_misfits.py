"""What a load refuses, and what it reads, where names and values do not fit the table's columns."""

import datetime
import decimal
import io
import json
import re
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from support.bigquery_client import parquet, rows_of

DAY, TIME = datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
RECORD = bigquery.SchemaField("r", "RECORD", fields=[bigquery.SchemaField("y", "INT64")])
RECORDS = bigquery.SchemaField("r", "RECORD", "REPEATED", fields=RECORD.fields)


def loaded(client: bigquery.Client, dataset: str, data: bytes | list[Any], *fields: Any, **options: Any) -> list[Any]:
    """The rows of a table that a load makes of a file's content, which is Parquet, or of rows of JSON or CSV."""
    kind = "PARQUET"
    if isinstance(data, list):
        kind = "CSV" if isinstance(data[0], str) else "NEWLINE_DELIMITED_JSON"
        data = "".join(f"{row if kind == 'CSV' else json.dumps(row)}\n" for row in data).encode()
    schema = [bigquery.SchemaField(*field) if isinstance(field, tuple) else field for field in fields]
    config = bigquery.LoadJobConfig(source_format=kind, schema=schema, write_disposition="WRITE_TRUNCATE", **options)
    client.load_table_from_file(io.BytesIO(data), f"{dataset}.loaded", job_config=config).result(timeout=60)
    return rows_of(client.list_rows(f"{dataset}.loaded"))


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (1.5, "INT64", "'x' has type DOUBLE, which does not convert to INT64"),
        (1, "FLOAT64", "'x' has type BIGINT, which does not convert to FLOAT64"),
        (1, "STRING", "'x' has type BIGINT, which does not convert to STRING"),
        ("1", "INT64", "'x' has type VARCHAR, which does not convert to INT64"),
        ("YQ==", "BYTES", "'x' has type VARCHAR, which does not convert to BYTES"),
        ("2026-01-02", "DATE", "'x' has type VARCHAR, which does not convert to DATE"),
        (DAY, "TIMESTAMP", "'x' has type DATE, which does not convert to TIMESTAMP"),
        (decimal.Decimal("1.5"), "FLOAT64", "'x' has type DECIMAL, which does not convert to FLOAT64"),
    ],
)
def test_a_parquet_column_that_does_not_convert(
    client: bigquery.Client, dataset: str, value: Any, kind: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=f"Parquet column {message}, the type of the table's column"):
        loaded(client, dataset, parquet({"x": [value]}), ("x", kind))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "BOOL"),
        (1, "INT64"),
        (1.5, "FLOAT64"),
        (decimal.Decimal("1.5"), "NUMERIC"),
        ("a", "STRING"),
        (b"a", "BYTES"),
        (DAY, "DATE"),
        (TIME, "TIMESTAMP"),
        (TIME.time(), "TIME"),
        (TIME.replace(tzinfo=None), "DATETIME"),
    ],
)
def test_a_parquet_column_that_converts(client: bigquery.Client, dataset: str, value: Any, kind: str) -> None:
    assert loaded(client, dataset, parquet({"x": [value, None]}), ("x", kind)) == [(value,), (None,)]


def test_values_within_parquet_lists_and_records(client: bigquery.Client, dataset: str) -> None:
    assert loaded(client, dataset, parquet({"l": [[1]]}), ("l", "INT64", "REPEATED")) == [([1],)]
    assert loaded(client, dataset, parquet({"r": [{"Y": 1}]}), RECORD) == [({"y": 1},)]
    assert loaded(client, dataset, parquet({"r": [[{"y": 1}]]}), RECORDS) == [([{"y": 1}],)]
    with pytest.raises(BadRequest, match="Parquet column 'l' has type DOUBLE"):
        loaded(client, dataset, parquet({"l": [[1.5]]}), ("l", "INT64", "REPEATED"))
    for field, value in ((RECORD, {"y": 1.5}), (RECORDS, [{"y": 1.5}])):
        with pytest.raises(BadRequest, match=r"Parquet column 'r\.y' has type DOUBLE"):
            loaded(client, dataset, parquet({"r": [value]}), field)


@pytest.mark.parametrize("rows", [parquet({"A": [1], "z": [2]}), [{"A": 1, "z": 2}]])
def test_names_of_another_case_and_unknown_ones(client: bigquery.Client, dataset: str, rows: Any) -> None:
    with pytest.raises(BadRequest, match=r"No such field: z\. (Row 1|The Parquet file) has it"):
        loaded(client, dataset, rows, ("a", "INT64"))
    assert loaded(client, dataset, rows, ("a", "INT64"), ignore_unknown_values=True) == [(1,)]
    assert list(client.get_table(f"{dataset}.loaded").schema) == [bigquery.SchemaField("a", "INTEGER")]


def test_names_within_json_records(client: bigquery.Client, dataset: str) -> None:
    assert loaded(client, dataset, [{"R": {"Y": 1}}, {"R": None}], RECORD) == [({"y": 1},), (None,)]
    assert loaded(client, dataset, [{"r": [{"Y": 1}, {"Y": 2}]}], RECORDS) == [([{"y": 1}, {"y": 2}],)]
    with pytest.raises(BadRequest, match=r"No such field: r\.q\. Row 2 has it"):
        loaded(client, dataset, [{"r": {"y": 1}}, {"r": {"y": 1, "q": 1}}], RECORD)
    with pytest.raises(BadRequest, match=r"spells the field 'r\.y' in several ways \(y, Y\)"):
        loaded(client, dataset, [{"r": {"y": 1}}, {"r": {"Y": 1}}], RECORD)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.5, "INT64"),
        ("1.5", "INT64"),
        ("1_0", "INT64"),
        ("0x1", "INT64"),
        (2**63, "INT64"),
        (True, "INT64"),
        ("x", "FLOAT64"),
        (1, "BOOL"),
        ("yes", "BOOL"),
        ("x", "DATE"),
        ("x", "TIMESTAMP"),
    ],
)
def test_a_json_value_that_does_not_fit(client: bigquery.Client, dataset: str, value: Any, kind: str) -> None:
    rows, shown = [{"x": None}, {}, {"x": value}], re.escape(str(value) if value is not True else "true")
    with pytest.raises(BadRequest, match=f"Row 3, field x: '{shown}' is not a value of {kind}"):
        loaded(client, dataset, rows, ("x", kind))
    assert loaded(client, dataset, rows, ("x", kind), max_bad_records=1) == [(None,), (None,)]


def test_json_values_that_do_not_fit_within_lists_and_records(client: bigquery.Client, dataset: str) -> None:
    for field, value in ((RECORD, {"y": 1.5}), (RECORDS, [{"y": 1}, {"y": "x"}]), (("r", "DATE", "REPEATED"), ["x"])):
        with pytest.raises(BadRequest, match="Row 1, field r: "):
            loaded(client, dataset, [{"r": value}], field)


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ("12", "INT64", 12),
        (-(2**63), "INT64", -(2**63)),
        (1.0, "INT64", 1),
        ("1.5", "FLOAT64", 1.5),
        (1, "FLOAT64", 1.0),
        (True, "BOOL", True),
        ("FALSE", "BOOL", False),
        (1, "STRING", "1"),
        ("YQ==", "BYTES", b"a"),
        ("2026-01-02", "DATE", DAY),
        ("2026-01-02T03:04:00Z", "TIMESTAMP", TIME),
        ("1.5", "NUMERIC", decimal.Decimal("1.5")),
    ],
)
def test_a_json_value_that_fits(client: bigquery.Client, dataset: str, value: Any, kind: str, read: Any) -> None:
    assert loaded(client, dataset, [{"x": value}], ("x", kind)) == [(read,)]
    assert loaded(client, dataset, [{"x": [value, value]}], ("x", kind, "REPEATED")) == [([read, read],)]


def test_a_number_with_a_fraction_is_not_an_integer_in_csv(client: bigquery.Client, dataset: str) -> None:
    assert loaded(client, dataset, ["1,yes"], ("x", "INT64"), ("y", "BOOL")) == [(1, True)]
    with pytest.raises(BadRequest, match=r"Row 2, field x: '1\.0' is not a value of INT64"):
        loaded(client, dataset, ["1", "1.0"], ("x", "INT64"))
