import datetime

import pytest
import wasmtime

from lumbung.googlesql import analyzer
from lumbung.googlesql.analyzer import Catalogue
from lumbung.googlesql.engine import Engine
from lumbung.googlesql.errors import GoogleSqlError, NotJudgedError, UnimplementedError, UnknownFunctionError

STUDENT = [("student_id", "INT64"), ("city", "STRING"), ("joined", "DATE"), ("tags", "ARRAY<STRING>")]


@pytest.fixture(scope="module")
def catalogue():
    with Catalogue({"local.dwh.student": STUDENT, "dwh.student": STUDENT, "t": [("a", "INT64")]}) as catalogue:
        yield catalogue


@pytest.mark.parametrize(
    "name",
    [
        "dwh.student",
        "`dwh.student`",
        "`dwh`.student",
        "local.dwh.student",
        "`local.dwh.student`",
        "`local.dwh`.student",
        "local.`dwh.student`",
        "`local`.`dwh`.`student`",
    ],
)
def test_a_table_is_known_by_every_way_to_write_its_path(catalogue, name):
    assert catalogue.analyse(f"SELECT * FROM {name}").columns == tuple(STUDENT)


def test_an_analysis_gives_columns_and_parameters(catalogue):
    sql = """
        WITH born AS (SELECT city, COUNT(*) AS students FROM dwh.student WHERE joined = @Day GROUP BY city)
        SELECT city, students / 2 AS half, ARRAY_AGG(born) AS all_of_them, 'x' FROM born GROUP BY city, students
    """
    statement = catalogue.analyse(sql, {"day": "DATE", "unused": "STRING"})
    assert statement.columns == (
        ("city", "STRING"),
        ("half", "FLOAT64"),
        ("all_of_them", "ARRAY<STRUCT<city STRING, students INT64>>"),
        ("", "STRING"),
    )
    assert statement.parameters == {"day"}
    assert analyzer.tables(sql) == {("dwh", "student")}


@pytest.mark.parametrize("place", ["SELECT @p", "SELECT 1 FROM t WHERE EXISTS(SELECT @p)", "SELECT 1 LIMIT @p"])
def test_a_parameter_is_found_wherever_it_stands(catalogue, place):
    assert catalogue.analyse(place, {"p": "INT64"}).parameters == {"p"}
    with pytest.raises(GoogleSqlError, match="Query parameter 'p' not found"):
        catalogue.analyse(place)


def test_a_refusal_has_its_position(catalogue):
    with pytest.raises(GoogleSqlError, match="Unrecognized name: town") as refusal:
        catalogue.analyse("SELECT\n  'é',\n  town FROM dwh.student")
    assert (refusal.value.message, refusal.value.line, refusal.value.column) == ("Unrecognized name: town", 3, 3)
    assert str(refusal.value) == "Unrecognized name: town [at 3:3]"


def test_columns_of_one_name_are_refused_as_by_bigquery_s_service(catalogue):
    for sql in ("SELECT 1 AS a, 2 AS A", "SELECT a, * FROM t"):
        with pytest.raises(GoogleSqlError, match="Duplicate column names in the result"):
            catalogue.analyse(sql)
        with pytest.raises(GoogleSqlError, match="Found: a"), Catalogue({"t": [("a", "INT64")]}, {"t": []}) as empty:
            empty.evaluate(sql)
    assert catalogue.analyse("SELECT 1, 2").columns == (("", "INT64"), ("", "INT64"))


def test_a_script_is_analysed_statement_by_statement(catalogue):
    script = "SELECT 'é' AS a;\nASSERT (SELECT COUNT(*) > @n FROM t) AS 'rows';\nSELECT b FROM t;"
    statements = catalogue.script(script, {"n": "INT64"})
    first, second = next(statements), next(statements)
    assert (first.columns, second.parameters) == ((("a", "STRING"),), {"n"})
    assert script.encode()[first.end :].decode().lstrip().startswith("ASSERT")
    with pytest.raises(GoogleSqlError, match="Unrecognized name: b") as refusal:
        next(statements)
    assert (refusal.value.line, refusal.value.column) == (3, 8)


