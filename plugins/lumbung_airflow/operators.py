"""One operator a step of a run; heavy imports are inside, as LocalExecutor parses the DAG file for each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Context

from lumbung.systems.registry import rejects, system
from lumbung_airflow.connections import dsn
from lumbung_airflow.step import DECISION, OWN, TARGET, StepOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from lumbung.pipeline.run import Run, Step


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
            run_id=run.run_id,
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
