"""Runs of contract events, stage by stage: what is sent, when, and that it is sent once."""

from collections import Counter
from datetime import timedelta

import pytest

from lumbung.core.errors import CheckError, LumbungError
from lumbung.stream.shipper import Shipper
from lumbung.systems.contract_events import part, steps
from lumbung.systems.contract_events.sending import EVENTS, SENDINGS, newest_sending
from support.contracts_harness import DAY, account, sources, states

NEXT, LAST = DAY + timedelta(days=1), DAY + timedelta(days=2)
OF_FIRST = [(f"{n}", "INSERT") for n in (1, 2, 3, 4, 5)]
OF_SECOND = [("2", "UPDATE"), ("3", "DELETE"), ("4", "UPDATE"), ("5", "DELETE"), ("6", "INSERT")]


class KilledError(Exception):
    """Where a test kills a run."""


@pytest.fixture
def kill_sends(monkeypatch):
    """Let only so many files of events be sent; the next one is where the run is killed. None: no more kills."""
    original = Shipper.send

    def kill(after):
        sent = []

        def send(self, name, messages, record=None):
            if after is not None and len(sent) >= after:
                raise KilledError
            sent.append(name)
            return original(self, name, messages, record)

        monkeypatch.setattr(Shipper, "send", send)

    return kill


@pytest.fixture
def small_parts(monkeypatch):
    """Two messages in a file of events."""
    monkeypatch.setattr(part, "PART_EVENTS", 2)


def ids(contracts):
    return [row["contract_id"] for row in contracts.rows("SELECT contract_id FROM {dwh.dim_contract} ORDER BY 1")]


def runs(contracts):
    """What runs recorded, by day; those that made events first."""
    return contracts.rows("SELECT * FROM {ops.contract_event_run} ORDER BY day, engine IS NULL")


def folded(contracts):
    """The newest message of each contract, and whether it is one."""
    return {key: operation != "DELETE" for key, operation in contracts.in_order()}


def test_the_first_day_inserts_a_later_one_sends_what_changed_and_a_rerun_nothing(contracts):
    first, second, _ = states()
    day = contracts.take(first)
    assert contracts.operations() == OF_FIRST
    assert day.did["send"].rows_out == 5
    event = contracts.messages()[0]["value"]
    assert list(event) == ["eventHeader", "keys", "payload"]
    assert event["eventHeader"]["eventDateTime"] == "2026-11-23T17:00:00.000Z"

    contracts.take(second, NEXT)
    assert contracts.operations() == sorted(OF_FIRST + OF_SECOND)
    assert ids(contracts) == ["1", "2", "4", "6"]
    before = contracts.checksum()

    again = contracts.take(second, NEXT)
    assert again.did["send"].rows_out == 0
    assert "version 2026-11-25 generation 1 is sent" in again.did["events"].note
    assert len(contracts.messages()) == 10
    assert contracts.checksum() == before
    verified = contracts.verify()
    assert (verified.messages, verified.counts) == (10, {})
    rows = runs(contracts)
    assert [(row["day"], row["insert_count"], row["update_count"], row["delete_count"]) for row in rows] == [
        (DAY, 5, 0, 0), (NEXT, 1, 2, 2), (NEXT, 0, 0, 0),
    ]  # fmt: skip
    assert [(row["engine"], row["sending"]) for row in rows] == [("sail", 1), ("sail", 2), (None, 2)]


def test_an_older_day_sends_nothing_and_says_so(contracts):
    first, second, third = states()
    contracts.take(second, NEXT)
    before = contracts.messages()
    older = contracts.take(first, DAY)
    assert f"day {DAY} is older" in older.did["events"].note
    assert contracts.messages() == before
    assert ids(contracts) == ["1", "2", "4", "6"]
    contracts.take(third, LAST)
    assert folded(contracts) == {"1": True, "2": True, "4": True, "5": True, "6": True}


def test_a_refreshed_last_day_sends_its_differences(contracts):
    first, *_ = states()
    contracts.take(first)
    first["account"][0]["country"] = "Malaysia"
    refreshed = contracts.take(first, refresh=True)
    assert contracts.operations() == sorted([*OF_FIRST, ("1", "UPDATE")])
    payload = contracts.messages_of("1")[-1]["payload"]
    assert payload == {
        "contractIdentifier": {"operation": "UPDATE", "newValue": "1"},
        "contractCountry": {"operation": "UPDATE", "newValue": "Malaysia", "oldValue": "Indonesia"},
    }
    assert refreshed.did["send"].note.startswith("sending 2, version 2026-11-24 generation 2")
    assert contracts.rows("SELECT event_count FROM {datamart.contract_event_daily} WHERE operation = 'INSERT'") == [
        {"event_count": 5}
    ]


