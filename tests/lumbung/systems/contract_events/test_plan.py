"""Plans: ranges of contracts, and messages that are refused before anything is written down."""

from datetime import timedelta

import pytest

from lumbung.core.errors import LumbungError
from lumbung.pipeline.snapshot import newest_version
from lumbung.spark import contracts as spark
from lumbung.systems.contract_events import plan as plans
from lumbung.systems.contract_events.sending import SENDINGS, newest_sending
from support.contracts_harness import DAY, account, sources

NEXT = DAY + timedelta(days=1)


def test_ranges_are_by_bytes_and_hold_all_ids(contracts, monkeypatch):
    monkeypatch.setattr(spark, "FIRST_RANGE", 3)
    monkeypatch.setattr(spark, "LATER_RANGE", 3)
    tables = sources(1)
    names = ["10", "9", "é", "Z", "a", "2", "🏦"]
    tables["account"] = [account(name) for name in names]
    tables["party"][0]["account_id"] = "a"
    contracts.give(tables)
    day = contracts.run().up_to("snapshot")
    version = newest_version(contracts.lake, "contract_events")
    work = plans.prepare(day.run, version, None)
    assert plans.ranges(day.run, work) == [(None, "Z"), ("Z", "🏦"), ("🏦", None)]
    day.after("snapshot")
    assert sorted(key for key, _ in contracts.in_order()) == sorted(names)
    # What was sent and is gone is in a range, too.
    tables["account"] = [account("b")]
    tables["party"][0]["account_id"] = "b"
    contracts.take(tables, NEXT)
    assert len(contracts.messages()) == 2 * len(names) + 1
    assert contracts.verify().counts == {}


def test_nothing_to_compare_is_one_range(contracts):
    contracts.take({**sources(1), "account": [account(1, active_ind="0")]})
    assert newest_sending(contracts.lake).content.counts.events == 0


def test_a_message_that_is_too_large_for_kafka_stops_the_run_before_anything_is_sent(contracts, monkeypatch):
    monkeypatch.setattr(plans, "MOST_BYTES", 2_000)
    tables = sources(1, 2)
    tables["account"][1]["legal_title_1"] = "x" * 2_000
    contracts.give(tables)
    with pytest.raises(LumbungError, match="message of 2 has"):
        contracts.run().up_to("events")
    assert contracts.lake.names(SENDINGS) == []


def test_a_message_that_breaks_its_schema_stops_the_run_before_anything_is_written_down(contracts, monkeypatch):
    def refuse(values):
        raise LumbungError("an event breaks version 1.0 of their schema", where=f"{len(values)} events")

    monkeypatch.setattr(plans, "validator", lambda version: refuse)
    contracts.give(sources(1, 2))
    with pytest.raises(LumbungError, match="breaks version"):
        contracts.run().up_to("events")
    assert contracts.lake.names("contract-events/states") == []
    assert contracts.lake.names("contract-events/events") == []
