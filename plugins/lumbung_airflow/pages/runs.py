"""What Airflow's database knows of a run."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.dagrun import DagRun
from fastapi import Depends, HTTPException
from sqlalchemy import select

from lumbung.core.day import resolve
from lumbung.core.errors import LumbungError
from lumbung.systems.registry import all_systems
from lumbung_airflow.pages.answers import Problem


def known_run(dag_id: str, run_id: str, session: SessionDep) -> dict[str, Any]:
    """A run of one of Lumbung's DAGs, as values that JSON has: what `lumbung.report.run_data.AirflowRun` holds.

    Raises:
        HTTPException: 404, there is no such run.
        Problem: the run is for no day.
    """
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None or dag_id not in {system.dag_id for system in all_systems()}:
        raise HTTPException(404, "Not Found")
    try:
        day = resolve(
            param=(run.conf or {}).get("day"),
            partition_key=run.partition_key,
            logical_date=run.logical_date,
            run_after=run.run_after,
        )
    except LumbungError as error:
        raise Problem(error.what, error.where, error.remedy) from None
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "day": f"{day}",
        "state": f"{run.state}",
        "started_at": run.start_date and run.start_date.isoformat(),
        "ended_at": run.end_date and run.end_date.isoformat(),
    }


KnownRun = Annotated[dict[str, Any], Depends(known_run)]
