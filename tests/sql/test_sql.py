"""Each table's query on a real server; `lumbung.catalog.case` says what a case's folder holds."""

import json

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from lumbung.catalog import audit as audits
from lumbung.catalog import case as cases
from lumbung.catalog import query as queries
from lumbung.catalog.case import read_rows
from lumbung.catalog.contract import Catalog
from lumbung.core.errors import CheckError
from lumbung.storage.columns import bigquery_schema

CATALOG = Catalog()
QUERIES = [contract for contract in CATALOG.contracts.values() if contract.sql_path.exists()]
CASES = cases.cases()


@pytest.fixture(scope="module")
def client(bigquery_server):
    with bigquery.Client(
        project="local", credentials=AnonymousCredentials(), client_options={"api_endpoint": bigquery_server}
    ) as client:
        client.create_dataset("sql_cases", exists_ok=True)
        yield client


def type_of(field):
    kind = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}.get(field.field_type, field.field_type)
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def in_any_order(rows):
    return sorted(json.dumps(row, sort_keys=True, default=str, ensure_ascii=False) for row in rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.folder.relative_to(cases.CASES_ROOT)))
def test_query_gives_the_rows_expected(case, client):
    contract = CATALOG[case.address]
    assert case.given.keys() == queries.dependencies(contract), "a case gives each table its query and checks look at"

    def names(address):
        return f"local.sql_cases.{CASES.index(case)}__{address.replace('.', '__')}"

    for address, path in case.given.items():
        load = bigquery.LoadJobConfig(schema=bigquery_schema(CATALOG[address]), write_disposition="WRITE_TRUNCATE")
        rows = read_rows(path, CATALOG[address])
        client.load_table_from_json(rows, names(address), job_config=load).result()

    name, default = cases.parameter(contract)
    kind = bigquery.ArrayQueryParameter if contract.incremental else bigquery.ScalarQueryParameter
    parameter = kind(name, "DATE", case.params.get(name, default))
    client.query_and_wait(
        queries.render(contract, names),
        job_config=bigquery.QueryJobConfig(
            query_parameters=[parameter], destination=names(contract.address), write_disposition="WRITE_TRUNCATE"
        ),
    )
    made = client.list_rows(client.get_table(names(contract.address)))
    assert [(field.name, type_of(field)) for field in made.schema] == [
        (column.name, column.type) for column in contract.columns
    ]
    assert in_any_order(dict(row.items()) for row in made) == in_any_order(read_rows(case.expected, contract))

    (violations,) = client.query_and_wait(audits.query(contract, names))
    if case.refused.exists():
        with pytest.raises(CheckError) as refusal:
            audits.outcomes(contract, violations.values(), case.address)
        assert case.refused.read_text().strip() in str(refusal.value)
    else:
        assert list(audits.outcomes(contract, violations.values(), case.address)) == audits.check_names(contract)


def test_every_query_has_a_case():
    tested = {case.address for case in CASES}
    assert tested == {contract.address for contract in QUERIES}


def test_the_project_s_tables_can_be_built():
    order = [contract.address for contract in queries.build_order(CATALOG.contracts.values())]
    assert sorted(order) == sorted(contract.address for contract in QUERIES)
    for contract in QUERIES:
        before = order[: order.index(contract.address)]
        assert {table for table in queries.dependencies(contract) if CATALOG[table].sql_path.exists()} <= set(before)
