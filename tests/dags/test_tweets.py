"""How the DAG `tweets` is wired."""

import itertools

import pytest
from airflow.sdk import TriggerRule

from support.daily_dag import builds, load, upstream


@pytest.fixture
def dag(monkeypatch):
    for name in ("LUMBUNG_KAFKA", "LUMBUNG_SEARCH"):
        monkeypatch.setenv(name, "")
    return load("tweets")


def test_the_steps_follow_each_other(dag):
    steps = ["start", "collect", "ship", "land", "version", "clean"]
    for before, after in itertools.pairwise(steps):
        assert upstream(dag, after) == {before}
    assert upstream(dag, "load") == {"version", "clean"}
    assert dag.get_task("load").trigger_rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    for task_id in builds(dag):
        assert upstream(dag, task_id) >= {"load"}
    assert upstream(dag, "publish") == {"rejected_row", *builds(dag)}


def test_rejects_and_the_audit_are_written_whatever_happened(dag):
    assert dag.get_task("rejected_row").trigger_rule == TriggerRule.ALL_DONE
    assert upstream(dag, "audit") == set(dag.task_ids) - {"start", "audit", "complete"}
    assert dag.get_task("audit").trigger_rule == TriggerRule.ALL_DONE


def test_the_run_fails_with_any_step(dag):
    assert [task_id for task_id in dag.task_ids if not dag.get_task(task_id).downstream_task_ids] == ["complete"]
    assert dag.get_task("complete").trigger_rule == TriggerRule.NONE_FAILED
    assert upstream(dag, "complete") == {"publish", "clean", "rejected_row", "audit"}


def test_a_search_server_is_indexed_last_and_may_turn_the_run_red(dag, monkeypatch):
    assert "index" not in dag.task_ids
    monkeypatch.setenv("LUMBUNG_SEARCH", "http://127.0.0.1:9200")
    searched = load("tweets")
    assert upstream(searched, "index") == {"publish"}
    assert upstream(searched, "complete") == {"publish", "clean", "index", "rejected_row", "audit"}


@pytest.mark.parametrize("spark", ["dataproc", "dataproc-serverless"])
def test_dataproc_cleans_between_the_version_and_the_load(monkeypatch, spark):
    for name, value in (("SPARK", spark), ("PROJECT", "my-project"), ("LAKE_URI", "gs://granary/lake")):
        monkeypatch.setenv(f"LUMBUNG_{name}", value)
    dag = load("tweets")
    assert upstream(dag, "plan") == {"version"}
    assert upstream(dag, "load") == {"version", "clean"}
    assert "plan" in dag.get_task("clean").get_flat_relative_ids(upstream=True)
    last = "delete_cluster" if spark == "dataproc" else "clean"
    assert last in upstream(dag, "audit") & upstream(dag, "complete"), "what costs is seen to"


def test_it_is_paused_until_there_is_a_kafka(dag, monkeypatch):
    assert dag.is_paused_upon_creation
    monkeypatch.setenv("LUMBUNG_KAFKA", "127.0.0.1:9092")
    assert not load("tweets").is_paused_upon_creation
