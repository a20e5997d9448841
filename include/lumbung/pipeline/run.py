"""One run of a system for a day: what every step of it needs, and what a step leaves behind."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from lumbung.catalog.contract import Catalog, Contract
from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline import snapshot
from lumbung.pipeline.snapshot import Version
from lumbung.storage.lake import Lake, open_lake
from lumbung.storage.warehouse import CREATE, WRITE, Warehouse


@dataclass(frozen=True)
class Step:
    """What a step did; one row of `ops.run_audit`."""

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

    @classmethod
    def written(cls, table: str, **facts: Any) -> Step:
        """A step whose job wrote a table."""
        return cls(table=table, write_disposition=WRITE, create_disposition=CREATE, **facts)


@dataclass(frozen=True)
class Run:
    """A run, made anew in each of its tasks.

    Attributes:
        settings: the process's settings.
        warehouse: where tables are.
        system: whose tables the run makes.
        run_id: Airflow's id of the run.
        day: the business day.
        started_at: when the run started.
        refresh: whether to take the sources again.
        refresh_from: with `refresh`, the first of several days that are made anew; None: only `day`.
        identity: which warehouse it is (`Warehouse.identity`), once that is known.
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

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return open_lake(self.settings)

    @cached_property
    def catalog(self) -> Catalog:
        """All contracts."""
        return Catalog()

    @cached_property
    def sources(self) -> list[Contract]:
        """The system's staging tables."""
        return self.catalog.sources(self.system)

    def refreshes(self, day: date) -> bool:
        """Whether the run makes a day anew, even if nothing came."""
        return self.refresh and (self.refresh_from or self.day) <= day <= self.day

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the run's jobs."""
        return {"system": self.system, "day": f"{self.day:%Y-%m-%d}", "run": short(self.run_id)}

    @property
    def state(self) -> str:
        """Folder of what the lake knows of this warehouse and system."""
        return f"state/{re.sub(r'[^A-Za-z0-9_@.-]', '-', self.identity)}/{self.system}"

    def version(self, order: tuple[str, int]) -> Version:
        """The version of a day and generation, as a task passes it on."""
        day, generation = order
        where = f"{snapshot.version_folder(self.system)}/dt={day}/manifest-{generation:06}.json"
        content = self.lake.read(where)
        if content is None:
            raise LumbungError("no such version", where=self.lake.address(where), remedy="run the day again")
        return Version.model_validate_json(content)


def short(run_id: str) -> str:
    """A short name for a run id, safe in table names and paths."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:12]


def start(run: Run) -> str:
    """Make the data sets and refuse a day whose partition the warehouse would drop at once or during this day.

    Returns:
        The warehouse's identity.

    Raises:
        LumbungError: the day is older than the data sets keep partitions.
    """
    with run.lake.lease("datasets"):
        run.warehouse.ensure_datasets(run.catalog.datasets())
    refuse_expired(run, [run.day])
    return run.warehouse.identity()


def refuse_expired(run: Run, days: Iterable[date]) -> None:
    """Let pass days whose partitions the warehouse would keep.

    Raises:
        LumbungError: a day is older.
    """
    limit = run.warehouse.partition_limit_days("staging")
    for day in days:
        age = (business_day.today() - day).days
        if limit and age >= limit:
            raise LumbungError(
                f"the day is {age} days old, and partitions of this data set expire after {limit} days (as in the"
                " BigQuery sandbox)",
                where=f"{run.warehouse.dataset('staging')}, day {day}",
                remedy="run a later day, or take the project out of the sandbox and lift the expiration",
            )


def record(run: Run, task: str, started_at: datetime, step: Step) -> None:
    """Keep what a task did in the lake, for `ops.run_audit`."""
    line = {"day": f"{run.day}", "run_id": run.run_id, "task": task, "started_at": started_at.isoformat()}
    content = json.dumps({**line, **asdict(step)}, ensure_ascii=False).encode()
    run.lake.write(f"audit/dt={run.day}/{short(run.run_id)}/{task}.json", content)


def records(lake: Lake, day: date, run_id: str | None = None) -> list[dict[str, Any]]:
    """What the day's tasks did, of one run or of all."""
    where = f"audit/dt={day}"
    runs = [short(run_id)] if run_id else lake.names(where)
    found = [lake.read_json(f"{where}/{one}/{name}") for one in runs for name in lake.names(f"{where}/{one}")]
    return sorted((one for one in found if one), key=lambda one: (one["started_at"], one["task"]))
