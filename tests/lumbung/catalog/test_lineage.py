"""Where columns come from: hand-written queries, and all tables of the project."""

import itertools
import random
import re
from collections import defaultdict

import pytest
import yaml

from lumbung.catalog import lineage, query
from lumbung.catalog.contract import Catalog
from lumbung.catalog.query import upstreams
from lumbung.googlesql.analyzer import Catalogue
from support import engines

CATALOG = Catalog()
LINEAGES = lineage.of_catalog(CATALOG)
QUERIES = [address for address, contract in CATALOG.contracts.items() if contract.sql_path.exists()]
SOURCES = {
    "t": {"a": "STRING", "b": "STRING", "C": "INT64", "xs": "ARRAY<STRING>", "d": "DATE", "j": "JSON"},
    "u": {"a": "STRING", "p": "STRING", "q": "STRING"},
}


@pytest.fixture
def traced(tmp_path):
    """Gives the lineage of a query over `staging.t` and `staging.u`, as text."""

    def trace(query, columns):
        tables = {f"staging/{name}": types for name, types in SOURCES.items()}
        for path, types in {**tables, "dwh/made": dict.fromkeys(columns.split(), "STRING")}.items():
            named = [{"name": name, "type": kind, "description": "-"} for name, kind in types.items()]
            content = {"description": "-", "grain": "-", "system": "s", "key": [], "columns": named}
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / f"{path}.yaml").write_text(yaml.safe_dump(content))
        (tmp_path / "dwh/made.sql").write_text(query)
        catalog = Catalog(tmp_path)
        return lineage.trace(catalog["dwh.made"], catalog.contracts)

    return trace


def text(origins):
    """`t.a u.p #t ?x`: columns, then tables whose rows are counted, then what is not traced; without `staging.`."""
    counted = [f"#{table}" for table in sorted(origins.counted)]
    untraced = [f"?{part}" for part in sorted(origins.untraced)]
    return " ".join([*map(str, sorted(origins.columns)), *counted, *untraced]).replace("staging.", "")


