"""One operator a step of a run; heavy imports are inside, as LocalExecutor parses the DAG file for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from lumbung.core.errors import LumbungError
from lumbung.systems.registry import rejects, system
from lumbung_airflow.connections import dsn, warehouse
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
        from lumbung.storage import console

        began = datetime.now(UTC)
        try:
            run = self._run(context)
            try:
                step = self.step(run, context)
            except LumbungError as error:
                record(run, self._name(context), began, Step(table=self.table, note=f"failed: {error}"))
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


class SourceOperator(StepOperator):
    """A step of one source.

    Args:
        entity: the source's staging table, without its data set.
    """

    def __init__(self, *, entity: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity = entity

    @property
    def table(self) -> str:  # noqa: D102
        return f"staging.{self.entity}"


class ExtractOperator(SourceOperator):
    """Take one source for the day, or reuse its snapshot."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.extract import extract
        from lumbung.pipeline.run import Step

        contract = run.catalog[self.table]
        source = contract.source
        assert source
        snapshot, taken = extract(
            contract,
            run.day,
            lake=run.lake,
            data_source=system(self.system).source_folder(run),
            dsn=dsn(source.connection) if source.connection else None,
            started_at=run.started_at,
            refresh=run.refresh,
        )
        how = f", the file is that of generation {snapshot.same_as}: not read again" if snapshot.same_as else ""
        return Step(
            table=self.table,
            rows_in=snapshot.rows_read,
            rows_out=snapshot.rows_kept,
            rows_rejected=snapshot.rows_rejected,
            bytes=snapshot.file.bytes if snapshot.file else 0,
            note="; ".join(
                filter(None, [f"generation {snapshot.generation}" + (how if taken else ", reused"), snapshot.note])
            ),
        )


class VersionOperator(StepOperator):
    """Decide which versions the tables are built from; skipped where there is nothing to build from."""

    def step(self, run: Run, context: Context) -> Step:
        """Decide, and give the versions to the steps that come after."""
        decision = system(self.system).decide(run)
        targets = {OWN: decision.own, TARGET: decision.target}
        decided = {key: target.to_xcom() for key, target in targets.items() if target}
        context["ti"].xcom_push(key=DECISION, value={**self.passed, **decided})
        return decision.step


class OwnStepOperator(StepOperator):
    """A step that only this system has: the function of its `steps.py` that has the task's name.

    Args:
        after_decision: whether it comes after the task that decides the versions; then it is given the target.
    """

    def __init__(self, *, after_decision: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.after_decision = after_decision

    def work(self, run: Run) -> Any:
        """Call the function."""
        work = system(self.system).step(self.task_id)
        return work(run, self.target(run)) if self.after_decision else work(run)

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        step: Step = self.work(run)
        return step


class ListOperator(OwnStepOperator):
    """A step of the system's own that lists what a mapped task is to do: its function returns the step and the list."""

    def execute(self, context: Context) -> list[str]:
        """Keep the step, and return the list; of one that is longer than Airflow maps, its beginning."""
        from airflow.sdk.configuration import conf

        super().execute(context)
        most = conf.getint("core", "max_map_length", fallback=1024)
        if len(self.items) > most:
            self.log.warning(
                "%d of %d are done now, as Airflow's [core] max_map_length says; run the day again for the others.",
                most,
                len(self.items),
            )
        return self.items[:most]

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        step, self.items = self.work(run)
        return step


class MappedStepOperator(OwnStepOperator):
    """A step of the system's own for one item of a list: its function takes the run and the item.

    Args:
        item: what it is to do.
    """

    def __init__(self, *, item: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item = item

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        return system(self.system).step(self.task_id)(run, self.item)


class LoadOperator(SourceOperator):
    """Load one staging table."""

    after_decision = True

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        return system(self.system).load(run, run.catalog[self.table], self.target(run))

    def lineage(self, run: Run, step: Step) -> OperatorLineage:  # noqa: D102
        from lumbung_airflow.lineage import loaded

        return loaded(run, run.catalog[self.table], step.rows_out)


class BuildOperator(StepOperator):
    """Build one table privately and check it; Airflow's page "Rendered Templates" shows the query as it ran.

    Attributes:
        sql: the query.
        parameters: its parameters by name.
    """

    after_decision = True
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql", "parameters": "json"}

    def __init__(self, *, address: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.address = address

    @property
    def table(self) -> str:  # noqa: D102
        return self.address

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.build import build

        return build(run, run.catalog[self.address], self.target(run), self._show)

    def lineage(self, run: Run, step: Step) -> OperatorLineage:  # noqa: D102
        from lumbung_airflow.lineage import built

        return built(run, run.catalog[self.table], step)

    def _show(self, sql: str, parameters: Mapping[str, str]) -> None:
        """Have Airflow store the query when the task is over; named in the class, it would be asked to at the start."""
        self.sql, self.parameters = sql, dict(parameters)
        self.template_fields, self.overwrite_rtif_after_execution = ("sql", "parameters"), True


class PublishOperator(StepOperator):
    """Publish all tables of the run; skipped where a newer version has replaced all of them."""

    after_decision = True

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.publish import publish

        return publish(run, self.target(run, OWN), self.target(run))

    def rows(self, run: Run, step: Step) -> dict[str, int | None]:  # noqa: ARG002, D102
        published = filter(None, [run.state.published(), run.state.published_day(run.day)])
        return {address: build.rows for version in published for address, build in version.builds.items()}

    def lineage(self, run: Run, step: Step) -> OperatorLineage:  # noqa: D102
        from lumbung_airflow.lineage import published

        return published(run, self.rows(run, step))

    def sentence(self, step: Step) -> str:  # noqa: D102
        tables = "1 table" if step.rows_out == 1 else f"{step.rows_out} tables"
        return f"{tables} published{f' ({step.note})' if step.note else ''}"


class RejectedOperator(StepOperator):
    """Rebuild `staging.rejected_row` of the run's day and of days with new rejects; it runs whatever failed before."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.rejects import load_rejected

        return load_rejected(run, system(self.system).days_with_rejects(run), rejects)


class AuditOperator(StepOperator):
    """Drop the run's build tables and rebuild the day's `ops.run_audit`; it runs whatever failed before."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.operations import load_audit
        from lumbung.pipeline.publish import drop_builds

        drop_builds(run)
        return load_audit(run)


def _sentence(step: Step) -> str:
    counts = [
        f"{value:,} {name}"
        for name, value in (("rows in", step.rows_in), ("rows out", step.rows_out), ("rejected", step.rows_rejected))
        if value is not None
    ]
    return f"{step.table}: {', '.join(counts) or 'done'}{f' ({step.note})' if step.note else ''}"
