"""A backfill through Airflow's own: every day of a range, also beside other runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from itertools import count

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.orchestrator.api import ENDED, Api, ApiError

POLL_SECONDS = 1.0
POLLS_PER_STATUS = 10
"""How often the backfill itself is asked for: Airflow sets its `completed_at` only every half minute."""
CONFLICT = 409

Progress = Callable[[int, str], None]


def backfill(
    api: Api, dag_id: str, first: date, last: date, *, reverse: bool, parallel: int, progress: Progress
) -> dict[date, str]:
    """Run every day of first..last, both included.

    Airflow runs one backfill of a DAG at a time and drops days that are in flight; so both are waited for, and days
    that were dropped all the same are run when they are free.

    Args:
        api: a running Airflow.
        dag_id: the DAG.
        first: first day.
        last: last day.
        reverse: newest day first.
        parallel: runs at a time.
        progress: is given how many days have ended, and what is waited for.

    Returns:
        How each day's run ended: `success` or `failed`.

    Raises:
        LumbungError: the range is empty or reaches into the future, the DAG is paused, or Airflow refuses.
    """
    if first > last:
        raise LumbungError(f"{first} is after {last}", where="backfill", remedy="give the first day first")
    business_day.refuse_future(last)
    api.refuse_paused(dag_id)
    wanted = _days(first, last)
    results: dict[date, str] = {}
    while missing := [day for day in wanted if day not in results]:
        start, end = _range(missing, reverse=reverse)
        _wait_until_free(api, dag_id, start, end, lambda what: progress(len(results), what))
        try:
            number = api.create_backfill(
                dag_id, start, end, reprocess_behavior="completed", reverse=reverse, max_active_runs=parallel
            )
        except ApiError as error:
            if error.status == CONFLICT:  # another one began just now
                continue
            raise
        for poll in count():
            time.sleep(POLL_SECONDS)
            if poll % POLLS_PER_STATUS == 0:
                status = api.backfill(number)
            for run in api.dag_runs(dag_id, run_type="backfill", state=ENDED, start_date_gte=status["created_at"]):
                if start <= date.fromisoformat(run["partition_key"]) <= end:
                    results[date.fromisoformat(run["partition_key"])] = run["state"]
            progress(len(results), "")
            if status["completed_at"] is not None or results.keys() >= set(_days(start, end)):
                break
    return dict(sorted(results.items()))


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _range(days: list[date], *, reverse: bool) -> tuple[date, date]:
    """The first run of days without a gap; the last one when going backwards."""
    ordered = list(reversed(days)) if reverse else days
    end = next((i for i in range(1, len(ordered)) if abs((ordered[i] - ordered[i - 1]).days) != 1), len(ordered))
    return min(ordered[:end]), max(ordered[:end])


def _wait_until_free(api: Api, dag_id: str, start: date, end: date, say: Callable[[str], None]) -> None:
    while True:
        if api.list_backfills(dag_id, active=True):
            say("waiting for another backfill")
        elif busy := [
            run["partition_key"]
            for run in api.dag_runs(dag_id, state=["queued", "running"])
            if run["partition_key"] and start <= date.fromisoformat(run["partition_key"]) <= end
        ]:
            say(f"waiting for {', '.join(sorted(busy))}, in flight")
        else:
            return
        time.sleep(POLL_SECONDS)
