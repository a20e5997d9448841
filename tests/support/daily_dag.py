"""A DAG of the folder `dags`, and how its tasks hang together."""

import importlib.util

from airflow.sdk import DAG

from lumbung.core.settings import ROOT


def load(name: str) -> DAG:
    """The DAG of a file, loaded again: it depends on the environment."""
    spec = importlib.util.spec_from_file_location(f"{name}_dag", ROOT / "dags" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.daily.start.dag


def upstream(dag: DAG, task_id: str) -> set[str]:
    """The tasks that a task waits for."""
    return dag.get_task(task_id).upstream_task_ids


def builds(dag: DAG) -> set[str]:
    """The tasks that build tables."""
    return {task_id for task_id in dag.task_ids if task_id.startswith("build.")}