@pytest.mark.parametrize(
    ("query", "columns", "conditions"),
    [
        ("SELECT a, T.B AS b, c FROM staging.t AS T", {"a": "t.a", "b": "t.b", "C": "t.C"}, ""),
        ("WITH x AS (SELECT * EXCEPT (d) FROM staging.t) SELECT a, c AS n FROM x", {"a": "t.a", "n": "t.C"}, ""),
        ("WITH t AS (SELECT p AS a FROM staging.u) SELECT a FROM t", {"a": "u.p"}, ""),
        ("SELECT a FROM (WITH z AS (SELECT a FROM staging.t) SELECT a FROM z) AS y", {"a": "t.a"}, ""),
        ("SELECT b || a AS ab, 'x' AS k FROM staging.t", {"ab": "t.a t.b", "k": ""}, ""),
        ("SELECT t.b, p FROM staging.t JOIN staging.u USING (a)", {"b": "t.b", "p": "u.p"}, "t.a u.a"),
        ("SELECT a, SUM(C) AS s FROM staging.t GROUP BY 1", {"a": "t.a", "s": "t.C"}, "t.a"),
        ("SELECT a || 'x' AS g FROM staging.t GROUP BY g HAVING MAX(d) > '2026-01-01'", {"g": "t.a"}, "t.a t.d"),
        ("SELECT COUNT(*) AS n, COUNT(1) AS m FROM staging.t WHERE b = 'x'", {"n": "#t", "m": "#t"}, "t.b"),
        ("SELECT COUNT(*) AS n FROM (SELECT a FROM staging.t UNION ALL SELECT p FROM staging.u)", {"n": "#t #u"}, ""),
        ("SELECT ROW_NUMBER() OVER () AS n, RANK() OVER (ORDER BY d) AS r FROM staging.t", {"n": "#t", "r": "t.d"}, ""),
        ("SELECT a FROM staging.t QUALIFY ROW_NUMBER() OVER (PARTITION BY b ORDER BY d) = 1", {"a": "t.a"}, "t.b t.d"),
        ("SELECT a FROM staging.t ORDER BY d LIMIT 5", {"a": "t.a"}, "t.d"),
        ("SELECT a, 'k' AS k FROM staging.t UNION ALL SELECT p, q FROM staging.u", {"a": "t.a u.p", "k": "u.q"}, ""),
        ("(SELECT a FROM staging.t) EXCEPT DISTINCT (SELECT p FROM staging.u)", {"a": "t.a u.p"}, ""),
        (
            "SELECT t.a FROM staging.t AS t WHERE t.b IN (SELECT u.p FROM staging.u AS u WHERE u.q = t.a)",
            {"a": "t.a"},
            "t.a t.b u.p u.q",
        ),
        (
            "SELECT (SELECT MAX(u.p) FROM staging.u AS u WHERE u.a = t.b) AS m FROM staging.t AS t",
            {"m": "t.b u.a u.p"},
            "t.b u.a",
        ),
        ("SELECT EXISTS(SELECT 1 FROM staging.u) AS e FROM staging.t", {"e": "#u"}, ""),
        (
            "SELECT x, off FROM staging.t CROSS JOIN UNNEST(xs) AS x WITH OFFSET AS off",
            {"x": "t.xs", "off": "t.xs"},
            "t.xs",
        ),
        ("SELECT n FROM UNNEST([1, 2]) AS n", {"n": ""}, ""),
        (
            "WITH s AS (SELECT STRUCT(a AS x, b AS y) AS st FROM staging.t) SELECT st.x AS x, st AS y FROM s",
            {"x": "t.a", "y": "t.a t.b"},
            "",
        ),
        (
            "WITH s AS (SELECT c, ARRAY_AGG(STRUCT(a AS x, b AS y)) AS items FROM staging.t GROUP BY c)"
            " SELECT item.x AS x, item.y AS y FROM s CROSS JOIN UNNEST(s.items) AS item",
            {"x": "t.a", "y": "t.b"},
            "t.C t.a t.b",
        ),
        (
            "SELECT s.x, s.y FROM staging.t CROSS JOIN UNNEST([STRUCT(a AS x, 1 AS y), STRUCT(b, 2)]) AS s",
            {"x": "t.a t.b", "y": ""},
            "",
        ),
        ("SELECT j.deep.er AS f FROM staging.t", {"f": "t.j"}, ""),
        ("SELECT TO_JSON_STRING(u) AS r FROM staging.u AS u", {"r": "u.a u.p u.q"}, ""),
        # What sqlglot cannot assign is said, and never given to the only table that is there.
        ("SELECT nowhere AS n, a FROM staging.t", {"n": "?nowhere", "a": "t.a"}, ""),
        ("SELECT v.x FROM staging.t PIVOT (COUNT(a) FOR b IN ('x')) AS v", {"x": "?v.x"}, ""),
    ],
)
def test_each_column_has_its_origins(traced, query, columns, conditions):
    made = traced(query, " ".join(columns))
    assert {name: text(column.origins) for name, column in made.columns.items()} == columns
    assert text(made.conditions) == conditions


def test_a_copied_column_is_told_from_a_computed_one(traced):
    made = traced(
        "WITH x AS (SELECT a, -- AS said\n UPPER(b) AS big FROM staging.t)\n"
        "SELECT DISTINCT a, big, CASE big WHEN 'X' THEN 1 END AS is_x, COUNT(DISTINCT a) OVER () n FROM x",
        "a big is_x n",
    )
    assert {name: (column.copied, column.expression) for name, column in made.columns.items()} == {
        "a": (True, None),
        "big": (False, None),
        "is_x": (False, "CASE big WHEN 'X' THEN 1 END"),
        "n": (False, "COUNT(DISTINCT a) OVER ()"),
    }


def test_a_query_that_cannot_be_resolved_is_not_guessed(traced):
    made = traced("SELECT a FROM staging.t AS t CROSS JOIN staging.u AS t", "a")
    (part,) = made.columns["a"].origins.untraced
    assert part.startswith("the query: ")
    assert made.origins.tables == set()


@pytest.mark.parametrize("address", QUERIES)
def test_every_column_of_the_project_is_traced(address):
    made = LINEAGES[address]
    assert list(made.columns) == [column.name for column in CATALOG[address].columns]
    assert made.origins.untraced == frozenset()
    assert made.origins.tables == upstreams(CATALOG[address])
    for origin in made.origins.columns:
        assert origin.column in {column.name for column in CATALOG[origin.table].columns}