def test_a_query_is_evaluated_over_rows():
    rows = [
        {"student_id": 1, "city": "Depok", "joined": "2026-01-02", "tags": ["x", "y"]},
        {"student_id": 2, "joined": datetime.date(2026, 1, 3)},
    ]
    with Catalogue({"dwh.student": STUDENT}, {"dwh.student": rows}) as catalogue:
        columns, made = catalogue.evaluate(
            "SELECT student_id, city, ARRAY_LENGTH(tags) AS tags FROM `dwh.student` WHERE joined IN UNNEST(@days)",
            {"days": ("ARRAY<DATE>", ["2026-01-02", "2026-01-03"])},
        )
        assert columns == (("student_id", "INT64"), ("city", "STRING"), ("tags", "INT64"))
        assert sorted(made) == [(1, "Depok", 2), (2, None, None)]
        with pytest.raises(GoogleSqlError, match="division by zero"):
            catalogue.evaluate("SELECT 1 / (student_id - 1) AS x FROM `dwh.student`")


def test_what_only_the_analyzer_knows_is_told_apart_from_a_refusal(catalogue):
    sql = "SELECT APPROX_COUNT_DISTINCT(x) AS n FROM UNNEST([1, 2]) AS x"
    assert catalogue.analyse(sql).columns == (("n", "INT64"),)
    with pytest.raises(UnimplementedError):
        catalogue.evaluate(sql)


def test_what_bigquery_has_and_the_engine_lacks_is_told_apart_from_a_refusal(catalogue):
    for sql in (
        "SELECT max_by(city, student_id) AS x FROM dwh.student",
        "SELECT CONTAINS_SUBSTR(city, 'a') FROM dwh.student",
        "SELECT `other-project.tools.clean`(city) FROM dwh.student",  # a routine
        "SELECT COLLATE(city, 'und:ci') FROM dwh.student",
        "SELECT BAG_OF_WORDS(tags) FROM dwh.student",
        "SELECT * FROM CHANGES(TABLE dwh.student, NULL, CURRENT_TIMESTAMP())",
        "SELECT ST_REGIONSTATS(ST_GEOGPOINT(1, 2), 'image', 'band')",
    ):
        with pytest.raises(UnknownFunctionError):
            catalogue.analyse(sql)
    with pytest.raises(NotJudgedError, match="@@project_id"):
        catalogue.analyse("SELECT @@project_id")
    with pytest.raises(GoogleSqlError, match="Function not found: NOW") as refusal:
        catalogue.analyse("SELECT NOW()")
    assert not isinstance(refusal.value, UnknownFunctionError)


DEEP = {
    "operators": lambda count: "||".join(["city"] * count),
    "sums": lambda count: "+".join(["student_id"] * count),
    "functions": lambda count: f"{'IF(student_id > 1, ' * count}1{', @p)' * count}",
}


@pytest.mark.parametrize("shape", DEEP)
def test_deep_expressions_are_judged(catalogue, shape):
    for operands in (25, 60):
        sql = f"SELECT {DEEP[shape](operands)} AS x FROM dwh.student WHERE student_id = @p"
        statement = catalogue.analyse(sql, {"p": "INT64"})
        assert statement.columns == (("x", "STRING" if shape == "operators" else "INT64"),)
        assert statement.parameters == {"p"}
        with pytest.raises(GoogleSqlError, match="Unrecognized name: town") as refusal:
            catalogue.analyse(sql.replace("FROM", ", town FROM"), {"p": "INT64"})
        assert not isinstance(refusal.value, NotJudgedError)


@pytest.fixture
def fail(monkeypatch):
    """Let the engine's next call end in a trap, as one does that is too deep for its stack."""

    def trap(*_):
        monkeypatch.undo()
        raise wasmtime.Trap("call stack exhausted")

    return lambda: monkeypatch.setattr(Engine, "_answer", trap)


def test_the_engine_goes_on_after_it_failed(catalogue, fail):
    for _ in range(2):
        fail()
        with pytest.raises(NotJudgedError, match="call stack exhausted"):
            catalogue.analyse("SELECT city FROM dwh.student")
        assert catalogue.analyse("SELECT city FROM dwh.student").columns == (("city", "STRING"),)


def test_rows_are_there_after_a_failure_of_the_engine(fail):
    with Catalogue({"t": [("a", "INT64")]}, {"t": [{"a": 7}]}) as catalogue:
        fail()
        with pytest.raises(NotJudgedError):
            catalogue.evaluate("SELECT a FROM t")
        assert catalogue.evaluate("SELECT a FROM t")[1] == [(7,)]
