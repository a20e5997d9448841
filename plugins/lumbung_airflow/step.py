"""What every step of a run has in common, and its first; heavy imports are inside, as each task parses the DAG file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from lumbung.core.errors import LumbungError
from lumbung.systems.registry import system
from lumbung_airflow.connections import warehouse
from lumbung_airflow.day import run_day
from lumbung_airflow.failures import failure
from lumbung_airflow.tables import tell

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from lumbung.pipeline.run import Run, Step
    from lumbung.pipeline.target import Target

START = "start"
# What the decision passes on to later tasks as an XCom: the versions of the run's own day and of the whole tables.
DECISION, OWN, TARGET = "decision", "own", "target"


class StepOperator(BaseOperator):
    """A step of a run; what it did is kept in the lake.

    Attributes:
        after_decision: whether it comes after the task that decides the versions.
        table_url: the table that it makes, in the BigQuery console; None before it has, and on a local server.
        job_url: its job there.
        done: the run, and what the step did; None before.

    Args:
        system: whose tables the run makes.

    Raises:
        AirflowSkipException: there was nothing to do.
        StepFailedError: the step cannot succeed by being tried again.
        StepInterruptedError: what failed may pass; Airflow tries again.
    """

    template_fields: Sequence[str] = ()
    after_decision = False
    table_url: str | None = None
    job_url: str | None = None
    done: tuple[Run, Step] | None = None

    def __init__(self, *, system: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.system = system

    def step(self, run: Run, context: Context) -> Step:
        """Do the work."""
        raise NotImplementedError

    def execute(self, context: Context) -> Any:
        """Do the step and keep what it did."""
        from lumbung.pipeline.operations import record
        from lumbung.pipeline.run import Step
        from lumbung.serving.schema import FAILED
        from lumbung.storage import console

        began = datetime.now(UTC)
        try:
            run = self._run(context)
            try:
                step = self.step(run, context)
            except LumbungError as error:
                record(run, self._name(context), began, Step(table=self.table, note=f"{FAILED}{error}"))
                raise
            record(run, self._name(context), began, step)
            self.done = run, step
            if self.outlets:
                tell(context, self.outlets, self.rows(run, step), day=f"{run.day}")
            if step.job_id:
                self.table_url = console.table_url(run.settings, step.table)
                self.job_url = console.job_url(run.settings, step.job_id)
        except LumbungError as error:  # also of a setting, the credentials, or a lake that cannot be written
            raise failure(error) from None
        self.log.info("%s", self.sentence(step))
        if step.skipped:
            raise AirflowSkipException(step.note)

    def get_openlineage_facets_on_complete(self, _: object) -> OperatorLineage | None:
        """What the step read and wrote, as OpenLineage's listener asks for it; nobody asks where that is not set."""
        return self.lineage(*self.done) if self.done else None

    def lineage(self, run: Run, step: Step) -> OperatorLineage | None:  # noqa: ARG002
        """The data sets that the step read and wrote; None: it tells none."""
        return None

    def target(self, run: Run, key: str = TARGET) -> Target:
        """The version that the run was decided to be about; only after the decision.

        Raises:
            LumbungError: it was pruned since, or decided by another release.
        """
        from lumbung.pipeline.target import Target

        return Target.from_xcom(self.passed.get(key), run.lake)

    def rows(self, run: Run, step: Step) -> dict[str, int | None]:  # noqa: ARG002
        """How many rows tables have now, by their addresses, for the events of the task's assets."""
        return {step.table: step.rows_out}

    def sentence(self, step: Step) -> str:
        """What the step did, for the log."""
        return _sentence(step)

    @property
    def table(self) -> str:
        """What the step is about, as `ops.run_audit` names it."""
        return self.task_id

    def _name(self, context: Context) -> str:
        """The task, with its map index if it is mapped: each has its record."""
        index = context["ti"].map_index
        return self.task_id if index is None or index < 0 else f"{self.task_id}[{index}]"

    def _run(self, context: Context) -> Run:
        from lumbung.core import settings
        from lumbung.pipeline.run import Run

        # One of the two only, as each is a request to Airflow: the decision passes on what the first task did.
        if self.after_decision:
            self.passed = context["ti"].xcom_pull(task_ids=system(self.system).decision_task, key=DECISION) or {}
        else:
            self.passed = {START: context["ti"].xcom_pull(task_ids=START)}
        started = self.passed.get(START)
        if started is None and self.after_decision:
            what = "the run was decided by another release of Lumbung"
            raise LumbungError(what, where=self.task_id, remedy="run the day again")
        if started is None:
            raise AirflowSkipException(f"nothing to do: the task {START} failed, its log says why")
        loaded, first = settings.load(), started["refresh_from"]
        return Run(
            settings=loaded,
            warehouse=warehouse(loaded),
            system=self.system,
            run_id=context["dag_run"].run_id,
            day=date.fromisoformat(started["day"]),
            started_at=datetime.fromisoformat(started["started_at"]),
            refresh=started["refresh"],
            refresh_from=first and date.fromisoformat(first),
            identity=started["identity"],
            options=context["params"],
        )


class StartOperator(BaseOperator):
    """Resolve the run's day, once for all its tasks, and see that the warehouse is there."""

    def __init__(self, *, system: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.system = system

    def execute(self, context: Context) -> dict[str, Any]:
        """Return day, start of the run, whether to refresh and from which day on, and the warehouse's identity."""
        from lumbung.core import settings
        from lumbung.pipeline import run as runs

        day = run_day(context)
        started_at = datetime.now(UTC)
        refresh, first = bool(context["params"].get("refresh")), context["params"].get("refresh_from")
        try:
            loaded = settings.load()
            run = runs.Run(
                settings=loaded,
                warehouse=warehouse(loaded),
                system=self.system,
                run_id=context["dag_run"].run_id,
                day=day,
                started_at=started_at,
                refresh=refresh,
            )
            identity = runs.start(run)
        except LumbungError as error:
            raise failure(error) from None
        self.log.info("The run is for %s.", day)
        return {
            "day": f"{day}",
            "started_at": started_at.isoformat(),
            "refresh": refresh,
            "refresh_from": first,
            "identity": identity,
        }


def _sentence(step: Step) -> str:
    counts = [
        f"{value:,} {name}"
        for name, value in (("rows in", step.rows_in), ("rows out", step.rows_out), ("rejected", step.rows_rejected))
        if value is not None
    ]
    return f"{step.table}: {', '.join(counts) or 'done'}{f' ({step.note})' if step.note else ''}"
