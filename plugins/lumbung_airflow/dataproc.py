"""Tasks that clean tweets on Dataproc; a DAG imports them only where settings say Dataproc, as that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateBatchOperator,
    DataprocCreateClusterOperator,
    DataprocDeleteClusterOperator,
    DataprocSubmitJobOperator,
)
from airflow.sdk import BaseOperator, TriggerRule

from lumbung.core.settings import Settings
from lumbung.spark import dataproc

# One name a run, which a rerun finds again: what a killed run has left is used or replaced, and deleted.
RUN = "{{ macros.uuid.uuid5(macros.uuid.NAMESPACE_OID, dag.dag_id ~ ' ' ~ run_id).hex[:12] }}"
NAME = f"lumbung-tweets-{RUN}"
LABELS = {"system": "cilvest", "run": RUN}


@dataclass(frozen=True)
class Cleaning:
    """The tasks, by what others wait for.

    Attributes:
        first: comes after the plan.
        cleaned: has succeeded when the clean files are there.
        last: is over when nothing is left that costs.
    """

    first: BaseOperator
    cleaned: BaseOperator
    last: BaseOperator


def cleaning(settings: Settings, *, plan: str) -> Cleaning:
    """Make the tasks, in the DAG at hand.

    Args:
        settings: say whether on a cluster or serverless, and where.
        plan: id of the task that returns `asdict(lumbung.spark.dataproc.stage(...))`.
    """
    place = {"project_id": settings.project_id, "region": settings.dataproc.region}
    told = "{{ ti.xcom_pull(task_ids='" + plan + "')['%s'] }}"
    staged = dataproc.Staged(told % "main", told % "package", told % "plan")
    if settings.spark.engine == "dataproc-serverless":
        # An id of each try: a batch cannot be run again, and one that has the id would be waited for instead.
        clean = DataprocCreateBatchOperator(
            task_id="clean",
            batch=dataproc.batch(settings, staged, dict(LABELS)),
            batch_id=NAME + "-{{ ti.try_number }}",
            **place,
        )
        return Cleaning(clean, clean, clean)
    create_cluster = DataprocCreateClusterOperator(
        task_id="create_cluster",
        cluster_name=NAME,
        cluster_config=dataproc.cluster(settings),
        labels=dict(LABELS),
        **place,
    )
    clean = DataprocSubmitJobOperator(task_id="clean", job=dataproc.job(NAME, staged, dict(LABELS)), **place)
    # Not a teardown: that is left out where its setup failed, and a create that failed may have left a cluster.
    delete_cluster = DataprocDeleteClusterOperator(
        task_id="delete_cluster", cluster_name=NAME, trigger_rule=TriggerRule.ALL_DONE, **place
    )
    create_cluster >> clean >> delete_cluster
    create_cluster >> delete_cluster
    return Cleaning(create_cluster, clean, delete_cluster)
