"""How the DAG is wired, and what its steps do when the run has not even started."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from lumbung_airflow.operators import (
    AuditOperator,
    ListOperator,
    LoadOperator,
    RejectedOperator,
)
from lumbung_airflow.step import StepOperator

FILE = Path(__file__).parents[3] / "dags" / "enrollment.py"


@pytest.fixture(scope="module")
def dag():
    spec = importlib.util.spec_from_file_location("enrollment", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.daily.start.dag


def upstream(dag, task_id):
    return dag.get_task(task_id).upstream_task_ids


def tasks(dag, group):
    return {task_id for task_id in dag.task_ids if task_id.startswith(f"{group}.")}


def test_rejects_are_written_when_all_extracts_are_over(dag):
    """One that fails ends `snapshot` at once, while others still read."""
    assert upstream(dag, "rejected_row") == {"snapshot", *tasks(dag, "extract")}
    assert dag.get_task("rejected_row").trigger_rule == TriggerRule.ALL_DONE


def test_the_audit_is_written_when_all_steps_are_over(dag):
    """A build that fails ends `publish` at once, while others still write tables that the audit drops."""
    assert upstream(dag, "audit") == set(dag.task_ids) - {"start", "audit", "complete"}
    assert dag.get_task("audit").trigger_rule == TriggerRule.ALL_DONE


def test_the_run_fails_with_any_step(dag):
    assert dag.get_task("complete").downstream_task_ids == set()
    assert [task_id for task_id in dag.task_ids if not dag.get_task(task_id).downstream_task_ids] == ["complete"]
    assert dag.get_task("complete").trigger_rule == TriggerRule.NONE_FAILED
    assert upstream(dag, "complete") == {"publish", "rejected_row", "audit"}


def test_every_table_is_built_after_all_loads_and_published_after_all_builds(dag):
    for task_id in tasks(dag, "build"):
        assert upstream(dag, task_id) >= tasks(dag, "load")
    assert upstream(dag, "publish") == tasks(dag, "build")


@pytest.mark.parametrize("kind", [RejectedOperator, AuditOperator])
def test_what_runs_whatever_happened_is_skipped_where_nothing_did(kind):
    context = {"ti": SimpleNamespace(xcom_pull=lambda **_: None)}
    with pytest.raises(AirflowSkipException, match="the task start failed, its log says why"):
        kind(task_id="step", system="pinter_skuy").execute(context)


def test_what_another_release_decided_is_an_error():
    context = {"ti": SimpleNamespace(xcom_pull=lambda **_: None)}
    with pytest.raises(AirflowFailException, match=r"decided by another release of Lumbung\. Run the day again"):
        LoadOperator(task_id="load", system="pinter_skuy", entity="student").execute(context)


def test_a_list_is_no_longer_than_airflow_maps_and_the_log_says_what_is_left(monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    monkeypatch.setattr(StepOperator, "execute", lambda *_: {})
    task = ListOperator(task_id="features", system="stream_models")
    task.items = ["a-1", "a-2", "a-3"]
    assert task.execute({}) == task.items
    assert " are done now" not in capsys.readouterr().out
    task.items = [*task.items, "b-1"]
    assert task.execute({}) == ["a-1", "a-2", "a-3"]
    assert "3 of 4 are done now" in capsys.readouterr().out
