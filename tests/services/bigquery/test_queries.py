from concurrent.futures import ThreadPoolExecutor

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
