"""Each table's query on the local server and on Google's engine; `lumbung.catalog.case` says what a case holds."""

import json

import pytest
from google.cloud import bigquery

from lumbung.catalog import audit as audits
from lumbung.catalog import case as cases
from lumbung.catalog import query as queries
from lumbung.catalog.case import read_rows
from lumbung.catalog.contract import Catalog
from lumbung.core.errors import CheckError
from lumbung.googlesql.analyzer import Catalogue
from lumbung.googlesql.errors import GoogleSqlError, NotJudgedError, UnimplementedError
from lumbung.storage.columns import bigquery_schema
from support import engines
from support.bigquery_client import connect

CATALOG = Catalog()
QUERIES = [contract for contract in CATALOG.contracts.values() if contract.sql_path.exists()]
CASES = cases.cases()


@pytest.fixture(scope="module")
def client(bigquery_server):
    with connect(bigquery_server) as client:
        client.create_dataset("sql_cases", exists_ok=True)
        yield client


def type_of(field):
    kind = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}.get(field.field_type, field.field_type)
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def in_any_order(rows):
    return sorted(json.dumps(row, sort_keys=True, default=str, ensure_ascii=False) for row in rows)


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.folder.relative_to(cases.CASES_ROOT)))


def agrees_with(case, contract, columns, rows, violations):
    """Whether a result, and the counts of its audit, are as the case expects them."""
    assert columns == engines.columns_of(contract)
    assert in_any_order(rows) == in_any_order(read_rows(case.expected, contract))
    if case.refused.exists():
        with pytest.raises(CheckError) as refusal:
            audits.outcomes(contract, violations, case.address)
        assert case.refused.read_text().strip() in str(refusal.value)
    else:
        assert list(audits.outcomes(contract, violations, case.address)) == list(audits.checks(contract))
    return True


@each_case
def test_the_local_server_gives_the_rows_expected(case, client):
    contract = CATALOG[case.address]
    assert case.given.keys() == queries.dependencies(contract), "a case gives each table its query and checks look at"

    def names(address):
        return f"local.sql_cases.{CASES.index(case)}__{address.replace('.', '__')}"

    for address, path in case.given.items():
        load = bigquery.LoadJobConfig(schema=bigquery_schema(CATALOG[address]), write_disposition="WRITE_TRUNCATE")
        rows = read_rows(path, CATALOG[address])
        client.load_table_from_json(rows, names(address), job_config=load).result()

    job = engines.job_parameters(parameters_of(case))
    job.destination, job.write_disposition = names(contract.address), "WRITE_TRUNCATE"
    client.query_and_wait(queries.render(contract, names), job_config=job)
    made = client.list_rows(client.get_table(names(contract.address)))
    columns = [(field.name, type_of(field)) for field in made.schema]
    rows = [dict(row.items()) for row in made]
    (violations,) = client.query_and_wait(audits.query(contract, names))
    assert agrees_with(case, contract, columns, rows, violations.values())


@each_case
def test_google_s_engine_gives_the_rows_expected(case):
    contract = CATALOG[case.address]
    tables = {address: engines.columns_of(CATALOG[address]) for address in {*case.given, case.address}}
    given = {address: read_rows(path, CATALOG[address]) for address, path in case.given.items()}
    columns, made = evaluated(tables, given, queries.render(contract, str), parameters_of(case))
    rows = [dict(zip([name for name, _ in columns], row, strict=True)) for row in made]
    _, (violations,) = evaluated(tables, {**given, case.address: rows}, audits.query(contract, str))
    assert agrees_with(case, contract, list(columns), rows, violations)


def evaluated(tables, rows, sql, parameters=None):
    """Columns and rows of a query on Google's engine; the test is skipped where only BigQuery can evaluate it."""
    with Catalogue(tables, rows) as catalogue:
        try:
            return catalogue.evaluate(sql, parameters)
        except (UnimplementedError, NotJudgedError) as error:
            pytest.skip(f"Google's engine cannot evaluate it: {error}")


@pytest.mark.parametrize("call", ["APPROX_COUNT_DISTINCT(a)", "HLL_COUNT.INIT(a)", "MAX_BY(a, a)"])
def test_only_what_google_s_engine_cannot_evaluate_is_skipped(call):
    tables, rows = {"t": [("a", "INT64")]}, {"t": [{"a": 1}]}
    with pytest.raises(pytest.skip.Exception, match="cannot evaluate"):
        evaluated(tables, rows, f"SELECT {call} AS x FROM t")
    with pytest.raises(GoogleSqlError):
        evaluated(tables, rows, "SELECT NOW() AS x FROM t")


def parameters_of(case):
    """The parameter that the case gives the query."""
    contract = CATALOG[case.address]
    return engines.parameters_of(contract, case.params.get(cases.parameter(contract)[0]))


def test_every_query_has_a_case():
    tested = {case.address for case in CASES}
    assert tested == {contract.address for contract in QUERIES}


def test_the_project_s_tables_can_be_built():
    order = [contract.address for contract in queries.build_order(CATALOG.contracts.values())]
    assert sorted(order) == sorted(contract.address for contract in QUERIES)
    for contract in QUERIES:
        before = order[: order.index(contract.address)]
        assert {table for table in queries.dependencies(contract) if CATALOG[table].sql_path.exists()} <= set(before)
