"""Prune: what was sent stays whatever its age, and so does what the next version is compared with."""

from datetime import UTC, datetime, timedelta

from lumbung.pipeline import prune as prunes
from lumbung.systems import registry
from lumbung.systems.contract_events.sending import EVENTS, PLANS, STATES, newest_sending
from support.contracts_harness import DAY, states

NEXT, LAST = DAY + timedelta(days=1), DAY + timedelta(days=2)


def test_old_days_go_and_every_message_stays(contracts, monkeypatch):
    first, second, third = states()
    contracts.take(first)
    contracts.give(second)
    contracts.run(NEXT).up_to("events")  # killed: its plan is never sent
    contracts.take(second, NEXT)
    monkeypatch.setattr(prunes, "ORPHAN_AGE", timedelta(0))
    pruned = prunes.prune(contracts.settings, contracts.warehouse, registry.all_systems(), keep=1)
    assert pruned.days["contract_events"] == [DAY]
    assert any(name.endswith("contract$20261124") for name in pruned.partitions)
    assert not any("contract_event$" in name for name in pruned.partitions)
    newest = newest_sending(contracts.lake).content
    assert {f"{STATES}/{name}" for name in contracts.lake.names(STATES)} == {newest.contracts.path, newest.parties.path}
    assert len(contracts.lake.names(EVENTS)) == 2
    assert contracts.lake.names(PLANS) == []
    # All that was sent can still be sent again, and the next day goes on.
    assert contracts.verify().counts == {}
    contracts.delete_topic()
    contracts.take(third, LAST)
    assert contracts.verify().counts == {}
    assert contracts.in_order("5") == [("5", "INSERT"), ("5", "DELETE"), ("5", "INSERT")]


def test_files_of_a_run_at_work_stay(contracts):
    first, *_ = states()
    contracts.give(first)
    run = contracts.run().up_to("build")
    prunes.prune(contracts.settings, contracts.warehouse, registry.all_systems(), keep=1)
    run.after("build")
    assert len(contracts.messages()) == 5


def test_a_dry_run_of_prune_deletes_nothing(contracts):
    first, *_ = states()
    contracts.take(first)
    before = contracts.lake.files("contract-events")
    system = registry.system("contract_events")
    plan = system.plan_prune(
        contracts.lake, contracts.warehouse, contracts.catalog, keep=1, before=datetime.now(UTC) + timedelta(days=1)
    )
    assert contracts.lake.files("contract-events") == before
    assert {file.path.rpartition("/")[0] for file in plan.data if file.path.startswith("contract-events")} == {PLANS}
