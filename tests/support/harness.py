"""What the pipeline harnesses share: a lake and a warehouse of one test, and a run in this process, without Airflow."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.pipeline import operations
from lumbung.pipeline import run as runs
from lumbung.pipeline.build import build
from lumbung.pipeline.publish import drop_builds, publish
from lumbung.pipeline.rejects import load_rejected
from lumbung.pipeline.run import CONSISTENT, Run, Step
from lumbung.storage.lake import open_lake
from lumbung.storage.warehouse import BUILD, Warehouse
from lumbung.systems import registry

# When a row was published or read is the only thing that differs between equal warehouses.
MOMENTS = {"published_at", "extracted_at"}
NUMBERS = itertools.count()


class Harness:
    """A lake and a warehouse of one test; the servers are shared, so the data sets have a prefix of the test's own.

    Attributes:
        folder: its files.
        name: names its data sets; with it another process goes on with the same ones.
        settings: its settings.
        catalog: the contracts.
        warehouse: the warehouse.
        lake: the lake.
    """

    def __init__(self, folder: Path, name: str, settings: Settings, catalog: Catalog) -> None:
        self.folder, self.name, self.settings, self.catalog = folder, name, settings, catalog
        self.warehouse, self.lake = Warehouse(settings), open_lake(settings)

    def close(self) -> None:
        """Drop the data sets: each one that is there slows down the local server."""
        for name in (*self.catalog.datasets(), CONSISTENT, BUILD):
            self.warehouse.client.delete_dataset(
                self.warehouse.dataset(name), delete_contents=True, not_found_ok=True, retry=None
            )

    def move(self, server: str) -> None:
        """Go on with the warehouse at another address."""
        self.settings = self.settings.replace(emulator_host=server)
        self.warehouse = Warehouse(self.settings)

    def rows(self, sql: str) -> list[dict]:
        """A query's rows; `{staging.student}` stands for a table."""
        for address in self.catalog.contracts:
            sql = sql.replace(f"{{{address}}}", f"`{self.warehouse.table(address)}`")
        return self.warehouse.rows(sql).to_pylist()

    def contents(self, *datasets: str) -> dict[str, list[str]]:
        """The rows of every table of the data sets, by default of all but `ops` and `build`."""
        return contents(self.warehouse, *datasets)

    def checksum(self, *datasets: str) -> dict[str, str]:
        """What `contents` gives, in short."""
        return {name: digest(rows) for name, rows in self.contents(*datasets).items()}


class DayRun:
    """A run of a system's day, stage by stage. A test that calls no further stage has killed it."""

    def __init__(
        self,
        harness: Harness,
        system: str,
        day: date,
        *,
        run_id: str | None = None,
        refresh: bool = False,
        started_at: datetime | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.harness, self.system = harness, registry.system(system)
        self.run = Run(
            settings=harness.settings,
            warehouse=harness.warehouse,
            system=system,
            run_id=run_id or f"run {next(NUMBERS)}",
            day=day,
            started_at=started_at or datetime.now(UTC),
            refresh=refresh,
            options=options or {},
        )
        self._use_catalog()

    def _use_catalog(self) -> None:
        self.run.__dict__["catalog"] = self.harness.catalog  # where `Run` keeps it once it is read

    def _do(self, task: str, work: Callable[[], Step]) -> Step:
        began = datetime.now(UTC)
        step = work()
        operations.record(self.run, task, began, step)
        return step

    def start(self) -> None:
        self.run = dataclasses.replace(self.run, identity=runs.start(self.run))
        self._use_catalog()

    def decide(self) -> None:
        decision = self.system.decide(self.run)
        self.decided, self.own, self.target = decision.step, decision.own, decision.target

    def rejected(self) -> Step:
        days = self.system.days_with_rejects(self.run)
        return self._do("rejected_row", lambda: load_rejected(self.run, days, registry.rejects))

    def build(self) -> list[Step]:
        return [
            self._do(f"build.{table.address}", lambda table=table: build(self.run, table, self.target))
            for table in self.run.tables
        ]

    def publish(self) -> Step:
        return self._do("publish", lambda: publish(self.run, self.own, self.target))

    def audit(self) -> None:
        drop_builds(self.run)
        operations.load_audit(self.run)


def contents(warehouse: Warehouse, *datasets: str) -> dict[str, list[str]]:
    """The rows of every table of the data sets, but for the moments of publishing and extracting."""
    return {
        f"{dataset}.{item.table_id}": sorted(
            json.dumps({k: v for k, v in row.items() if k not in MOMENTS}, default=str, sort_keys=True)
            for row in warehouse.client.list_rows(item.reference)
        )
        for dataset in datasets or ("staging", "dwh", "datamart")
        for item in warehouse.client.list_tables(warehouse.dataset(dataset))
    }


def digest(rows: list[str]) -> str:
    """How many rows there are, and their checksum."""
    return f"{len(rows)} {hashlib.sha256('\n'.join(rows).encode()).hexdigest()[:12]}"
