"""Who may see what: by Airflow's own permissions on the DAGs of the systems.

All of this may ask Airflow's database, so these are plain functions, which FastAPI calls in threads: none is called by
an endpoint itself.
"""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Request

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


def _may_trigger_all(user: GetUserDep) -> bool:
    return all(_may_trigger(system.dag_id, user) for system in all_systems())


def _may_trigger(dag_id: str, user: GetUserDep) -> bool:
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
    )


SeesRawRows = Annotated[bool, Depends(_may_trigger_all)]
"""Whether someone sees rejected rows as their sources had them, which is personal data: who may trigger all DAGs."""
SeesRawRowsOfRun = Annotated[bool, Depends(_may_trigger)]
"""Whether someone sees those of a run: who may trigger its DAG."""
