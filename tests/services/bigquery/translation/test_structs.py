"""STRUCT; more probes are in the differential suite, which has queries only."""

import pytest

from support.bigquery_client import rows_of


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SELECT TO_JSON_STRING(STRUCT(a, t.b, 3 AS c)) FROM (SELECT 1 AS a, 2 AS b) AS t", '{"a":1,"b":2,"c":3}'),
        ("SELECT STRUCT(a, 2) = STRUCT(1, 2) FROM (SELECT 1 AS a)", True),
        ("SELECT TO_JSON_STRING([STRUCT(1 AS a), STRUCT(x)]) FROM (SELECT 2 AS x)", '[{"a":1},{"a":2}]'),
        ("SELECT MAX_BY(STRUCT(x, y), y).x FROM (SELECT 1 AS x, 2 AS y UNION ALL SELECT 3, 4)", 3),
        ("SELECT TO_JSON_STRING(STRUCT(1 AS a, 2))", "JSON of a STRUCT without names"),
    ],
)
def test_struct_names(value, expression, expected):
    answer = value(expression)
    assert answer.startswith(expected) if isinstance(expected, str) else answer == expected


@pytest.mark.parametrize(
    "source",
    [
        "SELECT id, STRUCT(id, city) FROM {dataset}.source",
        "SELECT id, STRUCT(id AS b, city AS a) FROM {dataset}.source",
        "SELECT id, s FROM (SELECT id, STRUCT(id, city) AS s FROM {dataset}.source)",
        "SELECT id, s FROM (SELECT id, STRUCT(id AS b, city AS a) AS s FROM {dataset}.source)",
        "SELECT * FROM (SELECT id, STRUCT(id, city) AS s FROM {dataset}.source)",
        "SELECT id, IF(id = 1, STRUCT(id, city), STRUCT(2 AS k, city AS l)) FROM {dataset}.source",
        "SELECT 1, STRUCT(1 AS a, 'x') UNION ALL SELECT id, STRUCT(id, city) FROM {dataset}.source WHERE id = 2",
        "VALUES (1, STRUCT(1, 'x')), (2, STRUCT(2 AS b, 'y' AS a))",
        "VALUES (1, (1, 'x')), (2, (2, 'y'))",
    ],
)
def test_insert_and_merge_by_position(client, dataset, source):
    client.query_and_wait(f"CREATE TABLE {dataset}.source AS SELECT 1 AS id, 'x' AS city UNION ALL SELECT 2, 'y'")
    client.query_and_wait(f"CREATE TABLE {dataset}.t (id INT64, s STRUCT<a INT64, b STRING>)")
    client.query_and_wait(f"INSERT INTO {dataset}.t (id, s) {source.format(dataset=dataset)}")
    assert rows_of(client.query_and_wait(f"SELECT id, s.a, s.b FROM {dataset}.t ORDER BY id")) == [
        (1, 1, "x"),
        (2, 2, "y"),
    ]
    client.query_and_wait(
        f"MERGE {dataset}.t USING (SELECT id + 1 AS id, city FROM {dataset}.source) AS u ON t.id = u.id"
        " WHEN MATCHED THEN UPDATE SET s = STRUCT(u.id AS b, 'new' AS a)"
        " WHEN NOT MATCHED THEN INSERT (id, s) VALUES (u.id, STRUCT(u.id, u.city))"
    )
    client.query_and_wait(f"UPDATE {dataset}.t SET s = STRUCT(id, s.b) WHERE id = 1")
    assert rows_of(client.query_and_wait(f"SELECT id, s.a, s.b FROM {dataset}.t ORDER BY id")) == [
        (1, 1, "x"),
        (2, 2, "new"),
        (3, 3, "y"),
    ]


def test_a_new_table_has_the_names_of_columns(client, dataset):
    client.query_and_wait(
        f"CREATE TABLE {dataset}.t AS SELECT STRUCT(id, city) AS s FROM (SELECT 1 AS id, 'x' AS city)"
    )
    assert rows_of(client.query_and_wait(f"SELECT s.id, s.city FROM {dataset}.t")) == [(1, "x")]
