from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from support.bigquery_client import rows_of, session_config


def test_jobs_are_shown_at_once_and_within_a_transaction(client: bigquery.Client) -> None:
    sql = "SELECT COUNT(*) > 0 FROM `region-us`.INFORMATION_SCHEMA.JOBS"
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: rows_of(client.query_and_wait(sql)), range(8))) == [[(True,)]] * 8
    session = client.query_and_wait("BEGIN TRANSACTION", job_config=bigquery.QueryJobConfig(create_session=True))
    config = session_config(client, session)
    assert rows_of(client.query_and_wait(sql, job_config=config)) == [(True,)]
    client.query_and_wait("COMMIT TRANSACTION", job_config=config)


def test_a_temporary_table_needs_no_default_data_set(client: bigquery.Client) -> None:
    script = "CREATE TEMP TABLE made AS SELECT 1 AS x; INSERT INTO made VALUES (2); SELECT SUM(x) FROM made"
    assert rows_of(client.query_and_wait(script)) == [(3,)]
    config = bigquery.QueryJobConfig(create_session=True)
    session = client.query_and_wait("CREATE TEMP TABLE kept (x INT64)", job_config=config)
    config = session_config(client, session)
    client.query_and_wait("INSERT INTO kept VALUES (4)", job_config=config)
    assert rows_of(client.query_and_wait("SELECT x FROM kept", job_config=config)) == [(4,)]
    client.query_and_wait("DROP TABLE kept", job_config=config)
    with pytest.raises(BadRequest, match='Table "kept" must be qualified with a dataset'):
        client.query_and_wait("CREATE TABLE kept (x INT64)")
