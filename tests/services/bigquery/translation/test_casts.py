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
