"""Contracts in the Open Data Contract Standard, against its JSON Schema, which its authors' package holds."""

import json
from importlib import resources

import jsonschema_rs
import pytest
import yaml

from lumbung.catalog.contract import Catalog
from lumbung.catalogue import odcs

SCHEMA = json.loads((resources.files("open_data_contract_standard") / "schema.json").read_text())
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


def contract(entries, address):
    return yaml.safe_load(odcs.text(entries, address))


@pytest.mark.parametrize("address", Catalog().contracts)
def test_every_contract_is_of_the_standard(contracts_only, address):
    document = contract(contracts_only, address)
    assert document["apiVersion"] == "v3.2.0"
    assert [f"{error.instance_path}: {error.message}" for error in VALIDATOR.iter_errors(document)] == []


def test_the_schema_refuses_what_is_not_of_it(contracts_only):
    document = contract(contracts_only, "dwh.dim_student")
    document["schema"][0]["quality"][0]["metric"] = "no_such_metric"
    assert not VALIDATOR.is_valid(document)


def test_what_a_table_is(contracts_only):
    document = contract(contracts_only, "datamart.top_mentor")
    assert document["id"] == "lumbung.datamart.top_mentor"
    assert document["description"]["limitations"].startswith("two mentors may share a name")
    (server,) = document["servers"]
    assert (server["type"], server["dataset"]) == ("bigquery", "datamart")
    (table,) = document["schema"]
    assert table["dataGranularityDescription"] == "a mentor with rank 3 or better; all ties are kept"
    rank, mentor, name, _ = table["properties"]
    assert (rank["logicalType"], rank["physicalType"], rank["required"]) == ("integer", "INT64", True)
    assert (mentor["primaryKey"], mentor["primaryKeyPosition"], mentor["unique"]) == (True, 1, True)
    assert mentor["transformSourceObjects"] == ["dwh.fact_course_enrollment.mentor_id"]
    assert rank["transformDescription"] == "counts rows of dwh.fact_course_enrollment"
    assert name["quality"] == [
        {
            "name": "not_null(mentor_name)",
            "dimension": "completeness",
            "severity": "warning",
            "type": "library",
            "metric": "nullValues",
            "mustBe": 0,
        }
    ]
    assert table["relationships"] == [
        {"from": "top_mentor.mentor_id", "to": "dwh.dim_mentor.odcs.yaml#/schema/dim_mentor/properties/mentor_id"}
    ]
    rules = {rule["name"]: rule for rule in table["quality"]}
    assert rules["rows(min 1)"]["mustBeGreaterOrEqualTo"] == 1
    assert rules["unique(mentor_id)"]["arguments"] == {"properties": ["mentor_id"]}
    assert rules["references(mentor_id in dwh.dim_mentor)"]["type"] == "sql"
    assert document["slaProperties"][0]["property"] == "frequency"


def test_what_a_source_is(contracts_only):
    document = contract(contracts_only, "staging.account")
    (table,) = document["schema"]
    columns = {column["name"]: column for column in table["properties"]}
    assert columns["active_ind"]["enum"] == [{"value": "0"}, {"value": "1"}]
    assert columns["tax_id"]["transformSourceObjects"] == ["accounts.csv: tax_id"]
    assert (columns["snapshot_date"]["partitioned"], columns["snapshot_date"]["logicalType"]) == (True, "date")
    (least,) = [rule for rule in table["quality"] if rule["name"] == "min_rows"]
    assert least["mustBeGreaterOrEqualTo"] == 1
    custom = {each["property"]: each["value"] for each in document["customProperties"]}
    assert custom["source"] == {"kind": "csv", "path": "accounts.csv", "max_rejects": 0.05}


def test_another_contract_is_another_version(contracts_only, with_runs):
    versions = {address: contract(contracts_only, address)["version"] for address in contracts_only.tables}
    assert len(set(versions.values())) == len(versions)
    same = {address for address in with_runs.tables if contract(with_runs, address)["version"] == versions[address]}
    assert with_runs.tables.keys() - same == {"dwh.dim_student"}  # it has one check more


def test_the_sql_of_checks_counts_violations(harness, with_runs):
    (table,) = contract(with_runs, "dwh.dim_student")["schema"]
    counts = {
        rule["name"]: next(iter(harness.warehouse.rows(rule["query"]).to_pylist()[0].values()))
        for rule in table["quality"]
        if rule["type"] == "sql"
    }
    assert counts == {r"expression(REGEXP_CONTAINS(city, r'\S'))": 1, "expression(city <> 'nowhere')": 0}