def test_columns_that_come_from_no_table_are_those_that_queries_list():
    listed = {
        f"{address}.{name}"
        for address in QUERIES
        for name, column in LINEAGES[address].columns.items()
        if not column.origins.tables
    }
    assert listed == {
        "datamart.contract_event_daily.operation",
        "datamart.model_drift.feature",
        "datamart.tweet_hourly_by_instrument.tweet_hour",
        "dwh.dim_instrument.instrument",
        "dwh.dim_instrument.english",
    }


def test_hand_written_lineage_of_the_project():
    for column, expected in {
        "dwh.dim_mentor.mentor_name": "mentor.first_name mentor.last_name",
        "dwh.fact_course.student_count": "course_enrollment.student_id",
        "dwh.fact_tweet.tweet_hour": "tweet.created_at",
        "dwh.fact_tweet_instrument.instrument": "tweet.instruments",
        "datamart.contract_by_country.without_party_count": "dwh.fact_contract_party.contract_id #dwh.dim_contract",
        "datamart.student_and_branch_count_by_city.city": "dwh.dim_campus_branch.city dwh.dim_student.city",
        "datamart.model_drift.psi": "#dwh.fact_activity",
        "datamart.model_quality.served": "dwh.dim_model.basis dwh.fact_model_metric.kind",
    }.items():
        table, _, name = column.rpartition(".")
        assert text(LINEAGES[table].columns[name].origins) == expected
    # Who enrolled chooses the students that are counted.
    assert "dwh.fact_course_enrollment.student_id" in text(LINEAGES["datamart.student_count_by_city"].conditions)
    assert LINEAGES["dwh.fact_tweet"].columns["tweet_hour"].expression == (
        "EXTRACT(HOUR FROM created_at AT TIME ZONE 'Asia/Jakarta')"
    )


def test_staging_leads_to_the_source_and_its_fields():
    student = LINEAGES["staging.student"]
    assert student.source == "student.json"
    assert student.columns["city"].field == "city"
    assert student.columns["snapshot_date"].field is None  # the program's
    assert LINEAGES["staging.tweet"].source is None


def test_readers_are_the_other_way_round():
    readers = lineage.readers(LINEAGES)
    city = lineage.ColumnAddress("dwh.dim_student", "city")
    assert [str(column) for column in readers[city]] == [
        "datamart.course_enrollment_summary.city",
        "datamart.student_and_branch_count_by_city.city",
        "datamart.student_count_by_city.city",
    ]


def test_what_changes_a_column_is_in_its_lineage():
    """Google's engine says so: other values in one column change only columns that are made of it or chosen by it."""
    choice = random.Random(1)
    changed = defaultdict(set)
    for address in QUERIES:
        contract, made = CATALOG[address], LINEAGES[address]
        texts = ["x", *re.findall(r"'([^'\\\n]{1,30})'", contract.sql_path.read_text())]
        read = {table: CATALOG[table] for table in sorted(upstreams(contract))}
        rows = {table: drawn(read[table], texts, choice) for table in read}
        before = results(contract, rows)
        for origin in [lineage.ColumnAddress(table, column.name) for table in read for column in read[table].columns]:
            table, column = origin.table, origin.column
            others = itertools.cycle(drawn(read[table], texts, choice))
            altered = [{**row, column: next(others)[column]} for row in rows[table]]
            after = results(contract, {**rows, table: altered})
            for name, lines in made.columns.items():
                if before[name] != after[name]:
                    assert origin in lines.origins.columns | made.conditions.columns, f"{address}.{name}: {origin}"
                    changed[address, name].add(origin)
    # The rows are such that it is seen: most columns change with each of their origins.
    origins = {
        (address, name): lines.origins.columns
        for address in QUERIES
        for name, lines in LINEAGES[address].columns.items()
    }
    seen = sum(len(found & changed[column]) for column, found in origins.items())
    assert seen > 0.9 * sum(map(len, origins.values()))


def drawn(contract, texts, choice):
    """Twenty rows or more: enough that some are selected and joined."""
    rows = []
    while len(rows) < 20:
        rows += engines.random_rows(contract, texts, choice)
    return rows


def results(contract, rows):
    """The values of each column that the table's query gives over these rows, in any order."""
    tables = {table: engines.columns_of(CATALOG[table]) for table in rows}
    with Catalogue(tables, rows) as catalogue:
        text = query.render(contract, str)
        columns, lines = catalogue.evaluate(text, engines.parameters_of(contract))
    return {name: engines.in_any_order([[line[at]] for line in lines]) for at, (name, _) in enumerate(columns)}
