"""What a run of a daily DAG gets when it is made, whichever way: its business day as partition and in its note.

Airflow has no hook that every way of starting a run passes through, and tasks cannot write a run's note or partition.
So this listens to its database session, in the process that makes the run: scheduler, API server or command line.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from lumbung.core.day import JAKARTA, resolve
from lumbung.core.errors import LumbungError

DAILY = "lumbung_airflow.timetable.DailyTimetable"
NOTE = "Business day: {}"
MADE = "lumbung_made"
"""Under this name a session keeps the runs that it has made and not committed yet."""


def listen() -> None:
    """Look at what Airflow is about to write to its database."""
    event.listen(Session, "before_flush", _before_flush)
    event.listen(Session, "before_commit", _before_commit)


def name_day(run: Any) -> bool:
    """Give a run its day as partition.

    A run whose day cannot be resolved stays as it is: its first task fails and says why.

    Args:
        run: Airflow's `DagRun`, about to be written.

    Returns:
        Whether it has one.
    """
    try:
        day = resolve(run, (run.conf or {}).get("day"))
    except LumbungError:
        return False
    run.partition_key = f"{day}"
    run.partition_date = datetime.combine(day, time.min, JAKARTA)
    return True


def refuse_one_day(backfill: Any) -> None:
    """Let pass a backfill each of whose runs is for its own day.

    Args:
        backfill: Airflow's `Backfill`, about to be written.

    Raises:
        InvalidBackfillConf: all its runs would be for one day; the REST API and the form show the reason.
    """
    from airflow.models.backfill import InvalidBackfillConf

    if day := (backfill.dag_run_conf or {}).get("day"):
        raise InvalidBackfillConf(
            f"day: {day} would be the business day of every run of this backfill. Leave it empty: each run is"
            " for a day of the range."
        )


def _before_flush(session: Session, _context: object, _instances: object) -> None:
    for written in list(session.new):
        kind = getattr(written, "__tablename__", "")
        if kind not in ("dag_run", "backfill") or not _is_daily(session, written.dag_id):
            continue
        if kind == "backfill":
            refuse_one_day(written)
        elif name_day(written):
            session.info.setdefault(MADE, []).append(written)


def _before_commit(session: Session) -> None:
    """Write the notes: not before, as the API server gives a new run the note of its user after it has made it."""
    for run in session.info.pop(MADE, []):
        if run in session:
            run.note = "\n\n".join(filter(None, [NOTE.format(run.partition_key), run.note]))


def _is_daily(session: Session, dag_id: str) -> bool:
    kind = text("SELECT timetable_type FROM dag WHERE dag_id = :dag_id")
    return session.connection().execute(kind, {"dag_id": dag_id}).scalar() == DAILY
