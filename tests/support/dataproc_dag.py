"""A DAG of the Dataproc tasks, run by Airflow's `dag.test()` against the fake at an address.

`python dataproc_dag.py ADDRESS SPARK` runs it in a process of its own, which a test may kill.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import grpc
from airflow.providers.google.cloud.hooks import dataproc as hooks
from airflow.providers.google.cloud.operators import dataproc as operators
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException
from google.cloud import dataproc_v1 as api

from lumbung.core.settings import Settings
from lumbung_airflow.dataproc import spark_tasks

CONNECTION = {"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": '{"conn_type": "google_cloud_platform"}'}
ACCOUNT = "spark@my-project.iam.gserviceaccount.com"
SUBNETWORK = "projects/my-project/regions/asia-southeast2/subnetworks/granary"
WHEN = datetime(2026, 11, 25, tzinfo=UTC)


def make(spark, nothing=False, **options):
    settings = Settings.of(
        spark=spark,
        project="my-project",
        lake_uri="gs://granary/lake",
        dataproc_service_account=ACCOUNT,
        dataproc_subnetwork="granary",
    )
    with DAG(
        f"tweets_{spark}", schedule=None, start_date=WHEN, default_args={"retries": 1, "retry_delay": timedelta()}
    ) as dag:

        @task
        def version():
            pass

        @task
        def plan():
            if nothing:
                raise AirflowSkipException("nothing to clean")
            return {name: f"gs://granary/lake/spark/{file}" for name, file in FILES.items()}

        @task(trigger_rule="none_failed_min_one_success")
        def load():
            pass

        planned, loaded = plan(), load()
        spark_job = spark_tasks(settings, planned.operator, job="tweets", system_name="cilvest", **options)
        version() >> [planned, loaded]
        planned >> spark_job.first
        spark_job.done >> loaded
    return dag


FILES = {"main": "abc/job.py", "package": "abc/lumbung.zip", "plan": "plans/def.json"}


def clients(address):
    """The hook's clients, but of the fake: without TLS and credentials."""
    channel = grpc.insecure_channel(address)
    for kind, name in (("Cluster", "cluster"), ("Job", "job"), ("Batch", "batch")):
        transport = getattr(api.services, f"{name}_controller").transports
        client = getattr(api, f"{kind}ControllerClient")
        made = client(transport=getattr(transport, f"{kind}ControllerGrpcTransport")(channel=channel))
        yield f"get_{name}_client", made


def run(address, spark, **options):
    """Run the DAG; gives the state of each task's last try."""
    with (
        mock.patch.dict(os.environ, CONNECTION),
        mock.patch.multiple(
            hooks.DataprocHook,
            **{name: lambda self, region=None, client=client: client for name, client in clients(address)},
        ),
        mock.patch.object(hooks, "time", SimpleNamespace(sleep=lambda _: None, monotonic=hooks.time.monotonic)),
        mock.patch.object(operators, "exponential_sleep_generator", lambda **_: iter([0.01] * 1000)),
    ):
        done = make(spark, **options).test(logical_date=WHEN, run_after=WHEN)
    return done.state, {task.task_id: task.state for task in done.get_task_instances()}


if __name__ == "__main__":
    run(*sys.argv[1:])
