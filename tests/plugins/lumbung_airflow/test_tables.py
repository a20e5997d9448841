"""The assets of a DAG, in a real project and without one."""

import runpy

import pytest
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

from lumbung.core.settings import ROOT
from lumbung_airflow.operators import BuildOperator, LoadOperator


def read(name="enrollment"):
    return runpy.run_path(str(ROOT / "dags" / f"{name}.py"))["daily"]


@pytest.fixture
def project(monkeypatch):
    monkeypatch.setenv("LUMBUNG_PROJECT", "my-project")
    monkeypatch.setenv("LUMBUNG_DATASET_PREFIX", "team_")
    monkeypatch.setenv("LUMBUNG_LAKE_URI", "gs://bucket/lake")
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)


def test_a_table_is_an_asset_of_its_data_sets_group():
    (mart,) = read().builds["datamart.top_mentor"].outlets
    assert (mart.name, mart.uri, mart.group) == ("datamart.top_mentor", "datamart.top_mentor", "datamart")


def test_in_a_real_project_it_has_bigquerys_address(project):
    daily = read()
    assert {asset.uri for asset in daily.builds["datamart.top_mentor"].inlets} == {
        "bigquery://my-project/team_dwh/dim_mentor",
        "bigquery://my-project/team_dwh/fact_course_enrollment",
    }


def test_in_a_real_project_tasks_link_to_their_table_and_job(project):
    for task in read().start.dag.tasks:
        links = [link.name for link in task.operator_extra_links]
        makes_table = isinstance(task, LoadOperator | BuildOperator)
        assert links == (["BigQuery table", "BigQuery job"] if makes_table else [])


def test_a_task_that_runs_is_not_asked_about_tables_that_it_only_builds():
    with _airflow_parsing_context_manager("enrollment", "build.datamart.top_mentor"):
        daily = read()
    assert daily.builds["datamart.top_mentor"].outlets == []
    assert "datamart.top_mentor" in [asset.name for asset in daily.publish.outlets]