def test_orders_of_runs_give_the_same_marts_of_contracts_and_the_same_topic_folded_by_key(make_contracts_harness):
    days = list(zip((DAY, NEXT, LAST), states(), strict=True))
    seen = []
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0, 1)):
        contracts = make_contracts_harness()
        for number in order:
            day, tables = days[number]
            contracts.take(tables, day)
        columns = "* EXCEPT (first_sent_day, last_sent_day)"
        marts = contracts.rows(f"SELECT {columns} FROM {{dwh.dim_contract}} ORDER BY contract_id")
        there = {key for key, is_there in folded(contracts).items() if is_there}
        assert contracts.verify().counts == {}
        seen.append((marts, there))
    assert seen[0] == seen[1] == seen[2]


def test_nothing_is_sent_where_a_check_fails_and_the_plan_is_replaced(contracts, monkeypatch):
    first, second, _ = states()
    contracts.give(first)
    failed = contracts.run().up_to("load")

    def fail(*_):
        raise CheckError("a check failed")

    monkeypatch.setattr("lumbung.catalog.audit.outcomes", fail)
    with pytest.raises(CheckError):
        failed.build()
    monkeypatch.undo()
    assert contracts.lake.names(SENDINGS) == []
    # The source is corrected and taken again: what is sent is what is right then.
    contracts.take(second, refresh=True)
    assert contracts.operations() == [(n, "INSERT") for n in ("1", "2", "4", "6")]
    assert newest_sending(contracts.lake).content.generation == 2
    assert contracts.verify().counts == {}


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("sent", [0, 1, 2])
def test_a_run_that_is_killed_while_it_sends_is_completed_by_the_next(contracts, kill_sends, sent):
    first, second, _ = states()
    contracts.give(first)
    killed = contracts.run().up_to("build")
    kill_sends(sent)
    with pytest.raises(KilledError):
        killed.send()
    assert len(contracts.messages()) == 2 * sent
    kill_sends(None)
    following = contracts.take(second, NEXT)
    assert "completed: " in following.did["events"].note
    # What a command says that it has sent: of both versions, but for what the killed run had sent.
    messages = sum(steps.sent(contracts.lake, [NEXT]).values())
    assert messages == len(OF_FIRST + OF_SECOND) - 2 * sent
    assert contracts.operations() == sorted(OF_FIRST + OF_SECOND)
    assert contracts.verify().counts == {}
    assert Counter(row["sending"] for row in contracts.rows("SELECT sending FROM {dwh.fact_contract_event}")) == {
        1: 5,
        2: 5,
    }


@pytest.mark.usefixtures("small_parts")
def test_a_task_that_is_tried_again_counts_what_its_first_try_has_sent(contracts, kill_sends):
    first, *_ = states()
    contracts.give(first)
    day = contracts.run().up_to("build")
    kill_sends(2)
    with pytest.raises(KilledError):
        day.send()
    kill_sends(None)
    day.after("build")
    assert contracts.operations() == OF_FIRST
    assert [row["insert_count"] for row in runs(contracts)] == [5]


def test_a_topic_that_was_deleted_gets_all_sendings_again(contracts):
    first, second, _ = states()
    contracts.take(first)
    contracts.take(second, NEXT)
    sent = contracts.in_order()
    contracts.delete_topic()
    with pytest.raises(LumbungError, match="there is no such topic"):
        contracts.messages()
    contracts.take(second, NEXT)
    assert contracts.in_order() == sent
    assert contracts.verify().counts == {}


def test_a_topic_of_another_lake_is_refused_before_anything_is_sent(contracts, make_contracts_harness):
    first, second, _ = states()
    contracts.take(first)
    other = make_contracts_harness(contract_events_topic=contracts.name)
    other.give(second)
    day = other.run().up_to("build")
    with pytest.raises(LumbungError, match="this lake has not sent"):
        day.send()
    assert other.lake.names(SENDINGS) == []
    assert contracts.operations() == OF_FIRST


def test_a_lake_that_sends_what_the_topic_has_adds_nothing(contracts, make_contracts_harness):
    """The same sources of the same day are the same bytes: a home that was lost goes on where it was."""
    first, *_ = states()
    contracts.take(first)
    other = make_contracts_harness(contract_events_topic=contracts.name)
    assert other.take(first).did["send"].rows_out == 0
    assert contracts.operations() == OF_FIRST
    assert other.verify().counts == {}


def test_a_run_that_another_one_overtook_sends_nothing(contracts):
    first, second, _ = states()
    contracts.give(first)
    slow = contracts.run().up_to("build")
    contracts.take(second, NEXT)
    assert slow.send().skipped
    assert contracts.operations() == [(n, "INSERT") for n in ("1", "2", "4", "6")]


def test_a_plan_that_was_compared_with_an_older_sending_is_refused(contracts):
    first, second, third = states()
    contracts.give(first)
    contracts.take(first)
    contracts.give(third)
    slow = contracts.run(LAST).up_to("build")
    # Both were compared with the first day; the day between is sent first.
    contracts.lake.delete(f"version/contract_events/dt={LAST}/manifest-000001.json")
    contracts.take(second, NEXT)
    with pytest.raises(LumbungError, match="another version was sent"):
        slow.send()
    assert contracts.operations() == sorted(OF_FIRST + OF_SECOND)


