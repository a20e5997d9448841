"""What the page of a run shows: what its tasks have recorded in the lake, also while it goes on and where it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from lumbung.catalog import query
from lumbung.catalog.audit import PASSED
from lumbung.catalog.contract import Catalog, Contract
from lumbung.core.settings import Settings
from lumbung.pipeline import operations
from lumbung.pipeline.system import SnapshotSystem, System
from lumbung.report import run_sources
from lumbung.report.run_sources import ReasonCount, SourceRows
from lumbung.serving.reasons import error_without_values, names_of
from lumbung.serving.schema import FAILED, RejectedRow, Result
from lumbung.storage import console, state
from lumbung.storage.lake import Lake
from lumbung.systems.registry import by_dag


@dataclass(frozen=True)
class AirflowRun:
    """What Airflow knows of a run.

    Attributes:
        dag_id: its DAG.
        run_id: its id.
        day: the business day.
        state: such as `running`, `success` or `failed`.
        started_at: None: it waits.
        ended_at: None: it has not ended.
    """

    dag_id: str
    run_id: str
    day: date
    state: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class CheckResult(Result):
    """What came of a check of a table."""

    name: str
    outcome: str
    passed: bool


@dataclass(frozen=True)
class TaskStep(Result):
    """What one task recorded.

    Attributes:
        task: its id, with the map index of a mapped one.
        table: what it is about.
        failed: why it failed; empty: it did not.
        note: what else is known.
        rows: rows written.
        bytes: bytes written or processed.
        seconds: how long its last job took.
        job_id: that job.
        job_url: the job in the console of BigQuery; None: the warehouse is a local one.
        checks: what came of each check.
    """

    task: str
    table: str
    failed: str
    note: str
    rows: int | None
    bytes: int | None
    seconds: float | None
    job_id: str | None
    job_url: str | None
    checks: list[CheckResult]


@dataclass(frozen=True)
class BuiltTable(Result):
    """A table that the run makes by a query.

    Attributes:
        address: the table.
        description: what it holds.
        sql: its query: the one that ran; where none is recorded, that of the file as it is now.
        parameters: of the query that ran, by name.
        has_run: whether it is the query that ran.
        step: what its task recorded; None: it has not run.
    """

    address: str
    description: str
    sql: str
    parameters: dict[str, str]
    has_run: bool
    step: TaskStep | None


@dataclass(frozen=True)
class PublishedVersion(Result):
    """What is published of the system now, and by which run."""

    day: date
    generation: int
    run_id: str
    published_at: datetime | None


@dataclass(frozen=True)
class RunData(Result):
    """All that the page of a run shows.

    Attributes:
        dag_id: its DAG.
        run_id: its id.
        system: what people call its system.
        day: the business day.
        state: Airflow's.
        started_at: None: it waits.
        ended_at: None: it has not ended.
        sources: where the rows of each source went.
        reasons: rejects of what the run has taken, of streams those of the day, by source and reason.
        rejects: the first of these rows; None: the reader may not see them.
        version: what the task that decides the versions recorded.
        publish: what the task `publish` recorded.
        published: what is published now.
        tables: the tables that the run makes.
        steps: what all tasks recorded, in the order they started.
    """

    dag_id: str
    run_id: str
    system: str
    day: date
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    sources: list[SourceRows]
    reasons: list[ReasonCount]
    rejects: list[RejectedRow] | None
    version: TaskStep | None
    publish: TaskStep | None
    published: PublishedVersion | None
    tables: list[BuiltTable]
    steps: list[TaskStep]

    @property
    def failures(self) -> list[TaskStep]:
        """The tasks that failed."""
        return [step for step in self.steps if step.failed]

    @property
    def checks(self) -> list[CheckResult]:
        """The checks of all tables."""
        return [check for table in self.tables if table.step for check in table.step.checks]

    @property
    def is_over(self) -> bool:
        """Whether no more is going to come."""
        return self.state in ("success", "failed")

    @property
    def is_published(self) -> bool:
        """Whether what is published now is of this run."""
        return self.published is not None and self.published.run_id == self.run_id


def collect(lake: Lake, settings: Settings, run: AirflowRun, *, raw: bool) -> RunData:
    """Read all that the page shows, from the lake alone.

    Args:
        lake: the lake.
        settings: where jobs can be looked at.
        run: the run.
        raw: whether the reader may see rejected rows, and what errors quote of them.

    Raises:
        LumbungError: no system has the DAG.
    """
    system, catalog = by_dag(run.dag_id), Catalog()
    names = names_of(catalog.contracts.values())
    records = operations.records(lake, run.day, run.run_id)
    steps = [_step(record, settings) for record in records]
    if not raw:
        steps = [replace(step, failed=error_without_values(step.failed, names)) for step in steps]
    by_task = {step.task: step for step in steps}
    record_of = {record["task"]: record for record in records}
    taken = run_sources.taken_by(records, system, lake, run.day)
    # A run that has not begun has rejected nothing, whatever others did.
    files = taken.rejects() if isinstance(system, SnapshotSystem) else system.rejects(lake, run.day) if records else ()
    reasons, rejects = run_sources.rejects(files, lake, names)
    return RunData(
        dag_id=run.dag_id,
        run_id=run.run_id,
        system=system.label,
        day=run.day,
        state=run.state,
        started_at=run.started_at,
        ended_at=run.ended_at,
        sources=run_sources.sources(records, taken, system, catalog),
        reasons=reasons,
        rejects=rejects if raw else None,
        version=by_task.get(system.decision_task),
        publish=by_task.get("publish"),
        published=_published(lake, system),
        tables=[
            _built(table, record_of.get(task := f"build.{table.address}", {}), by_task.get(task))
            for table in query.tables(catalog, system.name)
        ],
        steps=steps,
    )


def _step(record: Mapping[str, Any], settings: Settings) -> TaskStep:
    note = record["note"]
    failed = note.removeprefix(FAILED) if note.startswith(FAILED) else ""
    for name, outcome in reversed(record["checks"].items()):  # a build's note repeats those that warn
        note = note.removesuffix(f"{name}: {outcome}").removesuffix("; ")
    return TaskStep(
        task=record["task"],
        table=record["table"],
        failed=failed,
        note="" if failed else note,
        rows=record["rows_out"],
        bytes=record["bytes"],
        seconds=record["seconds"],
        job_id=record["job_id"],
        job_url=console.job_url(settings, record["job_id"]) if record["job_id"] else None,
        checks=[CheckResult(name, outcome, outcome == PASSED) for name, outcome in record["checks"].items()],
    )


def _published(lake: Lake, system: System) -> PublishedVersion | None:
    documents = [document for one in state.of_system(lake, system.name) if (document := one.published())]
    newest = max(documents, key=lambda document: document.published_at or document.extracted_at, default=None)
    if newest is None:
        return None
    return PublishedVersion(newest.day, newest.generation, newest.run_id, newest.published_at)


def _built(table: Contract, record: Mapping[str, Any], step: TaskStep | None) -> BuiltTable:
    ran = record.get("sql", "")  # empty: the build failed, or nothing had changed
    return BuiltTable(
        address=table.address,
        description=table.description,
        sql=ran or table.path.with_suffix(".sql").read_text(encoding="utf-8"),
        parameters=record["parameters"] if ran else {},
        has_run=bool(ran),
        step=step,
    )
