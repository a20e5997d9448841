"""The head and the tail that every daily DAG has: its schedule, parameters and retries, and its last steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator, Param, TaskGroup, TriggerRule

from lumbung.catalog import query
from lumbung.catalog.contract import Catalog, Contract
from lumbung.core import settings
from lumbung.core.day import JAKARTA
from lumbung.core.settings import Settings
from lumbung.systems.registry import by_dag
from lumbung_airflow.deadline import deadline
from lumbung_airflow.links import JobLink, TableLink
from lumbung_airflow.notify import failure_notifiers
from lumbung_airflow.operators import (
    AuditOperator,
    BuildOperator,
    ExtractOperator,
    LoadOperator,
    PublishOperator,
    RejectedOperator,
    VersionOperator,
)
from lumbung_airflow.step import START, StartOperator
from lumbung_airflow.tables import assets, declare
from lumbung_airflow.timetable import DailyTimetable


class DailyDag:
    """A daily DAG's common tasks; the DAG file adds its own and wires them.

    Attributes:
        system: the system's name.
        sources: contracts of the system's sources.
        start: resolves the run's day; the first task.
        version: decides which versions the run is about.
        rejected: writes the rejects, whatever failed before.
        builds: a task for each table made by a query, by its address; wired among each other.
        publish: publishes all tables; wired after all builds.
    """

    def __init__(self, system: str, decision_task: str, loaded: Settings) -> None:
        catalog, self.system, self.settings = Catalog(), system, loaded
        self.sources: list[Contract] = catalog.sources(system)
        self.start = StartOperator(task_id=START)
        self.version = VersionOperator(task_id=decision_task)
        self.rejected = RejectedOperator(
            task_id="rejected_row", trigger_rule=TriggerRule.ALL_DONE, outlets=assets(loaded, ["staging.rejected_row"])
        )
        tables = query.tables(catalog, system)
        with TaskGroup("build"):
            self.builds = {
                table.address: BuildOperator(task_id=table.address, address=table.address) for table in tables
            }
        for table in tables:
            build = self.builds[table.address]
            [self.builds[address] for address in sorted(query.dependencies(table) & self.builds.keys())] >> build
            declare(
                build,
                inlets=assets(loaded, sorted(query.upstreams(table))),
                outlets=assets(loaded, [table.address]),
            )
        self.publish = PublishOperator(task_id="publish", outlets=assets(loaded, self.builds))
        list(self.builds.values()) >> self.publish

    def take_snapshots(self) -> None:
        """Add the tasks of a system whose sources are taken as snapshots, from the first to its builds."""
        self.extract(self.version)
        self.load(source.table for source in self.sources)

    def extract(self, snapshot: BaseOperator) -> None:
        """Add a task for each source.

        Args:
            snapshot: the task that checks references between what they took; wired after them.
        """
        with TaskGroup("extract"):
            extracts = [ExtractOperator(task_id=source.table, entity=source.table) for source in self.sources]
        self.start >> extracts >> snapshot
        # Of all extracts, too: the check ends as soon as one of them fails, and the others may still find rejects.
        [*extracts, snapshot] >> self.rejected

    def load(self, tables: Iterable[str]) -> None:
        """Add a task for each staging table, after the decision and before all builds.

        Args:
            tables: their names, without the data set.
        """
        with TaskGroup("load"):
            loads = [
                LoadOperator(task_id=table, entity=table, outlets=assets(self.settings, [f"staging.{table}"]))
                for table in tables
            ]
        self.version >> loads
        for build in self.builds.values():
            loads >> build

    def finish(self, *ends: BaseOperator) -> None:
        """Add the audit, after all that may still write a build table or a record, and the task of the run's state.

        Args:
            ends: the tasks by which the run succeeds or fails, beside the rejects and the audit.
        """
        writers = [task for task in self.start.dag.tasks if task is not self.start]
        audit = AuditOperator(
            task_id="audit", trigger_rule=TriggerRule.ALL_DONE, outlets=assets(self.settings, ["ops.run_audit"])
        )
        writers >> audit
        # `audit` runs whatever failed, so the run's own state must not be read from it.
        complete = EmptyOperator(task_id="complete", trigger_rule=TriggerRule.NONE_FAILED)
        [self.publish, *ends, self.rejected, audit] >> complete


@contextmanager
def daily_dag(
    dag_id: str,
    *,
    description: str,
    doc: str | None,
    refresh: Param | None = None,
    params: dict[str, Param] | None = None,
    paused: bool | None = None,
    tags: Sequence[str] = (),
    max_active_runs: int = 4,
) -> Iterator[DailyDag]:
    """A DAG that runs every day at 00:30 in Jakarta, for the day that just ended.

    Args:
        dag_id: the DAG; the registry knows its system.
        description: one line.
        doc: the DAG file's docstring, shown as Markdown.
        refresh: the parameter `refresh`, a boolean; default: it takes the sources again.
        params: parameters of this DAG only.
        paused: whether it starts paused; None: as Airflow is configured.
        tags: more tags than the system's name.
        max_active_runs: runs that Airflow does at the same time.
    """
    system, loaded = by_dag(dag_id), settings.load()
    common = {
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Business day",
            description="YYYY-MM-DD in Asia/Jakarta; empty: the day of the schedule or logical date, or today."
            " Leave it empty in a backfill.",
        ),
        "refresh": refresh
        or Param(
            False,
            type="boolean",
            title="Take the sources again",
            description="Take a new snapshot even where the day has one.",
        ),
    }
    default_args: dict[str, Any] = {
        "owner": system.label,
        "system": system.name,
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
    }
    with DAG(
        dag_id=dag_id,
        description=description,
        doc_md=doc,
        schedule=DailyTimetable(),
        # A run of an earlier logical date would end well without a task: Airflow leaves its tasks out.
        start_date=datetime(2020, 1, 1, tzinfo=JAKARTA),
        catchup=False,
        max_active_runs=max_active_runs,
        is_paused_upon_creation=paused,
        tags=[system.label.lower(), "daily", *tags],
        params={**common, **(params or {})},
        default_args=default_args,
        on_failure_callback=failure_notifiers(loaded),
        deadline=deadline(loaded),
    ):
        daily = DailyDag(system.name, system.decision_task, loaded)
        yield daily
        if loaded.project:
            for task in daily.start.dag.tasks:
                if isinstance(task, LoadOperator | BuildOperator):
                    task.operator_extra_links = (TableLink(), JobLink())
