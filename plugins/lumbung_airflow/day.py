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
    try:
        return resolve(context["dag_run"], context["params"].get("day"))
    except LumbungError as error:
        raise failure(error) from None
