import json
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from support.bigquery_client import connect, query, rows_of
from support.bigquery_process import run_inside

NAMELESS = """
import json
from bigquery.nameless import nameless
for sql in json.loads(Path(sys.argv[1], "queries.json").read_text()):
    print(json.dumps(nameless(sql)))
"""
QUERIES = {
    "SELECT x FROM `p.build.a__t` AS t\nleft join `p.b.t-2` AS u USING (x)": (
        "SELECT x FROM `.0` AS t\nleft join `.1` AS u USING (x)",
        {".0": "p.build.a__t", ".1": "p.b.t-2"},
    ),
    "SELECT 1 FROM `b.t`, `c.u`": ("SELECT 1 FROM `.0`, `c.u`", {".0": "b.t"}),
    "SELECT (SELECT COUNT(*) FROM `b.t`) FROM `b.t`": ("SELECT (SELECT COUNT(*) FROM `.0`) FROM `.0`", {".0": "b.t"}),
}
NAMES_MATTER = [
    "SELECT T.x FROM `b.t`",  # it may be the table or none
    "SELECT `t`.x FROM `b.t`",
    "WITH t AS (SELECT 1) SELECT * FROM `b.t`, t",
    "SELECT x FROM `b.t` JOIN `c.T` USING (x)",  # two of one name are refused
    "SELECT x FROM `b.t`, `b.t.xs`",
    "SELECT x AS `b.t`",
    "SELECT 1 FROM `b.t`, `b.t`",
    "SELECT x FROM t",
    "SELECT x FROM `t`",
    "SELECT x FROM `b`.`t`",
    "SELECT x FROM `a.b`.t",
    "SELECT `b.t`.x FROM `b.t`",
    "SELECT `b.t` FROM `b.t`",
    "WITH `b.t` AS (SELECT 1 AS x) SELECT x FROM `b.t`",
    "SELECT -t.x FROM `b.t`",
    "SELECT x -- FROM `b.t`\n, 'FROM `b.t`', \"FROM `b.t`\", '\\'FROM `b.t`' # FROM `b.t`",
    "SELECT ''' ' FROM `b.t`''', \"\"\" \" FROM `b.t`\"\"\" /* FROM\n `b.t` */",
]


def test_only_names_that_cannot_matter_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "queries.json").write_text(json.dumps([*QUERIES, *NAMES_MATTER]))
    found = [tuple(json.loads(line)) for line in run_inside(NAMELESS, tmp_path).splitlines()]
    assert found == [*QUERIES.values(), *((sql, {}) for sql in NAMES_MATTER)]


def loads_engine(process: Any) -> bool:
    return "libwasmtime" in Path(f"/proc/{process.pid}/maps").read_text()


def test_a_query_of_other_tables_alike_is_not_analysed_again(start_bigquery: Any, tmp_path: Path) -> None:
    for name, is_analysed in (("first", True), ("second", False)):
        process, url = start_bigquery(tmp_path / "data")
        client = connect(url)
        client.create_dataset("d", exists_ok=True)
        client.create_table(bigquery.Table(f"{client.project}.d.{name}", [bigquery.SchemaField("x", "INT64")]))
        assert not loads_engine(process)
        result = client.query_and_wait(f"SELECT COUNT(x), SUM(x) AS s FROM `{client.project}.d.{name}` AS t")
        assert [field.name for field in result.schema] == ["f0_", "s"]
        assert loads_engine(process) == is_analysed
        process.kill()
        process.wait()


def test_a_query_of_other_tables_has_its_own_names_types_and_faults(client: bigquery.Client, dataset: str) -> None:
    query(client, "SELECT 1 AS x", f"{dataset}.one")
    query(client, "SELECT 'a' AS x", f"{dataset}.two")
    query(client, "SELECT 1 AS x", f"{dataset}.three")
    names = {name: f"`{client.project}.{dataset}.{name}`" for name in ("one", "two", "three")}
    for name, row in (("one", (1,)), ("two", ("a",)), ("three", (1,))):
        assert rows_of(client.query_and_wait(f"SELECT x FROM {names[name]}")) == [row]
    joined = "SELECT COUNT(*) FROM {} JOIN {} USING (x)"
    assert rows_of(client.query_and_wait(joined.format(names["one"], names["three"]))) == [(1,)]
    for other, message in (("one", "Duplicate table alias"), ("two", "incompatible types")):
        with pytest.raises(BadRequest, match=message):
            client.query_and_wait(joined.format(names["one"], names[other]))
    for _ in range(2):  # what follows this FROM is not a table
        with pytest.raises(BadRequest, match=r"Unrecognized name: `t\.d`"):
            client.query_and_wait(f"SELECT EXTRACT(DAY FROM `t.d`) FROM {names['one']} AS t")
