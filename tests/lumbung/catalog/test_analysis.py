"""What BigQuery would refuse is found without BigQuery: file, line, column and remedy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumbung.catalog import analysis
from lumbung.catalog.contract import SQL_ROOT, read_all
from lumbung.googlesql.errors import MissingEngineError

COLUMNS = """
key: [id]
columns:
  - {name: id, type: INT64, description: An id.}
  - {name: name, description: A name.}
  - {name: day, type: DATE, description: A day.}
  - {name: instant, type: TIMESTAMP, description: An instant.}
  - {name: tags, type: ARRAY<STRING>, description: Tags.}
"""
READ = f"description: What is read.\ngrain: a row\nsystem: cilvest\n{COLUMNS}"
MADE = """description: What is made.
grain: a row
system: cilvest
key: [x]
columns:
  - {{name: x, type: {type}, description: A value.}}
checks:
  - {{rows: {{min: 0}}}}
  - {{expression: {expression}, severity: warn}}
"""
PATH = "datamart/made.sql"


class Tree:
    """Two contracts and a query, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("dwh/read.yaml", READ)
        self.contract("x > 0")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def contract(self, expression):
        self.write("datamart/made.yaml", MADE.format(type="INT64", expression=expression))

    def faults(self, sql="SELECT id AS x FROM dwh.read"):
        self.write(PATH, f"-- Grain: a row.\n{sql}\n")
        contracts, unreadable = read_all(self.root)
        assert not unreadable
        return list(analysis.faults(contracts))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


# The query, the line and column of what is refused, Google's words, the remedy.
REFUSED = [
    ("SELECT\n    name::INT64 AS x\nFROM dwh.read", (3, 9), 'got ":"', "Write CAST(x AS type)"),
    ("SELECT id AS x FROM dwh.read WHERE name ILIKE 'a%'", (2, 41), '"ILIKE"', "Write LOWER(x) LIKE"),
    ("SELECT id % 2 AS x FROM dwh.read", (2, 11), 'got "%"', "Write MOD(a, b)"),
    ("SELECT id AS x FROM dwh.read WHERE instant < NOW()", (2, 46), "Function not found: NOW", "CURRENT_TIMESTAMP()"),
    ("SELECT COUNT(*) FILTER (WHERE id > 1) AS x FROM dwh.read", (2, 24), 'got "("', "Write COUNTIF(condition)"),
    ("SELECT MEDIAN(id) AS x FROM dwh.read", (2, 8), "Function not found: MEDIAN", "APPROX_QUANTILES"),
    ("SELECT LIST_VALUE(id) AS x FROM dwh.read", (2, 8), "Function not found: LIST_VALUE", "Write [a, b]"),
    ("SELECT STRFTIME(day, '%Y') AS x FROM dwh.read", (2, 8), "Function not found: STRFTIME", "FORMAT_DATE"),
    ("SELECT id AS x FROM dwh.read WHERE id == 1", (2, 40), 'Unexpected "="', "Compare by one ="),
    ("SELECT id AS qualify FROM dwh.read", (2, 14), "Unexpected keyword QUALIFY", "choose another name"),
    ("SELECT CONCAT_WS('-', name) AS x FROM dwh.read", (2, 8), "Function not found: CONCAT_WS", "ARRAY_TO_STRING"),
    ("SELECT YEAR(day) AS x FROM dwh.read", (2, 8), "Function not found: YEAR", "EXTRACT(YEAR FROM x)"),
    ("SELECT POSITION('a' IN name) AS x FROM dwh.read", (2, 24), "Unexpected keyword NAME", "reference"),
    ("SELECT EXTRACT(EPOCH FROM instant) AS x FROM dwh.read", (2, 16), "found EPOCH", "UNIX_SECONDS(x)"),
    ("SELECT id AS x FROM dwh.read\nUNION ALL\nSELECT name FROM dwh.read", (4, 1), "INT64, STRING", "CAST them"),
    ("SELECT name || NULL AS x FROM dwh.read", (2, 16), "cannot be literal NULL", "Leave the NULL out"),
    ("SELECT CAST(id AS VARCHAR) AS x FROM dwh.read", (2, 19), "Type not found: VARCHAR", "such as STRING"),
    ("SELECT IF(id > 1, id, name) AS x FROM dwh.read", (2, 8), "BOOL, INT64, STRING", "CAST them to one type"),
    ("SELECT id AS x FROM dwh.read WHERE id", (2, 36), "should return type BOOL", "Write a condition"),
    ("SELECT id AS x, name AS x FROM dwh.read", None, "Duplicate column names", "Name each column once"),
    ("SELECT id AS x FROM dwh.read WHERE id IN ('1')", (2, 39), "INT64 and {STRING}", "reference"),
    ("SELECT id // 2 AS x FROM dwh.read", (2, 12), 'Unexpected "/"', "Write DIV(a, b)"),
    ("SELECT id ** 2 AS x FROM dwh.read", (2, 12), 'Unexpected "*"', "Write POW(a, b)"),
    ("SELECT id AS x FROM dwh.read WHERE name ~ 'a'", (2, 41), 'got "~"', "REGEXP_CONTAINS"),
    ("SELECT * EXCLUDE (id) FROM dwh.read", (2, 10), "keyword EXCLUDE", "Write * EXCEPT"),
    ("SELECT UNNEST(tags) AS x FROM dwh.read", (2, 8), "keyword UNNEST", "CROSS JOIN UNNEST"),
    ("SELECT TRY_CAST(name AS INT64) AS x FROM dwh.read", (2, 8), "not found: TRY_CAST", "SAFE_CAST"),
    ("SELECT LEN(name) AS x FROM dwh.read", (2, 8), "not found: LEN", "LENGTH(x)"),
    ("SELECT DATE_TRUNC('month', tags) AS x FROM dwh.read", (2, 28), "date part name", "DATE_TRUNC(x, MONTH)"),
    ("SELECT id AS x FROM dwh.read WHERE day = @day", (2, 42), "parameter 'day' not found", "@snapshot_date"),
    ("SELECT id AS x FROM dwh.read AS r GROUP BY r.id, name HAVING name", (2, 62), "type BOOL", "a condition"),
    ("SELECT x.id AS x FROM dwh.read AS x GROUP BY x.id", (2, 46), "SELECT list alias x", "another alias"),
    ("SELECT id AS x FROM dwh.read GROUP BY name", (2, 8), "neither grouped nor aggregated", "reference"),
]


