"""How the DAG `contract_events` is wired."""

import pytest
from airflow.sdk import TriggerRule

from support.daily_dag import builds, load, upstream

EXTRACTS = {"extract.account", "extract.party", "extract.party_address"}
LOADS = {
    f"load.{table}" for table in ("account", "party", "party_address", "contract", "contract_party", "contract_event")
}


@pytest.fixture
def dag(monkeypatch):
    monkeypatch.setenv("LUMBUNG_KAFKA", "")
    return load("contract_events")


def test_the_steps_follow_each_other(dag):
    for task_id in EXTRACTS:
        assert upstream(dag, task_id) == {"start"}
    assert upstream(dag, "snapshot") == EXTRACTS
    assert upstream(dag, "events") == {"snapshot"}
    assert upstream(dag, "version") == {"events"}
    for task_id in LOADS:
        assert upstream(dag, task_id) == {"version"}
    for task_id in builds(dag):
        assert upstream(dag, task_id) >= LOADS


def test_nothing_is_sent_before_every_table_is_checked_nor_published_before_it_is_sent(dag):
    assert len(builds(dag)) == 5
    assert upstream(dag, "send") == builds(dag)
    assert dag.get_task("send").trigger_rule == TriggerRule.ALL_SUCCESS
    assert upstream(dag, "publish") == {"send", *builds(dag)}


def test_runs_take_turns_and_wait_for_a_kafka(dag, monkeypatch):
    assert dag.max_active_runs == 1
    assert dag.is_paused_upon_creation
    monkeypatch.setenv("LUMBUNG_KAFKA", "127.0.0.1:9092")
    assert not load("contract_events").is_paused_upon_creation


def test_rejects_what_was_sent_and_the_audit_are_written_whatever_happened(dag):
    for task_id in ("rejected_row", "contract_event_run", "audit"):
        assert dag.get_task(task_id).trigger_rule == TriggerRule.ALL_DONE
    assert upstream(dag, "rejected_row") == {*EXTRACTS, "snapshot"}
    assert upstream(dag, "contract_event_run") == {"events", "send"}
    assert upstream(dag, "audit") == set(dag.task_ids) - {"start", "audit", "complete"}


def test_the_run_fails_with_any_step(dag):
    assert [task_id for task_id in dag.task_ids if not dag.get_task(task_id).downstream_task_ids] == ["complete"]
    assert dag.get_task("complete").trigger_rule == TriggerRule.NONE_FAILED
    assert upstream(dag, "complete") == {"publish", "contract_event_run", "rejected_row", "audit"}


@pytest.mark.parametrize("spark", ["dataproc", "dataproc-serverless"])
def test_dataproc_compares_in_a_job_of_its_own(monkeypatch, spark):
    for name, value in (("SPARK", spark), ("PROJECT", "my-project"), ("LAKE_URI", "gs://granary/lake")):
        monkeypatch.setenv(f"LUMBUNG_{name}", value)
    dag = load("contract_events")
    assert upstream(dag, "plan") == {"snapshot"}
    assert "plan" in dag.get_task("changes").get_flat_relative_ids(upstream=True)
    assert upstream(dag, "events") == {"snapshot", "changes"}
    rule = dag.get_task("events").trigger_rule
    assert rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, "nothing to compare is not a failure"
    last = "delete_cluster" if spark == "dataproc" else "changes"
    assert last in upstream(dag, "audit") & upstream(dag, "complete"), "what costs is seen to"
