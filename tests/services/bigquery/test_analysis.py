import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery

from support.bigquery_client import connect, rows_of, session_config
from support.bigquery_process import run_inside


def types_of(client: bigquery.Client, sql: str, **config: Any) -> list[tuple[str, str]]:
    result = client.query_and_wait(sql, job_config=bigquery.QueryJobConfig(**config))
    return [(field.name, field.field_type) for field in result.schema]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1 AS x UNION ALL SELECT 'a'", r"Column 1 in UNION ALL has incompatible types.*\[1:25\]"),
        ("SELECT\n  NOW()", r"Function not found: NOW.*at \[2:3\]"),
        ("SELECT id FROM {table} WHERE id ILIKE 'a'", r"Syntax error: .* at \[1:\d+\]"),
        ("SELECT 1 AS a, 2 AS A", "Duplicate column names in the result are not supported"),
        ("SELECT nothing FROM {table}", "Unrecognized name: nothing"),
        ("SELECT b'é'", "A BYTES literal with characters beyond ASCII is not supported locally"),
    ],
)
def test_a_query_is_refused_with_googles_words(client: bigquery.Client, table: str, sql: str, message: str) -> None:
    for dry_run in (False, True):
        with pytest.raises(BadRequest, match=message):
            client.query(sql.format(table=table), bigquery.QueryJobConfig(dry_run=dry_run)).result()


def test_a_result_has_googles_names_and_types(client: bigquery.Client, dataset: str) -> None:
    sql = "SELECT DATE '2026-01-01' AS day UNION ALL SELECT '2026-01-02'"
    assert types_of(client, sql) == [("day", "DATE")]
    assert types_of(client, sql, dry_run=True) == [("day", "DATE")]
    assert sorted(rows_of(client.query_and_wait(sql))) == [(datetime.date(2026, 1, day),) for day in (1, 2)]
    sql = "SELECT NULLIF(1, 1.0), 1 AS x, SIGN(NUMERIC '-2'), [1, 2] AS l"
    named = [("f0_", "FLOAT"), ("x", "INTEGER"), ("f1_", "NUMERIC"), ("l", "INTEGER")]
    assert types_of(client, sql) == named
    assert rows_of(client.query_and_wait(sql)) == [(None, 1, Decimal(-1), [1, 2])]
    destination = f"local.{dataset}.made"
    config = bigquery.QueryJobConfig(destination=destination)
    client.query_and_wait("SELECT DATE '2026-01-01' AS day UNION ALL SELECT '2026-01-02'", job_config=config)
    assert [field.field_type for field in client.get_table(destination).schema] == ["DATE"]


def test_parameters_have_the_types_of_the_job(client: bigquery.Client, table: str) -> None:
    day = bigquery.ScalarQueryParameter("day", "DATE", "2026-01-01")
    days = bigquery.ArrayQueryParameter("days", "DATE", ["2026-01-01"])
    pair = bigquery.StructQueryParameter("pair", bigquery.ScalarQueryParameter("x", "INT64", 1))
    config = bigquery.QueryJobConfig(query_parameters=[day, days, pair])
    sql = f"SELECT id, @pair.x FROM {table} WHERE snapshot_date = @day AND snapshot_date IN UNNEST(@days) ORDER BY id"
    assert rows_of(client.query_and_wait(sql, job_config=config)) == [("a", 1), ("b", 1)]
    with pytest.raises(BadRequest, match="No matching signature for operator ="):
        client.query_and_wait(f"SELECT id FROM {table} WHERE id = @day", job_config=config)
    placed = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter(None, "STRING", "c")])
    assert rows_of(client.query_and_wait(f"SELECT id FROM {table} WHERE id = ?", job_config=placed)) == [("c",)]


