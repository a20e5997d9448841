"""The time by which a scheduled run must have ended well; one that has not is reported."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow.sdk import Context, DeadlineAlert, SyncCallback
from airflow.sdk.definitions.deadline import BaseDeadlineReference

from lumbung.core.day import JAKARTA

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from lumbung.core.settings import Settings


class PublishedBy(BaseDeadlineReference):
    """A time in Jakarta on the day a run starts by its schedule; other runs have no deadline.

    Args:
        at: the time, as in `06:00`.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def __init__(self, at: str) -> None:
        self.at = at

    def serialize_reference(self) -> dict[str, Any]:
        """As it is stored with the DAG."""
        return {**super().serialize_reference(), "at": self.at}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> Self:
        """As it was stored."""
        return cls(reference_data["at"])

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        wanted = select(DagRun.run_type, DagRun.run_after).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        run_type, run_after = session.execute(wanted).one()
        if run_type != "scheduled":
            return None
        return datetime.combine(run_after.astimezone(JAKARTA).date(), time.fromisoformat(self.at), JAKARTA)


def deadline(settings: Settings) -> DeadlineAlert | None:
    """The deadline that the settings ask for.

    Its callback runs as a task does, on the executor; one that is awaited would need the triggerer.
    """
    at = settings.notify.deadline
    if at is None:
        return None
    callback = SyncCallback(report_missed, {"at": at})
    return DeadlineAlert(PublishedBy(at), timedelta(0), callback, name=f"ended well by {at}")


def report_missed(at: str, context: Context) -> None:
    """Report the run to everybody who is notified of failures.

    Args:
        at: the time that the run has missed.
        context: the run as the REST API describes it, and the deadline.
    """
    from lumbung.core import settings
    from lumbung_airflow.notify import report

    run: Any = context["dag_run"]
    reason = f"it has not ended well by {at} {JAKARTA.key}, it is {run['state']}"
    report(settings.load(), run["dag_id"], run["dag_run_id"], "is late", reason)
