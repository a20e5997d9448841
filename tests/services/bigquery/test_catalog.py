import datetime

from google.cloud import bigquery

from support.bigquery_client import SCHEMA, ids, rows_of


def test_a_load_makes_the_table_with_its_partitioning_and_schema(client: bigquery.Client, table: str) -> None:
    made = client.get_table(table)
    assert (made.num_rows, made.time_partitioning.field, made.schema) == (3, "snapshot_date", SCHEMA)
    assert [item.table_id for item in client.list_tables(table.split(".")[0])] == ["t"]


def test_a_partition_is_read_and_deleted_by_its_name(client: bigquery.Client, table: str) -> None:
    assert client.get_table(f"{table}$20260101").num_rows == 2
    assert rows_of(client.list_rows(f"{table}$20260102")) == [("c", datetime.date(2026, 1, 2))]
    client.delete_table(f"{table}$20260101")
    assert ids(client, table) == "2:c"
    assert client.get_table(f"{table}$20260101").num_rows == 0


def test_a_view_shows_its_new_query_once_it_is_updated(client: bigquery.Client, table: str) -> None:
    view = bigquery.Table(f"{client.project}.{table.split('.')[0]}.v")
    view.view_query = f"SELECT id FROM `{table}`"
    client.create_table(view)
    view.view_query = f"SELECT snapshot_date FROM `{table}`"
    client.update_table(view, ["view_query"])
    rows = client.query_and_wait(f"SELECT * FROM `{view.reference}`")
    assert [field.name for field in rows.schema] == ["snapshot_date"]


def test_a_table_s_time_of_last_change_moves_with_every_change_of_its_rows(client: bigquery.Client, table: str) -> None:
    moments = [client.get_table(table).modified]
    for statement in (
        f"INSERT INTO `{table}` (id, snapshot_date) SELECT 'd', DATE '2026-01-02' FROM `{table}` LIMIT 1",
        f"UPDATE `{table}` SET id = 'e' WHERE id = 'd'",
        f"DELETE FROM `{table}` WHERE id = 'e'",
        f"MERGE `{table}` AS t USING (SELECT 'a' AS id) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET id = 'z'",
    ):
        client.query_and_wait(statement)
        moments.append(client.get_table(table).modified)
    assert not client.insert_rows_json(table, [{"id": "s", "snapshot_date": "2026-01-03"}])
    moments.append(client.get_table(table).modified)
    client.delete_table(f"{table}$20260101")
    moments.append(client.get_table(table).modified)
    client.query_and_wait(f"SELECT * FROM `{table}`")
    assert client.get_table(table).modified == moments[-1], "reading is not a change"
    assert moments == sorted(set(moments))