def test_two_runs_of_the_same_version_send_it_once(contracts):
    first, *_ = states()
    contracts.give(first)
    one, other = contracts.run().up_to("build"), contracts.run().up_to("build")
    one.after("build")
    other.after("build")
    assert (one.did["send"].rows_out, other.did["send"].rows_out) == (5, 0)
    assert contracts.operations() == OF_FIRST
    assert ids(contracts) == ["1", "2", "3", "4", "5"]


def test_a_run_whose_events_of_a_version_are_not_those_that_were_sent_is_refused(contracts):
    """Its tables would show events that the topic does not have."""
    contracts.give(sources(1, 2))
    slow = contracts.run().up_to("events")
    contracts.set(contract_events_schema_version="1.1")
    contracts.take()
    slow.through(("version", "rejected", "load", "build"))
    with pytest.raises(LumbungError, match="another version was sent"):
        slow.send()
    sent = {message["value"]["eventHeader"]["eventIdentifier"] for message in contracts.messages()}
    assert {row["event_id"] for row in contracts.rows("SELECT event_id FROM {dwh.fact_contract_event}")} == sent


def test_a_run_of_an_older_generation_does_not_undo_what_a_newer_one_has_loaded(contracts):
    """Neither was sent when they were compared: both would be the same sending."""
    contracts.give(sources(1, 2))
    slow = contracts.run().up_to("events")
    contracts.give(sources(1, 3))
    fast = contracts.run(refresh=True).up_to("build")
    slow.through(("version", "rejected", "load"))
    fast.after("build")
    assert ids(contracts) == ["1", "3"]
    slow.build()
    assert slow.send().skipped
    assert contracts.operations() == [("1", "INSERT"), ("3", "INSERT")]


def test_a_dry_run_says_what_it_would_send_and_loads_sends_and_publishes_nothing(contracts):
    first, *_ = states()
    dry = contracts.take(first, dry_run=True)
    assert dry.did["version"].note == "dry run: it would send 5 INSERT, 0 UPDATE, 0 DELETE"
    assert not dry.did.keys() & {"load", "build", "send", "publish"}
    assert contracts.lake.names(SENDINGS) == []
    assert contracts.run().run.state.published() is None
    contracts.take()
    assert contracts.take(dry_run=True).did["version"].note == "dry run: there is nothing to send"


def test_a_tombstone_follows_the_event_of_a_deleted_contract_in_the_same_file(contracts, monkeypatch):
    monkeypatch.setattr(part, "PART_EVENTS", 1)
    contracts.set(contract_events_tombstone=True)
    contracts.take(sources(1, 2))
    contracts.take(sources(1), NEXT)
    assert contracts.in_order("2") == [("2", "INSERT"), ("2", "DELETE"), ("2", "TOMBSTONE")]
    assert len(newest_sending(contracts.lake).content.parts) == 1
    assert contracts.verify().counts == {}
    events = contracts.rows("SELECT operation FROM {dwh.fact_contract_event} ORDER BY sending, position")
    assert [row["operation"] for row in events] == ["INSERT", "INSERT", "DELETE"]
    assert [row["tombstone_count"] for row in runs(contracts)] == [0, 1]


def test_a_contract_with_a_rejected_row_of_its_own_is_held(contracts):
    contracts.take(sources(*range(1, 201)))
    changed = sources(*range(1, 201))
    changed["account"][0]["account_start_date"] = "soon"
    changed["account"][1]["country"] = "Malaysia"
    contracts.take(changed, NEXT)
    assert contracts.in_order("1") == [("1", "INSERT")]
    assert contracts.in_order("2") == [("2", "INSERT"), ("2", "UPDATE")]
    held = contracts.rows("SELECT contract_id FROM {dwh.dim_contract} WHERE is_held")
    assert held == [{"contract_id": "1"}]
    assert [row["held_count"] for row in runs(contracts)] == [0, 1]


def test_another_version_of_the_schema_sends_nothing_by_itself(contracts):
    contracts.take(sources(1, 2))
    contracts.set(contract_events_schema_version="1.1")
    contracts.take(sources(1, 2), refresh=True)
    assert len(contracts.messages()) == 2
    contracts.take({**sources(1, 2), "account": [account(1, branch_code="X"), account(2)]}, NEXT)
    assert contracts.messages_of("1")[-1]["eventHeader"]["minorSchemaVersion"] == 1


def test_a_day_without_a_change_moves_the_state_and_sends_nothing(contracts):
    contracts.take(sources(1))
    quiet = contracts.take(sources(1), NEXT)
    assert quiet.did["send"].rows_out == 0
    assert newest_sending(contracts.lake).content.order == (NEXT, 1)
    assert newest_sending(contracts.lake).content.parts == []
    assert contracts.rows("SELECT event_date FROM {dwh.fact_contract_event}") == [{"event_date": DAY}]


def test_files_of_events_of_plans_that_were_not_sent_are_no_part_of_the_topic(contracts):
    contracts.give(sources(1))
    contracts.run().up_to("events")
    contracts.take(sources(1, 2), refresh=True)
    assert len(contracts.lake.names(EVENTS)) == 2
    assert contracts.operations() == [("1", "INSERT"), ("2", "INSERT")]