def test_what_the_engine_cannot_judge_runs(client: bigquery.Client, table: str) -> None:
    dataset = table.split(".")[0]
    client.query_and_wait(f"CREATE OR REPLACE FUNCTION {dataset}.twice(x INT64) AS (2 * x)")
    new_session = bigquery.QueryJobConfig(create_session=True, default_dataset=f"local.{dataset}")
    session = client.query_and_wait(f"CREATE TEMP TABLE kept AS SELECT id FROM {table}", job_config=new_session)
    in_session = session_config(client, session)
    in_session.default_dataset = f"local.{dataset}"
    for sql, expected, config in (
        (f"SELECT {dataset}.twice(4)", 8, None),
        (f"SELECT COUNT(*) FROM {dataset}.INFORMATION_SCHEMA.TABLES WHERE table_name = 't'", 1, None),
        (f"SELECT MAX_BY(id, snapshot_date) FROM {table}", "c", None),
        ("DECLARE x INT64 DEFAULT 3; SELECT x", 3, None),
        ("SELECT COUNT(*) FROM kept", 3, in_session),
    ):
        assert rows_of(client.query_and_wait(sql, job_config=config)) == [(expected,)], sql


def test_a_table_that_changed_is_analysed_afresh(client: bigquery.Client, dataset: str) -> None:
    for kind, value in (("INT64", 1), ("STRING", "a")):
        client.query_and_wait(f"CREATE OR REPLACE TABLE {dataset}.t (x {kind})")
        client.query_and_wait(f"INSERT INTO {dataset}.t VALUES ({value!r})")
        assert rows_of(client.query_and_wait(f"SELECT x FROM {dataset}.t")) == [(value,)]
    with pytest.raises(BadRequest, match="No matching signature"):
        client.query_and_wait(f"SELECT x + 1 FROM {dataset}.t")


WITHOUT = """
from bigquery import analysis
from local_bigquery.jobs.query import JobConfigurationQuery
from local_bigquery.sql import script
from local_bigquery.sql.translate import Context
from lumbung.googlesql.errors import MissingEngineError, NotJudgedError
config = JobConfigurationQuery(query="SELECT NOW()")
for fault in (MissingEngineError("none"), NotJudgedError("too deep")):
    def fail(sql):
        raise fault
    analysis.analyzer.tables = fail
    one = analysis.Analysis()
    print(one.columns(config, Context("local", None), script.parse_script(config.query)), one.is_on)
"""


def test_without_an_engine_queries_run_as_they_are(tmp_path: Path) -> None:
    assert run_inside(WITHOUT, tmp_path).splitlines() == ["None False", "None True"]


def test_a_deep_expression_runs(client: bigquery.Client) -> None:
    assert rows_of(client.query_and_wait(f"SELECT {'+'.join(['1'] * 60)} AS x")) == [(60,)]


def test_a_table_s_name_in_another_case_is_another_table_and_harms_no_later_query(
    client: bigquery.Client, table: str
) -> None:
    other = table.replace(".t", ".T")
    for sql in (f"SELECT id FROM {other}", f"SELECT id FROM {table} UNION ALL SELECT id FROM {other}"):
        with pytest.raises(NotFound):
            client.query_and_wait(sql)
    assert rows_of(client.query_and_wait("SELECT 5 AS five")) == [(5,)]
    assert len(rows_of(client.query_and_wait(f"SELECT id FROM {table}"))) == 3


def test_words_of_the_service_in_comments_and_texts_do_not_hide_a_query(client: bigquery.Client) -> None:
    for sql in ("SELECT 1::STRING AS keys", "-- INFORMATION_SCHEMA\nSELECT '$5' ILIKE 'a'", "SELECT NOW(), '@@x'"):
        with pytest.raises(BadRequest, match=r"Syntax error|Function not found"):
            client.query_and_wait(sql)


def test_many_comments_before_a_statement_take_no_time(client: bigquery.Client, dataset: str) -> None:
    comments = "/* a column */\n" * 200  # with backtracking it would not end
    client.query_and_wait(f"{comments}CREATE OR REPLACE TABLE {dataset}.commented (x INT64)")
    assert rows_of(client.query_and_wait(f"{comments}SELECT 1 AS x")) == [(1,)]


def test_a_start_with_known_queries_does_not_load_the_engine(start_bigquery: Any, tmp_path: Path) -> None:
    for starts in range(2):
        process, url = start_bigquery(tmp_path / "data")
        assert rows_of(connect(url).query_and_wait("SELECT 1 AS x")) == [(1,)]
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert ("libwasmtime" in maps) == (starts == 0)
        process.kill()
        process.wait()
