import datetime
from typing import Any

import pytest
from google.cloud import bigquery

from support.bigquery_client import rows_of


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("7", "INT64", 7),
        (" -7 ", "INT64", -7),
        ("1.9", "INT64", None),
        ("1e3", "INT64", None),
        ("1_0", "INT64", None),
        ("99999999999999999999", "INT64", None),
        ("1.5", "FLOAT64", 1.5),
        ("1_0", "FLOAT64", None),
        ("true", "BOOL", True),
        ("yes", "BOOL", None),
        ("2026-1-2", "DATE", datetime.date(2026, 1, 2)),
        ("2026-01-02 10:00:00", "DATE", None),
        ("2026/01/02", "DATE", None),
        (None, "INT64", None),
    ],
)
def test_safe_cast_of_a_string(client: bigquery.Client, text: str | None, kind: str, expected: Any) -> None:
    settings = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("text", "STRING", text)])
    sql = (
        f"SELECT SAFE_CAST(@text AS {kind}), SAFE_CAST(column AS {kind}) FROM UNNEST([@text, @text]) AS column LIMIT 1"
    )
    if text is None:  # BigQuery's arrays hold no NULL
        sql = f"SELECT SAFE_CAST(@text AS {kind}), SAFE_CAST(CAST(NULL AS STRING) AS {kind})"
    assert rows_of(client.query_and_wait(sql, job_config=settings)) == [(expected, expected)]


def test_safe_cast_of_a_number_rounds(client: bigquery.Client) -> None:
    assert rows_of(client.query_and_wait("SELECT SAFE_CAST(1.9 AS INT64)")) == [(2,)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SELECT CAST(x AS INT64) FROM UNNEST(['1.9']) AS x", "Bad int64 value: 1.9"),
        ("CAST('yes' AS BOOL)", "Bad bool value: yes"),
        ("CAST('2026/01/02' AS DATE)", "Invalid date: 2026/01/02"),
        ("CAST('24:00:00' AS TIME)", "Invalid time string: 24:00:00"),
        ("CAST(' 12 ' AS INT64)", 12),
        ("CAST('3:4:5' AS TIME)", datetime.time(3, 4, 5)),
        ("STRING(CAST('2026-01-02 03:04:05 Asia/Jakarta' AS TIMESTAMP))", "2026-01-01 20:04:05+00"),
        ("SELECT SAFE_CAST(x AS INT64) FROM UNNEST([2.5]) AS x", 3),
        ("CAST(NUMERIC '1.50' AS STRING)", "1.5"),
        ("CAST(1 / 3 AS STRING)", "0.33333333333333331"),
        ("CAST(1e15 AS STRING)", "1e+15"),
        ("CAST(TIMESTAMP '2026-01-02 03:04:05.12+00' AS STRING)", "2026-01-02 03:04:05.120+00"),
        ("STRING(TIMESTAMP '2026-01-02 03:04:05.1234+00', 'Asia/Jakarta')", "2026-01-02 10:04:05.123400+07"),
        ("CAST(TIMESTAMP '2026-01-02 03:04:05+00' AS TIME)", datetime.time(3, 4, 5)),
        ("CAST('é\\\\' AS BYTES)", "é\\".encode()),
        ("CAST(b'\\xc3\\xa9' AS STRING)", "é"),
        ("SAFE_CAST(b'\\xff' AS STRING)", None),
        ("b'\\xff\\101\\n'", b"\xffA\n"),
        ("'\\\\x41'", "\\x41"),
    ],
)
def test_casts_and_literals(value: Any, expression: str, expected: Any) -> None:
    assert value(expression) == expected
