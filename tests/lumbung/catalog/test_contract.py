"""The JSON Schema of contracts, and what is refused of one."""

import json

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from lumbung.catalog.contract import SCHEMA, SCHEMA_LINE, SQL_ROOT, Source, json_schema, parse
from lumbung.core.errors import LumbungError

CONTRACTS = sorted(SQL_ROOT.glob("*/*.yaml"))
VALID = yaml.safe_load((SQL_ROOT / "staging" / "course.yaml").read_text())

each_contract = pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: f"{path.parent.name}.{path.stem}")


def test_the_schema_is_that_of_the_model():
    assert SCHEMA.read_text() == json_schema(), "lumbung schema --write"


@each_contract
def test_editors_find_the_schema_of_each_contract(path):
    first = path.read_text().splitlines()[0]
    assert first == SCHEMA_LINE
    assert (path.parent / first.partition("$schema=")[2]).resolve() == SCHEMA


@each_contract
def test_each_contract_keeps_to_the_schema(path):
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "change",
    [
        {"grains": "-"},
        {"grain": None},
        {"dataset": "dwh"},
        {"columns": [{"name": "id"}]},
        {"columns": [{"name": "id", "description": "-", "type": "INTEGER"}]},
        {"columns": [{"name": "the id", "description": "-"}]},
        {"checks": [{"uniq": ["id"]}]},
        {"source": {"kind": "xml"}},
        {"source": {"kind": "postgres", "connection": "c", "table": "a.b.c"}},
        {"source": {"kind": "postgres", "connection": "c", "table": "t", "row_security": "off"}},
        {"source": {"kind": "xlsx", "path": "x.xlsx", "sheet": "S", "range": "A1"}},
        {"source": {"kind": "xlsx", "path": "x.xlsx", "sheet": "S", "header_row": 0}},
    ],
)
def test_what_the_model_refuses_for_its_form_the_schema_refuses(change):
    content = {**VALID, **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    if "dataset" not in change:  # that is the folder's name
        with pytest.raises(LumbungError):
            parse(SQL_ROOT / "staging" / "x.yaml", yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"table": "t"}, "a postgres source needs connection"),
        ({"connection": "c"}, "needs either table or query"),
        ({"connection": "c", "table": "t", "query": "SELECT 1"}, "needs either table or query"),
        ({"connection": "c", "table": "school.course"}, None),
        ({"connection": "c", "query": "SELECT 1"}, None),
    ],
)
def test_a_postgres_source_is_a_table_or_a_query_of_a_connection(source, message):
    if message:
        with pytest.raises(ValidationError, match=message):
            Source(kind="postgres", **source)
    else:
        assert Source(kind="postgres", **source).label == f"c.{source.get('table', '(query)')}"


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        (
            {"kind": "csv", "delimiter": ";;"},
            {},
            "';;' is not one character; write ';' or, for a tab, \"\\t\" in double",
        ),
        ({"kind": "csv", "delimiter": "\\t"}, {}, "is not one character"),
        ({"kind": "csv", "delimiter": '"'}, {}, "is not one character"),
        ({"kind": "csv", "encoding": "ansi"}, {}, "'ansi' is not a file encoding that Python knows"),
        ({"kind": "csv", "encoding": "rot13"}, {}, "'rot13' is not a file encoding"),
        ({"kind": "csv", "encoding": "utf-7"}, {}, "'utf-7' is not a file encoding"),
        ({"kind": "csv", "skip_rows": -1}, {}, "greater than or equal to 0"),
        ({"kind": "json", "delimiter": ";", "skip_rows": 1}, {}, "only a csv source takes delimiter and skip_rows"),
        ({"kind": "json"}, {"decimal": ","}, "decimal: is for the columns of a csv source"),
        ({"kind": "csv"}, {"decimal": ";"}, "Input should be ',' or '.'"),
        ({"kind": "csv"}, {"from": "title"}, "columns taken twice from the source: title"),
        ({"kind": "csv"}, {"from": ""}, "at least 1 character"),
        ({"kind": "postgres", "connection": "x", "table": "y"}, {"from": "Id"}, "a query of postgres renames by AS"),
        (None, {"from": "Id"}, "from: is for the columns of a file"),
        (None, {"values": ["a"]}, "values:, parses_as: and compared: are for the columns that a source gives"),
        (None, {"parses_as": "DATE"}, "are for the columns that a source gives"),
        (None, {"compared": False}, "are for the columns that a source gives"),
        ({"kind": "csv"}, {"compared": False}, "compared: false is not for a key: id"),
        ({"kind": "csv"}, {"values": []}, "at least 1 item"),
        ({"kind": "csv"}, {"values": [1]}, "Input should be a valid string"),
        ({"kind": "csv"}, {"parses_as": "TIME"}, "Input should be 'DATE' or 'TIMESTAMP'"),
        ({"kind": "csv"}, {"values": ["a"], "parses_as": "DATE"}, "either values: or parses_as: id"),
    ],
)
def test_keys_of_a_source_are_refused_where_they_mean_nothing(source, column, message):
    content = {**VALID, "source": source and {"path": "course.x", **source}}
    content["columns"] = [{**VALID["columns"][0], **column}, *VALID["columns"][1:]]
    if source and source["kind"] == "postgres":
        del content["source"]["path"]
    with pytest.raises(LumbungError) as refusal:
        parse(SQL_ROOT / "staging" / "x.yaml", yaml.safe_dump(content))
    assert message in str(refusal.value)


def test_all_that_is_inconsistent_is_said_at_once():
    columns = [{"name": "id", "description": "-"}, {"name": "id", "description": "-"}]
    with pytest.raises(LumbungError) as refusal:
        parse(SQL_ROOT / "staging" / "x.yaml", yaml.safe_dump({**VALID, "columns": columns, "key": ["code"]}))
    assert "columns named twice: id; no such columns: code, course_category_id, mentor_id, snapshot_date" in str(
        refusal.value
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"kind": "xlsx", "path": "x.xlsx"}, "a xlsx source needs sheet"),
        ({"kind": "csv", "path": "x.csv", "sheet": "S", "range": "A:B"}, "range and sheet: only of an xlsx source"),
        ({"kind": "postgres", "connection": "c", "table": "t", "optional": True}, "optional: only of a file"),
    ],
)
def test_what_a_source_of_a_kind_takes(source, says):
    columns = [*VALID["columns"], {"name": "snapshot_date", "type": "DATE", "description": "-"}]
    content = {**VALID, "columns": columns, "partition": "snapshot_date", "source": source}
    with pytest.raises(LumbungError, match=says):
        parse(SQL_ROOT / "staging" / "x.yaml", yaml.safe_dump(content))