@pytest.mark.parametrize(("sql", "position", "words", "remedy"), REFUSED, ids=[words for _, _, words, _ in REFUSED])
def test_what_bigquery_refuses_is_refused_with_its_place_and_a_remedy(tree, sql, position, words, remedy):
    (fault,) = tree.faults(sql)
    place = f", line {position[0]}, column {position[1]}" if position else ""
    assert fault.where == f"{tree.root / PATH}{place}"
    assert "BigQuery refuses it: " in str(fault)
    assert words in fault.what
    assert remedy in str(fault)


def test_the_project_s_own_sql_is_taken(tree):
    assert analysis.unavailable() is None
    contracts, _ = read_all(SQL_ROOT)
    assert list(analysis.faults(contracts)) == []
    assert tree.faults() == []


@pytest.mark.parametrize(
    ("sql", "kind"),
    [("SELECT id / 1 AS x", "FLOAT64"), ("SELECT name AS x", "STRING"), ("SELECT tags AS x", "ARRAY<STRING>")],
)
def test_a_result_has_the_types_of_its_contract(tree, sql, kind):
    (fault,) = tree.faults(f"{sql} FROM dwh.read")
    assert str(fault) == (
        f"{tree.root / PATH}: x is {kind}, but the contract has INT64. CAST it to INT64, or correct made.yaml."
    )


def test_a_table_that_hides_its_column_is_told_so(tree):
    (fault,) = tree.faults("SELECT x FROM dwh.read AS x")
    assert fault.what.startswith("x is STRUCT<id INT64, name STRING")
    assert fault.remedy == "give the table of that name an alias, as it hides the column"


