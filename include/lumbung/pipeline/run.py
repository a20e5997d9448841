"""One run of a system for a day: what every step of it needs, and what a step did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from lumbung.catalog import query
from lumbung.catalog.contract import Catalog, Contract
from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake, open_lake
from lumbung.storage.state import State
from lumbung.storage.warehouse import CREATE, WRITE, Warehouse, short

CONSISTENT = "consistent"
"""The data set of the views that show one version of all tables, where LUMBUNG_CONSISTENT_VIEWS is set."""


@dataclass(frozen=True)
class Step:
    """What a step did; one row of `ops.run_audit`.

    Attributes:
        table: what it is about: a table's address, or what else was read or written.
        rows_in: rows read.
        rows_out: rows written.
        rows_rejected: rows rejected.
        bytes: bytes written or processed.
        seconds: how long the warehouse's job took.
        job_id: the job.
        write_disposition: of the job.
        create_disposition: of the job.
        checks: what came of each check, by its name.
        note: what else a person should know.
        sql: the query that made the table, as it ran.
        parameters: its parameters by name.
        skipped: whether there was nothing to do, so that the steps after it are skipped too.
    """

    table: str
    rows_in: int | None = None
    rows_out: int | None = None
    rows_rejected: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    job_id: str | None = None
    write_disposition: str | None = None
    create_disposition: str | None = None
    checks: dict[str, str] = field(default_factory=dict)
    note: str = ""
    sql: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    skipped: bool = False

    @classmethod
    def written(cls, table: str, **values: Any) -> Step:
        """A step whose job wrote a table."""
        return cls(table=table, write_disposition=WRITE, create_disposition=CREATE, **values)


@dataclass(frozen=True)
class Run:
    """A run; each of its tasks makes its own.

    Attributes:
        settings: the process's settings.
        warehouse: where tables are.
        system: whose tables the run makes.
        run_id: Airflow's id of the run.
        day: the business day.
        started_at: when the run started.
        refresh: whether to take the sources again.
        refresh_from: with `refresh`, the first of several days that are rebuilt; None: only `day`.
        identity: which warehouse it is (`Warehouse.identity`), once that is known.
        options: what else the run was asked for: the parameters of its DAG.
    """

    settings: Settings
    warehouse: Warehouse
    system: str
    run_id: str
    day: date
    started_at: datetime
    refresh: bool = False
    refresh_from: date | None = None
    identity: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return open_lake(self.settings)

    @cached_property
    def catalog(self) -> Catalog:
        """All contracts."""
        return Catalog()

    @property
    def sources(self) -> list[Contract]:
        """The system's staging tables that have a source."""
        return self.catalog.sources(self.system)

    @cached_property
    def tables(self) -> list[Contract]:
        """The tables that the run builds, in the order of their references."""
        return query.tables(self.catalog, self.system)

    @property
    def state(self) -> State:
        """What the lake knows of this warehouse and system."""
        return State(self.lake, self.identity, self.system)

    def refreshes(self, day: date) -> bool:
        """Whether the run rebuilds a day even if nothing came."""
        return self.refresh and (self.refresh_from or self.day) <= day <= self.day

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the run's jobs."""
        return {"system": self.system, "day": f"{self.day:%Y-%m-%d}", "run": short(self.run_id)}


def start(run: Run) -> str:
    """Make the data sets and refuse a day whose partition the warehouse would drop at once or during this day.

    Returns:
        The warehouse's identity.

    Raises:
        LumbungError: the day is older than the data sets keep partitions.
    """
    with run.lake.lease("datasets"):
        views = [CONSISTENT] if run.settings.consistent_views else []
        run.warehouse.ensure_datasets([*run.catalog.datasets(), *views])
    limit = limit_days(run)
    if is_expired(run.day, limit):
        raise LumbungError(
            f"the day is {(business_day.today() - run.day).days} days old, and partitions of these data sets expire"
            f" after {limit} days (as in the BigQuery sandbox)",
            where=f"{run.warehouse.dataset('staging')}, day {run.day}",
            remedy="run a later day, or take the project out of the sandbox and lift the expiration of data sets and"
            " tables",
        )
    return run.warehouse.identity()


def limit_days(run: Run) -> int | None:
    """Days after which the warehouse drops partitions, counted from their own date; None: it keeps them."""
    return run.warehouse.partition_limit_days(run.catalog.datasets())


def is_expired(day: date, limit: int | None) -> bool:
    """Whether the warehouse would drop a day's partition at once, or before today is over.

    Args:
        day: the partition's date.
        limit: days after which it expires; None: it does not.
    """
    return limit is not None and (business_day.today() - day).days >= limit
