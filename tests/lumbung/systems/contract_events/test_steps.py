"""Runs of contract events, stage by stage: what is sent, and that it is sent once."""

from datetime import timedelta

from support.contracts_harness import DAY, states

NEXT = DAY + timedelta(days=1)


def test_the_first_day_inserts_every_active_contract(contracts):
    first, *_ = states()
    day = contracts.take(first)
    assert contracts.operations() == [(f"{n}", "INSERT") for n in (1, 2, 3, 4, 5)]
    assert day.did["send"].rows_out == 5
    assert contracts.verify().counts == {}
    assert contracts.verify().messages == 5
    event = contracts.messages()[0]["value"]
    assert list(event) == ["eventHeader", "keys", "payload"]
    assert event["eventHeader"]["eventDateTime"] == "2026-11-23T17:00:00.000Z"


def test_a_later_day_sends_what_changed_and_a_rerun_nothing(contracts):
    first, second, _ = states()
    contracts.take(first)
    contracts.take(second, NEXT)
    changed = [("2", "UPDATE"), ("3", "DELETE"), ("4", "UPDATE"), ("5", "DELETE"), ("6", "INSERT")]
    assert contracts.operations() == sorted([*((f"{n}", "INSERT") for n in (1, 2, 3, 4, 5)), *changed])
    before = contracts.checksum()
    again = contracts.take(second, NEXT)
    assert again.did["send"].rows_out == 0
    assert len(contracts.messages()) == 10
    assert contracts.checksum() == before
    assert contracts.verify().counts == {}
    ids = contracts.rows("SELECT contract_id FROM {dwh.dim_contract} ORDER BY contract_id")
    assert [row["contract_id"] for row in ids] == ["1", "2", "4", "6"]