@pytest.mark.parametrize("partition", ["partition: day", "partition: day\nincremental: true"])
def test_a_table_by_day_uses_its_parameter(tree, partition):
    text = MADE.format(type="INT64", expression="x > 0").replace("key: [x]", f"key: [x]\n{partition}")
    text = text.replace("checks:", "  - {name: day, type: DATE, required: true, description: A day.}\nchecks:")
    tree.write("datamart/made.yaml", text)
    name = "days" if "incremental" in partition else "snapshot_date"
    (fault,) = tree.faults(f"SELECT id AS x, day FROM dwh.read WHERE name = '@{name}'")
    assert fault.what == f"does not use @{name}, so each run would build the same rows"
    used = "IN UNNEST(@days)" if "incremental" in partition else "= @snapshot_date"
    assert tree.faults(f"SELECT id AS x, day FROM dwh.read WHERE day {used}") == []


@pytest.mark.parametrize(
    ("expression", "place", "words"),
    [
        ("x::STRING <> ''", (9, 19), 'got ":"'),
        ('"x % 2 = 0"', (9, 21), 'got "%"'),
        ("x", (9, 18), "IS"),
        ("y > 0", (9, 18), "Unrecognized name: y"),
        ('"x > 0\n      AND y"', (9, 19), "Unrecognized name: y"),
    ],
)
def test_an_expression_is_found_in_its_contract(tree, expression, place, words):
    tree.contract(expression=expression)
    (fault,) = tree.faults()
    assert fault.where == f"{tree.root / 'datamart/made.yaml'}, line {place[0]}, column {place[1]}"
    assert words in fault.what
    assert fault.remedy


def test_an_audit_that_compares_different_types_is_refused(tree):
    text = MADE.format(type="STRING", expression="x > ''")
    tree.write("datamart/made.yaml", f"{text}  - references: {{columns: [x], table: dwh.read, key: [id]}}\n")
    (fault,) = tree.faults("SELECT name AS x FROM dwh.read")
    assert "BigQuery refuses its audit: No matching signature for operator =" in fault.what


def test_what_uses_a_function_that_only_bigquery_has_is_not_judged(tree):
    unknown = """ "CONTAINS_SUBSTR(CAST(x AS STRING), '1')" """
    tree.contract(expression=unknown)
    query, check = tree.faults("SELECT MAX_BY(id, name) AS x FROM dwh.read")
    assert {type(query), type(check)} == {analysis.UnjudgedError}
    assert query.what == "not judged: Function not found: MAX_BY; Did you mean max?"
    assert query.where == f"{tree.root / PATH}, line 2, column 8"
    assert check.where == f"{tree.root / 'datamart/made.yaml'}, line 9, column 20"
    tree.contract(expression=f"{unknown}}}\n  - {{expression: y > 0")
    *_, fault = tree.faults("SELECT MAX_BY(id, name) AS x FROM dwh.read")
    assert "check expression(y > 0) is not GoogleSQL" in fault.what
    assert not isinstance(fault, analysis.UnjudgedError)


@pytest.mark.parametrize("operands", [25, 60])
def test_deep_expressions_are_judged(tree, operands):
    tree.contract(f"{'+'.join(['x'] * operands)} > 0")
    assert tree.faults(f"SELECT {'+'.join(['id'] * operands)} AS x FROM dwh.read") == []


def test_nothing_is_said_of_what_reads_a_table_without_a_contract(tree):
    assert tree.faults("SELECT id AS x FROM dwh.unknown") == []


def test_a_machine_without_the_engine_is_told_so(monkeypatch):
    def missing():
        raise MissingEngineError("none for this machine")

    monkeypatch.setattr("lumbung.googlesql.engine.shared", missing)
    assert analysis.unavailable() == "none for this machine"
    from lumbung.catalog import check

    assert check.faults(("pinter_skuy", "cilvest", "stream_models", "contract_events")) == []


def test_the_command_says_where_sql_is_not_analysed(tmp_path):
    (tmp_path / "zetasql.py").write_text("raise ImportError('no zetasql here')\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "lumbung", "check"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "All tables: no fault" in done.stdout
    assert "SQL is only parsed, not analysed as BigQuery does" in " ".join(done.stderr.split())
