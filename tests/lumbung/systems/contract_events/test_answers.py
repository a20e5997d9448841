"""The answers about contracts, from marts made on the real local server; and that the marts' counts agree."""

import contextlib
import json
import re
import uuid
from datetime import UTC, date, datetime

import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import ROOT
from lumbung.systems.contract_events.answers import answers
from support import contract_marts

PAGE = ROOT / "docs" / "reference" / "contract-events-flow.md"
FIRST, DAY = date(2026, 11, 20), date(2026, 11, 21)


def contract(key, country, **changes):
    row = dict.fromkeys(("source_system", "title_1", "title_2", "tax_id_type", "tax_id", "branch_code"))
    row |= {"contract_id": key, "contract_start_at": datetime(2018, 3, 24, tzinfo=UTC), "country": country}
    row |= {"first_sent_day": FIRST, "last_sent_day": DAY, "is_held": False, "snapshot_date": DAY}
    return {**row, **changes}


def party(key, number):
    row = dict.fromkeys(("relation_type", "relation_start_at", "address_line_1", "address_line_2", "city"))
    row |= dict.fromkeys(("postal_code", "country_of_address", "address_start_date"))
    return {**row, "contract_id": key, "party_id": number, "snapshot_date": DAY}


def events(sending, day, **operations):
    """Events of a sending: the contracts of each operation."""
    given = [(operation, key) for operation, keys in operations.items() for key in keys]
    return [
        {
            "event_date": day,
            "generation": sending,
            "sending": sending,
            "position": position,
            "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{sending} {key}")),
            "contract_id": key,
            "operation": operation,
        }
        for position, (operation, key) in enumerate(given)
    ]


STAGING = {
    "contract": [
        contract("1", "Indonesia"),
        contract("2", "Indonesia", is_held=True),
        contract("3", None),
        contract("4", "Singapura"),
        contract("5", "Malaysia", snapshot_date=FIRST),
    ],
    "contract_party": [party("1", "a"), party("1", "b"), party("2", "a"), party("4", "a")],
    "contract_event": [
        *events(1, FIRST, INSERT=["1", "2", "3", "5"]),
        *events(2, DAY, UPDATE=["1", "3"], DELETE=["5"]),
        *events(3, DAY, INSERT=["4"], UPDATE=["1"]),
    ],
}


@pytest.fixture(scope="module")
def bank(new_harness, tmp_path_factory):
    """The marts of three sendings of two days."""
    with contextlib.closing(new_harness(catalog=None)) as harness:
        harness.warehouse.ensure_datasets(["datamart"])
        with pytest.raises(LumbungError, match=r"no contracts are published yet.*lumbung contract-events run"):
            answers(harness.warehouse)
        contract_marts.publish(harness.warehouse, DAY, STAGING, tmp_path_factory.mktemp("staging"))
        yield harness


def test_contracts_are_counted_by_country_most_first(bank):
    rows = answers(bank.warehouse).to_json()["contracts_by_country"]
    assert [tuple(row.values()) for row in rows] == [
        ("Indonesia", 2, 1, 0, 3, 2),
        ("(unknown)", 1, 0, 1, 0, 0),
        ("Singapura", 1, 0, 0, 1, 1),
    ]


def test_events_are_counted_by_operation_and_day(bank):
    answered = answers(bank.warehouse)
    assert answered.events_by_operation == {"INSERT": 5, "UPDATE": 3, "DELETE": 1}
    assert [(row.event_date, row.operation, row.event_count, row.contract_count) for row in answered.events_by_day] == [
        (FIRST, "INSERT", 4, 4),
        (FIRST, "UPDATE", 0, 0),
        (FIRST, "DELETE", 0, 0),
        (DAY, "INSERT", 1, 1),
        (DAY, "UPDATE", 3, 2),
        (DAY, "DELETE", 1, 1),
    ]


def test_the_json_object_is_one_of_plain_values(bank):
    content = json.loads(json.dumps(answers(bank.warehouse).to_json()))
    assert list(content) == ["contracts_by_country", "events_by_operation", "events_by_day"]
    assert content["events_by_day"][0]["event_date"] == "2026-11-20"


def test_the_marts_add_up_to_what_they_are_made_from(bank):
    (totals,) = bank.rows(
        """
        SELECT
            (SELECT SUM(contract_count) FROM {datamart.contract_by_country}) AS contracts,
            (SELECT SUM(held_count) FROM {datamart.contract_by_country}) AS held,
            (SELECT SUM(relation_count) FROM {datamart.contract_by_country}) AS relations,
            (SELECT SUM(event_count) FROM {datamart.contract_event_daily}) AS events
        """
    )
    (rows,) = bank.rows(
        """
        SELECT
            (SELECT COUNT(*) FROM {dwh.dim_contract}) AS contracts,
            (SELECT COUNTIF(is_held) FROM {dwh.dim_contract}) AS held,
            (SELECT COUNT(*) FROM {dwh.fact_contract_party}) AS relations,
            (SELECT COUNT(*) FROM {dwh.fact_contract_event}) AS events
        """
    )
    assert totals == rows == {"contracts": 4, "held": 1, "relations": 4, "events": 9}


def test_a_contract_is_there_if_it_was_inserted_more_often_than_deleted(bank):
    by_events = bank.rows(
        """
        SELECT contract_id FROM {dwh.fact_contract_event}
        GROUP BY contract_id
        HAVING COUNTIF(operation = 'INSERT') > COUNTIF(operation = 'DELETE')
        ORDER BY contract_id
        """
    )
    assert by_events == bank.rows("SELECT contract_id FROM {dwh.dim_contract} ORDER BY contract_id")


def test_the_queries_of_the_page_run(bank):
    bank.warehouse.ensure_table(bank.catalog["ops.contract_event_run"])
    queries = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    tables = r"\b((?:dwh|datamart|ops)\.\w+)"
    rows = [bank.rows(re.sub(tables, r"{\1}", query.replace("6982391060", "1"))) for query in queries]
    countries, days, history, parties, runs = rows
    assert [row["contract_count"] for row in countries] == [2, 1, 1]
    assert len(days) == 6
    assert [row["operation"] for row in history] == ["INSERT", "UPDATE", "UPDATE"]
    assert parties == [{"party_id": "a", "country_count": 2}]
    assert runs == []
