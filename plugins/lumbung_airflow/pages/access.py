"""Who may see what: by Airflow's own permissions on the DAGs of the systems."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Request

from lumbung.systems.registry import all_systems

may_read_dag = requires_access_dag("GET")
"""Lets pass who may read the DAG in the path; without one, who may read DAGs at all."""
may_read_run = requires_access_dag("GET", DagAccessEntity.RUN)


def may_read_all(request: Request, user: GetUserDep) -> None:
    """Let pass who may read the DAG of every system: what is shown is made by all of them.

    Raises:
        HTTPException: 401 or 403.
    """
    for system in all_systems():
        requires_access_dag("GET", param_dag_id=system.dag_id)(request, user)


def may_trigger(user: GetUserDep, *dag_ids: str) -> bool:
    """Whether someone may trigger these DAGs, and so see rejected rows as their sources had them: personal data.

    Args:
        user: who.
        dag_ids: the DAGs.
    """
    return all(
        get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
        )
        for dag_id in dag_ids
    )
