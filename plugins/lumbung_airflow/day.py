"""The day a task's run is for."""

from __future__ import annotations

from datetime import date

from airflow.sdk import Context

from lumbung.core.day import resolve
from lumbung.core.errors import LumbungError
from lumbung_airflow.failures import failure


def run_day(context: Context) -> date:
    """The business day of the run a task belongs to.

    Raises:
        StepFailedError: the run is for no day or for one in the future; a retry would not fix that.
    """
    run = context["dag_run"]
    try:
        return resolve(
            param=context["params"].get("day"),
            partition_key=run.partition_key,
            logical_date=run.logical_date,
            run_after=run.run_after,
        )
    except LumbungError as error:
        raise failure(error) from None
