"""The audit of a table, on a real server."""

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from lumbung.catalog import audit
from lumbung.catalog.contract import Contract
from lumbung.core.errors import CheckError


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
    ({"expression": "y > 1\n  AND x <> 'it\\'s \\\\ \"é\" %s {}'"},
     "expression(y > 1 AND x <> 'it\\'s \\\\ \"é\" %s {}')", 3),
]  # fmt: skip


def counted(client, contract):
    (row,) = client.query_and_wait(audit.query(contract, names))
    return dict(zip(list(audit.checks(contract)), row.values(), strict=True))


def outcomes(client, contract):
    return audit.outcomes(contract, list(counted(client, contract).values()), "dwh.child, day 2026-11-20")


@pytest.mark.parametrize("check", HOLDING, ids=str)
def test_a_check_that_holds_passes(client, check):
    assert set(counted(client, child(check, key=["day", "x"])).values()) == {0}
    assert set(outcomes(client, child(check, {**check, "severity": "warn"})).values()) == {"passed"}


@pytest.mark.parametrize(("check", "name", "violations"), BROKEN, ids=str)
def test_a_check_that_is_broken_fails_by_name_or_warns(client, check, name, violations):
    with pytest.raises(CheckError) as refusal:
        outcomes(client, child(check))
    what = f"dwh.child: check {name} failed ({violations} violation{'' if violations == 1 else 's'})"
    assert refusal.value.what == what
    assert refusal.value.where == "dwh.child, day 2026-11-20"
    warned = outcomes(client, child({**check, "severity": "warn"}))
    assert warned[name] == f"warning: {violations}"
    assert [result for other, result in warned.items() if other != name] == ["passed"] * (len(warned) - 1)


def test_all_checks_are_counted_by_one_query_that_scans_the_table_once_for_all_rows(client):
    checks = [{**check, "severity": "warn"} for check, _, _ in BROKEN]
    contract = child(*HOLDING, *checks)
    counts = counted(client, contract)
    assert {name: counts[name] for _, name, _ in BROKEN} == {name: violations for _, name, violations in BROKEN}
    assert sum(counts.values()) == sum(violations for _, _, violations in BROKEN)
    alone = child({"expression": "y > 0"}, {"not_null": ["y"]}, {"rows": {"min": 1}}, key=[])
    assert audit.query(alone, names).count("`local.audits.child`") == 1


def test_every_check_that_failed_is_named_with_its_count(client):
    contract = child(*(check for check, _, _ in BROKEN))
    with pytest.raises(CheckError) as refusal:
        outcomes(client, contract)
    places = [refusal.value.what.index(f"check {name} failed ({count} ") for _, name, count in BROKEN]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("contract", "name"),
    [(child(key=["y"], required=[]), "not_null(y)"), (child(required=["y"]), "not_null(x, y)")],
)
def test_key_and_required_columns_are_checked_unasked(client, contract, name):
    assert counted(client, contract)[name] == 1


def test_an_explicit_warning_does_not_soften_the_key():
    contract = child({"unique": ["x"], "severity": "warn"})
    assert list(audit.checks(contract)) == ["unique(x)", "not_null(x)"]
    with pytest.raises(CheckError):
        audit.outcomes(contract, [1, 0], "here")


def test_a_table_without_checks_has_no_audit():
    assert audit.query(child(key=[]), names) is None
    assert list(audit.checks(child(key=[]))) == []
