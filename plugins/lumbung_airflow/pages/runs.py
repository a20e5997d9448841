"""What Airflow's database knows of a run."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, HTTPException
from sqlalchemy import select

from lumbung.core.day import resolve
from lumbung.core.errors import LumbungError
from lumbung.systems.registry import all_systems
from lumbung_airflow.pages.answers import Problem

# A connection that is held while an answer is made, such as that of Airflow's `SessionDep`, is one that Airflow's own
# requests wait for. So a run is read at once, by few threads, and these are not those that Airflow's requests need.
_threads = CapacityLimiter(4)


async def known_run(dag_id: str, run_id: str) -> dict[str, Any]:
    """A run of one of Lumbung's DAGs, as values that JSON has: what `lumbung.report.run_data.AirflowRun` holds.

    Raises:
        HTTPException: 404, there is no such run.
        Problem: the run is for no day.
    """
    if dag_id not in {system.dag_id for system in all_systems()}:
        raise HTTPException(404, "Not Found")
    return await to_thread.run_sync(_read, dag_id, run_id, limiter=_threads)


def _read(dag_id: str, run_id: str) -> dict[str, Any]:
    columns = (DagRun.conf, DagRun.partition_key, DagRun.logical_date, DagRun.run_after)
    columns += (DagRun.state, DagRun.start_date, DagRun.end_date)
    with create_session(scoped=False) as session:
        run = session.execute(select(*columns).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one_or_none()
    if run is None:
        raise HTTPException(404, "Not Found")
    try:
        day = resolve(run, (run.conf or {}).get("day"))
    except LumbungError as error:
        raise Problem.of(error) from None
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "day": f"{day}",
        "state": f"{run.state}",
        "started_at": run.start_date and run.start_date.isoformat(),
        "ended_at": run.end_date and run.end_date.isoformat(),
    }


KnownRun = Annotated[dict[str, Any], Depends(known_run)]
