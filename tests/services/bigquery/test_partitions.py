import datetime
from collections.abc import Callable

import pytest
from google.api_core.exceptions import BadRequest, Conflict
from google.cloud import bigquery

from support.bigquery_client import copy, ids, load, query


def write_by_load(client: bigquery.Client, table: str, disposition: str) -> None:
    load(client, f"{table}$20260101", [("x", "2026-01-01")], disposition=disposition)


def write_by_query(client: bigquery.Client, table: str, disposition: str) -> None:
    day = bigquery.ScalarQueryParameter("day", "DATE", datetime.date(2026, 1, 1))
    query(client, "SELECT 'x' AS id, @day AS snapshot_date", f"{table}$20260101", disposition, query_parameters=[day])


def write_by_copy(client: bigquery.Client, table: str, disposition: str) -> None:
    load(client, f"{table}_source$20260101", [("x", "2026-01-01")])
    load(client, f"{table}_source$20260102", [("not copied", "2026-01-02")])
    copy(client, f"{table}_source$20260101", f"{table}$20260101", disposition)


@pytest.mark.parametrize("write", [write_by_load, write_by_query, write_by_copy])
@pytest.mark.parametrize(("disposition", "expected"), [("WRITE_TRUNCATE", "1:x 2:c"), ("WRITE_APPEND", "1:a,b,x 2:c")])
def test_a_job_writes_one_partition(
    client: bigquery.Client, table: str, write: Callable[..., None], disposition: str, expected: str
) -> None:
    write(client, table, disposition)
    assert ids(client, table) == expected


@pytest.mark.parametrize("write", [write_by_load, write_by_query, write_by_copy])
def test_a_partition_with_rows_is_not_empty(client: bigquery.Client, table: str, write: Callable[..., None]) -> None:
    with pytest.raises(Conflict, match="Already Exists"):
        write(client, table, "WRITE_EMPTY")
    assert ids(client, table) == "1:a,b 2:c"


def test_a_query_into_a_partition_returns_that_partition_and_may_read_it(client: bigquery.Client, table: str) -> None:
    sql = f"SELECT id || '!' AS id, snapshot_date FROM {table} WHERE id = 'a'"
    assert query(client, sql, f"{table}$20260101") == [("a!", datetime.date(2026, 1, 1))]
    assert ids(client, table) == "1:a! 2:c"


@pytest.mark.parametrize("sql", ["SELECT * FROM `{}$20260101`", "CREATE TABLE `{}$20260103` AS SELECT 1 AS x"])
def test_sql_names_no_partition(client: bigquery.Client, table: str, sql: str) -> None:
    with pytest.raises(BadRequest, match="decorator"):
        client.query_and_wait(sql.format(table))
