"""Tasks that run a Spark job on Dataproc; a DAG imports them only where settings say Dataproc: that takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateBatchOperator,
    DataprocCreateClusterOperator,
    DataprocDeleteClusterOperator,
    DataprocSubmitJobOperator,
)
from airflow.sdk import BaseOperator, Context, TriggerRule

from lumbung.core.settings import Settings
from lumbung.pipeline.run import Run, Step
from lumbung.spark import dataproc
from lumbung_airflow.operators import OwnStepOperator

RUN = "{{ macros.uuid.uuid5(macros.uuid.NAMESPACE_OID, dag.dag_id ~ ' ' ~ run_id).hex[:12] }}"


class PlanOperator(OwnStepOperator):
    """Put in the lake what the job needs, by the system's own step; skipped where there is nothing to do."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Keep the step, and return `asdict(lumbung.spark.dataproc.Staged)`."""
        super().execute(context)
        return asdict(self.staged)

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        step, self.staged = self.work(run)
        return step


@dataclass(frozen=True)
class SparkTasks:
    """The tasks, by what others wait for.

    Attributes:
        first: comes after the plan.
        done: has succeeded when the job's files are there.
        last: is over when nothing is left that costs.
    """

    first: BaseOperator
    done: BaseOperator
    last: BaseOperator


def spark_tasks(
    settings: Settings,
    plan: BaseOperator,
    *,
    job: str,
    system_name: str,
    task_id: str = "clean",
    packages: Sequence[str] = (),
) -> SparkTasks:
    """Make the tasks, in the DAG at hand: the job, and the cluster that it runs on.

    Args:
        settings: say whether on a cluster or serverless, and where.
        plan: the task that returns `asdict(lumbung.spark.dataproc.stage(...))`.
        job: what the job is called, in the names of clusters and batches.
        system_name: whose job it is, in labels.
        task_id: of the task that runs the job.
        packages: Python packages that a cluster gets; a serverless batch has those of its runtime.
    """
    place = {"project_id": settings.project_id, "region": settings.dataproc.region}
    # One name a run, which a rerun finds again: what a killed run has left is used or replaced, and deleted.
    name, labels = f"lumbung-{job}-{RUN}", {"system": system_name, "run": RUN}
    field = "{{ ti.xcom_pull(task_ids='" + plan.task_id + "')['%s'] }}"
    staged = dataproc.Staged(field % "main", field % "package", field % "plan")
    if settings.spark.engine == "dataproc-serverless":
        # An id of each try: a batch cannot be run again, and one that has the id would be waited for instead.
        batch = DataprocCreateBatchOperator(
            task_id=task_id,
            batch=dataproc.batch(settings, staged, labels),
            batch_id=name + "-{{ ti.try_number }}",
            **place,
        )
        return SparkTasks(batch, batch, batch)
    create_cluster = DataprocCreateClusterOperator(
        task_id="create_cluster",
        cluster_name=name,
        cluster_config=dataproc.cluster(settings, packages),
        labels=labels,
        **place,
    )
    submit = DataprocSubmitJobOperator(task_id=task_id, job=dataproc.job(name, staged, labels), **place)
    # Not a teardown: that is left out where its setup failed, and a create that failed may have left a cluster.
    delete_cluster = DataprocDeleteClusterOperator(
        task_id="delete_cluster", cluster_name=name, trigger_rule=TriggerRule.ALL_DONE, **place
    )
    create_cluster >> submit >> delete_cluster
    create_cluster >> delete_cluster
    return SparkTasks(create_cluster, submit, delete_cluster)
