"""Each table's query on a real server: `<dataset>/<table>/<case>/` holds the rows given and the rows expected.

given/<dataset>.<table>.csv or .ndjson   rows of each table that the query or its checks look at (empty in CSV: null)
expect.csv or .ndjson                    the rows of the table, in any order
params.yaml                              snapshot_date if it is not DAY, tweet_dates if they are not only DAY
refused.txt                              what the audit says, if it must fail
"""

import csv
import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from lumbung.catalog import audit as audits
from lumbung.catalog import query as queries
from lumbung.catalog.contract import Catalog
from lumbung.storage.columns import bigquery_schema

HERE = Path(__file__).parent
CATALOG = Catalog()
QUERIES = [contract for contract in CATALOG.contracts.values() if contract.sql_path.exists()]
CASES = sorted({path.parent for path in HERE.glob("*/*/*/expect.*")})
DAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def client(bigquery_server):
    with bigquery.Client(
        project="local", credentials=AnonymousCredentials(), client_options={"api_endpoint": bigquery_server}
    ) as client:
        client.create_dataset("sql_cases", exists_ok=True)
        yield client


def read_rows(path, contract):
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        rows = [{name: value or None for name, value in row.items()} for row in csv.DictReader(file, strict=True)]
    whole = {column.name for column in contract.columns if column.type == "INT64"}
    return [{name: int(value) if name in whole and value else value for name, value in row.items()} for row in rows]


def in_any_order(rows):
    return sorted(json.dumps(row, sort_keys=True, default=str, ensure_ascii=False) for row in rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(HERE)))
def test_query_gives_the_rows_expected(case, client):
    contract = CATALOG[f"{case.parent.parent.name}.{case.parent.name}"]
    given = {path.stem: path for path in (case / "given").glob("*")}
    assert given.keys() == queries.dependencies(contract), "a case gives each table its query and checks look at"

    def names(address):
        return f"local.sql_cases.{CASES.index(case)}__{address.replace('.', '__')}"

    for address, path in given.items():
        load = bigquery.LoadJobConfig(schema=bigquery_schema(CATALOG[address]), write_disposition="WRITE_TRUNCATE")
        rows = read_rows(path, CATALOG[address])
        client.load_table_from_json(rows, names(address), job_config=load).result()

    params = yaml.safe_load((case / "params.yaml").read_text()) if (case / "params.yaml").exists() else {}
    parameter = bigquery.ScalarQueryParameter("snapshot_date", "DATE", params.get("snapshot_date", DAY))
    if contract.incremental:
        parameter = bigquery.ArrayQueryParameter("tweet_dates", "DATE", params.get("tweet_dates", [DAY]))
    client.query_and_wait(
        queries.render(contract, names),
        job_config=bigquery.QueryJobConfig(
            query_parameters=[parameter], destination=names(contract.address), write_disposition="WRITE_TRUNCATE"
        ),
    )
    made = client.list_rows(client.get_table(names(contract.address)))
    types = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    assert [(field.name, types.get(field.field_type, field.field_type)) for field in made.schema] == [
        (column.name, column.type) for column in contract.columns
    ]
    (expected,) = case.glob("expect.*")
    assert in_any_order(dict(row.items()) for row in made) == in_any_order(read_rows(expected, contract))

    audit = audits.script(contract, names)
    if (case / "refused.txt").exists():
        with pytest.raises(BadRequest) as refusal:
            client.query_and_wait(audit)
        assert (case / "refused.txt").read_text().strip() in str(refusal.value)
    else:
        client.query_and_wait(audit)
    if warnings := audits.warnings(contract, names):
        warned = [row.check for row in client.query_and_wait(warnings)]
        assert set(warned) <= set(audits.check_names(contract))


def test_every_query_has_a_case():
    tested = {f"{case.parent.parent.name}.{case.parent.name}" for case in CASES}
    assert tested == {contract.address for contract in QUERIES}


def test_the_project_s_tables_can_be_built():
    order = [contract.address for contract in queries.build_order(CATALOG.contracts.values())]
    assert sorted(order) == sorted(contract.address for contract in QUERIES)
    for contract in QUERIES:
        before = order[: order.index(contract.address)]
        assert {table for table in queries.dependencies(contract) if CATALOG[table].sql_path.exists()} <= set(before)
