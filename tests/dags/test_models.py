"""How the DAG `models` is wired."""

import itertools

import pytest
from airflow.sdk import TriggerRule
from airflow.sdk.definitions.mappedoperator import MappedOperator

from support.daily_dag import builds, load, upstream

LOADS = {"load.activity", "load.model", "load.model_metric"}


@pytest.fixture
def dag(monkeypatch):
    monkeypatch.setenv("LUMBUNG_KAFKA", "")
    return load("models")


def test_the_steps_follow_each_other(dag):
    for before, after in itertools.pairwise(["start", "replay", "land", "batch", "features", "train"]):
        assert upstream(dag, after) == {before}
    assert upstream(dag, "evaluate") == {"batch", "train"}
    assert upstream(dag, "version") == {"evaluate"}
    for task_id in LOADS:
        assert upstream(dag, task_id) == {"version"}
    for task_id in builds(dag):
        assert upstream(dag, task_id) >= LOADS
    assert upstream(dag, "publish") == {"rejected_row", *builds(dag)}
    assert upstream(dag, "activate") == {"publish"}, "nothing is served that is not published"


def test_training_is_mapped_over_what_is_not_trained_yet(dag):
    train = dag.get_task("train")
    assert isinstance(train, MappedOperator)
    assert train.max_active_tis_per_dag == 2, "each holds a Spark: four do not fit into the scheduler's container"
    rule = dag.get_task("evaluate").trigger_rule
    assert rule == TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, "nothing to train is not a failure"


def test_rejects_trainings_and_the_audit_are_written_whatever_happened(dag):
    for task_id in ("rejected_row", "model_run", "audit"):
        assert dag.get_task(task_id).trigger_rule == TriggerRule.ALL_DONE
    assert upstream(dag, "audit") == set(dag.task_ids) - {"start", "audit", "complete"}


def test_the_run_fails_with_any_step(dag):
    assert [task_id for task_id in dag.task_ids if not dag.get_task(task_id).downstream_task_ids] == ["complete"]
    assert dag.get_task("complete").trigger_rule == TriggerRule.NONE_FAILED
    assert upstream(dag, "complete") == {"publish", "activate", "model_run", "rejected_row", "audit"}


@pytest.mark.parametrize("spark", ["dataproc", "dataproc-serverless"])
def test_dataproc_makes_features_and_trains_in_one_job(monkeypatch, spark):
    for name, value in (("SPARK", spark), ("PROJECT", "my-project"), ("LAKE_URI", "gs://granary/lake")):
        monkeypatch.setenv(f"LUMBUNG_{name}", value)
    dag = load("models")
    assert upstream(dag, "plan") == {"batch"}
    assert "plan" in dag.get_task("train").get_flat_relative_ids(upstream=True)
    assert upstream(dag, "register") == {"train"}
    assert upstream(dag, "evaluate") == {"batch", "register"}
    last = "delete_cluster" if spark == "dataproc" else "train"
    assert last in upstream(dag, "audit") & upstream(dag, "complete"), "what costs is seen to"


def test_it_is_paused_until_there_is_a_kafka(dag, monkeypatch):
    assert dag.is_paused_upon_creation
    monkeypatch.setenv("LUMBUNG_KAFKA", "127.0.0.1:9092")
    assert not load("models").is_paused_upon_creation
