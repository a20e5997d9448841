"""What is asked of Dataproc when all is well and when it is not: by a real Airflow, of a fake of Dataproc's API."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.cloud import dataproc_v1 as api

from lumbung.core.errors import SettingError
from lumbung.core.settings import Settings, load
from lumbung.spark import dataproc
from support import dataproc_server

MADE_AND_GONE = ["CreateCluster", "SubmitJob", "DeleteCluster"]


@pytest.fixture(scope="module")
def airflow():
    from airflow.utils.db import initdb

    from support import dataproc_dag

    initdb()
    # `dag.test()` wants to find the DAG where Airflow looks for files that have its name in them.
    dags = Path(os.environ["AIRFLOW_HOME"], "dags")
    dags.mkdir(exist_ok=True)
    (dags / "tweets.py").write_text(
        "# airflow\nfrom support.dataproc_dag import make\nboth = [make('dataproc'), make('dataproc-serverless')]\n"
        "globals().update({dag.dag_id: dag for dag in both})\n"
    )
    return dataproc_dag


@pytest.fixture
def fake():
    with dataproc_server.serving() as (dataproc, address):
        dataproc.address = address
        yield dataproc


def test_a_cluster_is_made_used_and_deleted(airflow, fake):
    state, tasks = airflow.run(fake.address, "dataproc")
    assert (state, set(tasks.values())) == ("success", {"success"})
    assert fake.methods == MADE_AND_GONE
    created, submitted, deleted = (request for request in fake.asked if not type(request).__name__.startswith("Get"))
    name = created.cluster.cluster_name
    assert name == submitted.job.placement.cluster_name == deleted.cluster_name
    assert name.startswith("lumbung-tweets-")
    assert {request.region for request in (created, submitted, deleted)} == {"asia-southeast2"}
    assert created.cluster.labels["run"] == submitted.job.labels["run"] == name.removeprefix("lumbung-tweets-")
    machines = created.cluster.config.gce_cluster_config
    assert (machines.service_account, machines.subnetwork_uri) == (airflow.ACCOUNT, airflow.SUBNETWORK)
    job = submitted.job.pyspark_job
    assert (job.main_python_file_uri, list(job.python_file_uris), list(job.args)) == (
        "gs://granary/lake/spark/abc/job.py",
        ["gs://granary/lake/spark/abc/lumbung.zip"],
        ["gs://granary/lake/spark/plans/def.json"],
    )


def test_nothing_to_clean_makes_no_cluster_and_the_run_goes_on(airflow, fake):
    state, tasks = airflow.run(fake.address, "dataproc", nothing=True)
    assert state == "success"
    skipped = {task_id for task_id, state in tasks.items() if state == "skipped"}
    assert skipped == {"plan", "create_cluster", "clean"}
    assert tasks["load"] == "success"
    assert set(fake.methods) <= {"DeleteCluster"}


def test_a_job_that_fails_leaves_no_cluster(airflow, fake):
    fake.job = api.JobStatus.State.ERROR
    _, tasks = airflow.run(fake.address, "dataproc")
    states = {"plan": "success", "create_cluster": "success", "clean": "failed", "delete_cluster": "success"}
    assert tasks == {"version": "success", **states, "load": "upstream_failed"}
    assert fake.methods == ["CreateCluster", "SubmitJob", "SubmitJob", "DeleteCluster"]
    assert fake.clusters == {}


def test_a_cluster_that_came_up_broken_is_gone_too(airflow, fake):
    fake.create = api.ClusterStatus.State.ERROR
    _, tasks = airflow.run(fake.address, "dataproc")
    assert tasks["create_cluster"] == "failed"
    assert tasks["clean"] == "upstream_failed"
    assert tasks["delete_cluster"] == "success"
    assert fake.methods.count("CreateCluster") == 2
    assert fake.clusters == {}


def test_a_run_that_is_killed_and_run_again_leaves_no_cluster(airflow, fake):
    fake.job = api.JobStatus.State.RUNNING
    command = [sys.executable, airflow.__file__, fake.address, "dataproc"]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.Popen(command, env={**os.environ, **path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert fake.waiting.wait(90)
    finally:
        killed.kill()
        killed.wait()
    (left,) = fake.clusters
    fake.job = api.JobStatus.State.DONE
    state, tasks = airflow.run(fake.address, "dataproc")
    assert (state, set(tasks.values())) == ("success", {"success"})
    assert [
        request.cluster.cluster_name for request in fake.asked if isinstance(request, api.CreateClusterRequest)
    ] == [left] * 2
    assert len(fake.jobs) == 2
    assert fake.clusters == {}


@pytest.mark.parametrize("failures", [0, 1])
def test_a_batch_of_each_try(airflow, fake, failures):
    if failures:
        fake.batch = api.Batch.State.FAILED
    state, _ = airflow.run(fake.address, "dataproc-serverless")
    assert state == ("failed" if failures else "success")
    asked = [request for request in fake.asked if isinstance(request, api.CreateBatchRequest)]
    assert [request.batch_id[-2:] for request in asked] == ["-1", "-2"][: failures + 1]
    assert asked[0].parent == "projects/my-project/regions/asia-southeast2"
    assert asked[0].batch.runtime_config.version == "3.0"
    execution = asked[0].batch.environment_config.execution_config
    assert (execution.service_account, execution.subnetwork_uri) == (airflow.ACCOUNT, airflow.SUBNETWORK)
    assert list(asked[0].batch.pyspark_batch.args) == ["gs://granary/lake/spark/plans/def.json"]


def test_a_job_that_trains_has_its_own_name_and_packages_in_the_versions_of_this_environment(airflow):
    packages = dataproc.TRAINING_PACKAGES
    dag = airflow.make("dataproc", task_id="train", packages=packages)
    assert {"create_cluster", "train", "delete_cluster"} < set(dag.task_ids)
    asked = dag.task_dict["create_cluster"].cluster_config
    pinned = asked["software_config"]["properties"]["dataproc:pip.packages"].split(",")
    assert [package.split("==")[0] for package in pinned] == list(packages)
    for environment in ("airflow", "spark"):
        locked = Path(__file__).parents[3].joinpath(f"requirements/{environment}.txt").read_text()
        assert all(f"\n{package} " in locked for package in pinned)
    cluster = api.Cluster(cluster_name="lumbung-models-1", config=asked)
    request = api.CreateClusterRequest(project_id="p", region="r", cluster=cluster)
    assert dataproc_server.refusals(request) == []
    assert "train" in airflow.make("dataproc-serverless", task_id="train", packages=packages).task_ids


NAMED = {"user_workload_authentication_type": "SERVICE_ACCOUNT"}
SHARED = "projects/host-project/regions/asia-southeast2/subnetworks/shared"


@pytest.mark.parametrize(
    ("given", "execution"),
    [
        ({}, {}),
        (
            {"dataproc_service_account": "spark@p.iam.gserviceaccount.com"},
            {"service_account": "spark@p.iam.gserviceaccount.com", "authentication_config": NAMED},
        ),
        ({"dataproc_subnetwork": SHARED}, {"subnetwork_uri": SHARED}),
    ],
)
def test_a_batch_names_account_and_subnetwork_only_if_they_are_set(given, execution):
    settings = Settings.of(spark="dataproc-serverless", project="my-project", lake_uri="gs://granary", **given)
    made = dataproc.batch(settings, dataproc.Staged("gs://a/job.py", "gs://a/l.zip", "gs://a/p.json"), {})
    asked = made["environment_config"]["execution_config"]
    assert {name: value for name, value in asked.items() if name != "ttl"} == execution
    request = api.CreateBatchRequest(parent="projects/p/locations/r", batch_id="abcd", batch=api.Batch(made))
    assert dataproc_server.refusals(request) == []


def test_a_batch_of_an_account_that_would_not_be_taken_is_refused():
    execution = api.ExecutionConfig(service_account="spark@p.iam.gserviceaccount.com")
    environment = api.EnvironmentConfig(execution_config=execution)
    request = api.CreateBatchRequest(batch=api.Batch(environment_config=environment))
    assert "a service account is taken only where the type says so" in dataproc_server.refusals(request)


@pytest.mark.parametrize("subnetwork", ["", "Granary", "regions/r/subnetworks/s", "https://host/s", "a b"])
def test_a_subnetwork_that_is_no_name_is_refused(subnetwork):
    if subnetwork:
        with pytest.raises(SettingError, match="LUMBUNG_DATAPROC_SUBNETWORK"):
            load({"LUMBUNG_DATAPROC_SUBNETWORK": subnetwork})
    else:
        assert load({"LUMBUNG_DATAPROC_SUBNETWORK": subnetwork}).dataproc.subnetwork is None


@pytest.mark.parametrize("spark", ["dataproc", "dataproc-serverless"])
@pytest.mark.parametrize("given", [{}, {"LUMBUNG_PROJECT": "my-project"}, {"LUMBUNG_LAKE_URI": "gs://granary"}])
def test_dataproc_needs_a_project_and_a_bucket(spark, given):
    with pytest.raises(SettingError, match="Dataproc, which needs"):
        load({"LUMBUNG_SPARK": spark, **given})


def test_what_dataproc_would_refuse_is_refused(fake):
    request = api.CreateClusterRequest(project_id="p", region="r", cluster=api.Cluster(cluster_name="Lumbung_"))
    refused = dataproc_server.refusals(request)
    (nameless,) = dataproc_server.refusals(api.GetBatchRequest(name="batches/b"))
    assert "'batches/b' is no ^projects/" in nameless
    assert {"name", "idle_delete_ttl is 5 minutes to 14 days", "one machine", "image version"} <= set(refused)
