"""What the page is made of where systems have published different days."""

import contextlib
import csv
from datetime import UTC, date, datetime

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.pipeline.extract import extract
from lumbung.pipeline.references import make_version
from lumbung.pipeline.rejects import load_rejected
from lumbung.report import render
from lumbung.report.data import collect
from lumbung.systems import registry
from support import contract_marts

BEFORE, CONTRACTS, COURSES = date(2026, 11, 8), date(2026, 11, 9), date(2026, 11, 10)
ROWS = {
    "account": {"active_ind": "1", "account_id": "A"},
    "party": {"account_id": "A", "party_id": "P"},
    "party_address": {"party_id": "P"},
}


@pytest.fixture(scope="module")
def harness(new_harness, tmp_path_factory):
    """Courses and contracts are published, of two days; each day of contracts has a party of an account of its own."""
    catalog, folder = Catalog(), tmp_path_factory.mktemp("rows")
    sources = catalog.sources("contract_events")
    with contextlib.closing(new_harness(catalog=None)) as harness:
        harness.take(COURSES)
        contract_marts.publish(harness.warehouse, CONTRACTS, {}, folder)
        night = datetime(2026, 11, 10, 20, tzinfo=UTC)
        fresh = {"generation": 1, "extracted_at": night, "published_at": night, "state": "final", "view_copy": None}
        days = {"pinter_skuy": COURSES, "contract_events": CONTRACTS}
        published = [{"system": name, "published_day": day, **fresh} for name, day in days.items()]
        contract_marts.load(harness.warehouse, catalog["datamart.freshness"], published, folder)
        for day in (BEFORE, CONTRACTS):
            run = harness.run(day).run
            for contract in sources:
                orphan = {"account_id": f"none of {day}", "party_id": "P"}
                write(folder, contract, [ROWS[contract.table], *([orphan] if contract.table == "party" else [])])
                extract(
                    contract,
                    day,
                    lake=run.lake,
                    data_source=folder,
                    dsn=None,
                    run_id=run.run_id,
                    started_at=run.started_at,
                )
            make_version(sources, "contract_events", day, run.lake, run.run_id)
            load_rejected(run, [day], registry.rejects)
        yield harness


def write(folder, contract, rows):
    """A source's CSV file; what a row does not give is empty."""
    with (folder / contract.source.path).open("w", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in contract.business_columns], restval="")
        writer.writeheader()
        writer.writerows(rows)


def test_the_rows_and_rejects_of_a_system_are_those_of_the_day_it_has_published(harness):
    data = collect(harness.warehouse, harness.lake, harness.settings)
    assert [section.label for section in data.sections] == ["pinter-skuy", "Contract events"]
    assert data.day == COURSES
    contracts = {row.source: row for row in data.accounting if row.source in ("accounts.csv", "parties.csv")}
    assert {row.day for row in contracts.values()} == {CONTRACTS}
    assert (contracts["parties.csv"].rows_read, contracts["parties.csv"].rows_rejected) == (2, 1)
    assert [reject.raw for reject in data.rejects if f"none of {CONTRACTS}" in reject.raw]
    assert not [reject.raw for reject in data.rejects if f"none of {BEFORE}" in reject.raw]
    assert "There are no contracts." in render(data)
