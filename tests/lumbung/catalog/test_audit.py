"""The audit of a table, on a real server."""

import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from lumbung.catalog import audit
from lumbung.catalog.contract import Contract


@pytest.fixture(scope="module")
def client(bigquery_server):
    with bigquery.Client(
        project="local", credentials=AnonymousCredentials(), client_options={"api_endpoint": bigquery_server}
    ) as client:
        client.create_dataset("audits", exists_ok=True)
        client.query_and_wait("""
            CREATE OR REPLACE TABLE audits.parent AS SELECT 'a' AS x, 1 AS y UNION ALL SELECT 'b', 2;
            CREATE OR REPLACE TABLE audits.child (day DATE, x STRING, y INT64) PARTITION BY day;
            INSERT INTO audits.child VALUES
                ('2026-11-20', 'a', 1), ('2026-11-21', 'a', 1), ('2026-11-21', 'b', NULL), ('2026-11-21', "l'été", 2)
        """)
        yield client


def names(address):
    return f"local.audits.{address.split('.')[1]}"


def child(*checks, key=("x",), required=()):
    types = {"day": "DATE", "x": "STRING", "y": "INT64"}
    columns = [{"name": n, "type": t, "description": "-", "required": n in required} for n, t in types.items()]
    return Contract.model_validate(
        {"dataset": "dwh", "table": "child", "description": "-", "grain": "-", "system": "s", "key": list(key),
         "columns": columns, "partition": "day", "checks": list(checks), "path": "child.yaml"}
    )  # fmt: skip


PARENT = {"table": "dwh.parent", "key": ["x"]}
HOLDING = [
    {"unique": ["x", "y"]},
    {"not_null": ["day", "x"]},
    {"references": {"columns": ["y"], "table": "dwh.parent", "key": ["y"]}},
    {"rows": {"min": 4, "max": 4}},
    {"equal_rows": "dwh.child"},
    {"expression": "y IS NULL OR y > 0 -- always"},
    {"expression": "x <> 'it\\'s \\\\ \"é\" %s {}'"},
]
BROKEN = [
    ({"unique": ["day"]}, "unique(day)", 1),
    ({"not_null": ["x", "y"]}, "not_null(x, y)", 1),
    ({"references": {"columns": ["x"], **PARENT}}, "references(x in dwh.parent)", 1),
    ({"references": {"columns": ["x", "y"], "table": "dwh.parent", "key": ["x", "y"]}},
     "references(x, y in dwh.parent)", 1),
    ({"rows": {"min": 5}}, "rows(min 5)", 1),
    ({"rows": {"min": 1, "max": 3}}, "rows(min 1, max 3)", 1),
    ({"equal_rows": "dwh.parent"}, "equal_rows(dwh.parent)", 2),
    ({"expression": "y > 0"}, "expression(y > 0)", 1),  # null is not true
    ({"expression": "y > 1\n  AND x <> 'it\\'s \\\\ \"é\" %s {}'"}, """y > 1 AND x <> 'it\\'s \\\\ "é" %s {}')""", 3),
]  # fmt: skip


@pytest.mark.parametrize("check", HOLDING, ids=str)
def test_a_check_that_holds_passes(client, check):
    client.query_and_wait(audit.script(child(check), names))
    (row,) = client.query_and_wait(audit.warnings(child({**check, "severity": "warn"}), names))
    assert row.violations == 0


@pytest.mark.parametrize(("check", "name", "violations"), BROKEN, ids=str)
def test_a_check_that_is_broken_fails_by_name_or_warns(client, check, name, violations):
    with pytest.raises(BadRequest) as refusal:
        client.query_and_wait(audit.script(child(check), names))
    assert "dwh.child: check " in str(refusal.value)
    assert name in str(refusal.value)
    warning = child({**check, "severity": "warn"})
    client.query_and_wait(audit.script(warning, names))
    (row,) = client.query_and_wait(audit.warnings(warning, names))
    assert name in row.check
    assert row.check in audit.check_names(warning)
    assert row.violations == violations


@pytest.mark.parametrize(
    ("contract", "name"),
    [(child(key=["y"], required=[]), "not_null(y)"), (child(required=["y"]), "not_null(x, y)")],
)
def test_key_and_required_columns_are_checked_unasked(client, contract, name):
    with pytest.raises(BadRequest) as refusal:
        client.query_and_wait(audit.script(contract, names))
    assert name in str(refusal.value)


def test_an_explicit_warning_does_not_soften_the_key():
    contract = child({"unique": ["x"], "severity": "warn"})
    assert audit.check_names(contract) == ["unique(x)", "not_null(x)"]
    assert audit.warnings(contract, names) is None


def test_a_table_without_checks_has_no_audit():
    assert audit.script(child(key=[]), names) is None
    assert audit.check_names(child(key=[])) == []
