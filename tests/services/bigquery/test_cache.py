import pytest
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from support.bigquery_client import rows_of, session_config


def test_what_sql_changes_is_seen_at_once(client: bigquery.Client, dataset: str) -> None:
    made, view = f"{dataset}.made", f"{dataset}.looked"

    def names() -> list[str]:
        return [column.name for column in client.get_table(made).schema]

    for _ in range(2):
        with pytest.raises(NotFound):
            client.get_table(made)
        client.query_and_wait(f"CREATE TABLE {made} (id INT64 NOT NULL)")
        assert (names(), client.get_table(made).num_rows) == (["id"], 0)
        client.query_and_wait(f"INSERT INTO {made} VALUES (1), (2)")
        assert client.get_table(made).num_rows == 2
        client.query_and_wait(f"ALTER TABLE {made} ADD COLUMN city STRING")
        assert names() == ["id", "city"]
        client.query_and_wait(f"UPDATE {made} SET city = 'Bogor' WHERE id = 2; DELETE FROM {made} WHERE id = 1")
        assert rows_of(client.list_rows(client.get_table(made))) == [(2, "Bogor")]
        client.query_and_wait(f"CREATE OR REPLACE VIEW {view} AS SELECT city FROM {made}")
        assert rows_of(client.query_and_wait(f"SELECT * FROM {view}")) == [("Bogor",)]
        client.query_and_wait(f"CREATE OR REPLACE TABLE {made} AS SELECT 'x' AS code; DROP VIEW {view}")
        assert (names(), client.get_table(made).num_rows) == (["code"], 1)
        with pytest.raises(NotFound):
            client.query_and_wait(f"SELECT * FROM {view}")
        script = f"BEGIN TRANSACTION; INSERT INTO {made} VALUES ('y'); COMMIT TRANSACTION; SELECT COUNT(*) FROM {made}"
        assert rows_of(client.query_and_wait(script)) == [(2,)]
        assert client.get_table(made).num_rows == 2
        session = client.query_and_wait("BEGIN TRANSACTION", job_config=bigquery.QueryJobConfig(create_session=True))
        config = session_config(client, session)
        client.query_and_wait(f"INSERT INTO {made} VALUES ('z')", job_config=config)
        assert client.get_table(made).num_rows == 2
        client.query_and_wait("COMMIT TRANSACTION", job_config=config)
        assert client.get_table(made).num_rows == 3
        client.query_and_wait(f"DROP TABLE {made}")
        assert made.split(".")[1] not in [item.table_id for item in client.list_tables(dataset)]
