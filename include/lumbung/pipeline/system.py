"""What the pipeline asks of a system: `lumbung.systems` has one of these for each folder."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from lumbung.catalog.contract import Catalog, Contract
    from lumbung.core.settings import Settings
    from lumbung.pipeline.rejects import RejectedFile
    from lumbung.pipeline.retention import Plan
    from lumbung.pipeline.run import Run, Step
    from lumbung.pipeline.target import Target
    from lumbung.search.index import Indexed
    from lumbung.serving.drill import Drill
    from lumbung.serving.schema import Accounting, CleanedDay, Result, Section
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse
    from lumbung.stream.feed import Feed


@dataclass(frozen=True)
class Decision:
    """Which versions a run is about.

    Attributes:
        step: what was found; skipped where there is nothing to build from.
        own: the version of the run's own day, for the daily tables; None: there is none.
        target: the version that the whole tables are built from; None: there is none.
    """

    step: Step
    own: Target | None = None
    target: Target | None = None


class System(ABC):
    """A system whose sources are gathered daily.

    DAG files are parsed for each task, so methods import what is heavy themselves.

    Attributes:
        name: its folder in `lumbung.systems`, and `system` in the contracts of its tables.
        dag_id: its DAG.
        label: what people call it.
        decision_task: the task that decides which versions a run is about.
        position: orders the parts of the report page; the first one that is published leads the page.
        counts_all_days: whether its rows and rejects are counted over all days; if not, those of its published day.
    """

    name: ClassVar[str]
    dag_id: ClassVar[str]
    label: ClassVar[str]
    decision_task: ClassVar[str]

    @abstractmethod
    def decide(self, run: Run) -> Decision:
        """Write down what came for the run's day, and decide which versions its tables are built from."""

    @abstractmethod
    def load(self, run: Run, contract: Contract, target: Target) -> Step:
        """Load the target's rows, and those of the run's day, into a staging table.

        Args:
            run: the run.
            contract: the staging table.
            target: the version that `dwh` is built from.
        """

    @abstractmethod
    def rejects(self, lake: Lake, day: date) -> Iterable[RejectedFile]:
        """The files of a day's rejects."""

    def usual_folder(self, settings: Settings) -> Path:
        """The folder of its source files, where a run names no other."""
        return settings.data_source

    def source_folder(self, run: Run) -> Path:
        """The folder of a run's source files."""
        return self.usual_folder(run.settings)

    def days_with_rejects(self, run: Run) -> list[date]:
        """The days whose partition of `staging.rejected_row` the run rebuilds; at least its own."""
        return [run.day]

    @abstractmethod
    def leases_of_prune(self, catalog: Catalog) -> list[str]:
        """The leases that a prune of the system holds, in the order they are taken."""

    @abstractmethod
    def plan_prune(self, lake: Lake, warehouse: Warehouse, catalog: Catalog, *, keep: int, before: datetime) -> Plan:
        """What goes of the system.

        Args:
            lake: the lake.
            warehouse: whose staging partitions go.
            catalog: all contracts.
            keep: days with a committed version to keep.
            before: a younger file that no manifest names may be that of a writer at work.
        """

    def step(self, name: str) -> Callable[..., Any]:
        """A step of the system's own: a function of its `steps.py`, of the run and, after the decision, the target."""
        function: Callable[..., Any] = getattr(importlib.import_module(f"lumbung.systems.{self.name}.steps"), name)
        return function

    # What people and programs read.

    position: ClassVar[int]
    counts_all_days: ClassVar[bool]

    @abstractmethod
    def answers(self, warehouse: Warehouse) -> Result:
        """The answers to its questions.

        Raises:
            LumbungError: nothing of it is published yet.
        """

    @abstractmethod
    def section(self, warehouse: Warehouse, lake: Lake) -> Section:
        """Its part of the report page.

        Args:
            warehouse: where its tables are published.
            lake: for what is not in tables.

        Raises:
            LumbungError: nothing of it is published yet.
        """

    @abstractmethod
    def accounting(self, lake: Lake, day: date) -> list[Accounting]:
        """Where the rows of each source went: those of the day, or of all days where it counts all days."""

    def cleaning(self, lake: Lake) -> list[CleanedDay]:
        """What cleaning kept of each day; nothing where rows are loaded as they are."""
        del lake
        return []

    def feed(self, settings: Settings) -> Feed:
        """The topic that it is gathered from."""
        raise NotImplementedError

    def status(self, settings: Settings) -> Result:
        """Where its rows are on their way to the warehouse."""
        raise NotImplementedError

    def drill(self) -> Drill | None:
        """What of it can be looked at row by row; None: nothing."""
        return None

    def looker_url(self, settings: Settings) -> str | None:
        """A link that opens a Looker Studio report on its marts; None: there is none."""
        del settings
        return None

    def reindex(self, settings: Settings) -> Iterator[Indexed]:
        """Fill the search indices of a new mapping version from the lake, day by day."""
        raise NotImplementedError

    def generate(
        self, folder: Path, *, rows: int, seed: int, progress: Callable[[str, int, int], None]
    ) -> dict[str, int]:
        """Write synthetic sources.

        Args:
            folder: where their files go.
            rows: rows of the largest source; the others are in proportion.
            seed: the same seed gives the same bytes.
            progress: gets the file, its rows written so far, and all its rows.

        Returns:
            Rows by file name.
        """
        raise NotImplementedError


class SnapshotSystem(System):
    """A system whose sources are each taken whole, as a snapshot a day."""

    decision_task = "snapshot"

    def decide(self, run: Run) -> Decision:
        """Check references between the day's snapshots; the tables are built from the newest day that has a version."""
        from lumbung.pipeline.references import make_version
        from lumbung.pipeline.run import Step
        from lumbung.pipeline.snapshot import newest_version

        own = make_version(run.sources, run.system, run.day, run.lake, run.run_id)
        target = newest_version(run.lake, run.system) or own
        step = Step(
            table=run.system,
            rows_in=own.rows_read,
            rows_out=own.rows_kept,
            rows_rejected=own.rows_rejected,
            note=f"version {own.day} generation {own.generation}; dwh from {target.day} generation {target.generation}",
        )
        return Decision(step, own.target(), target.target())

    def load(self, run: Run, contract: Contract, target: Target) -> Step:
        """Load the snapshots."""
        from lumbung.pipeline.load import load

        return load(run, contract, target)

    def rejects(self, lake: Lake, day: date) -> Iterable[RejectedFile]:
        """Those of what the newest version lists, of later sources that were refused, and of references."""
        from lumbung.pipeline.rejects import of_snapshots

        return of_snapshots(lake, self.name, day)

    def leases_of_prune(self, catalog: Catalog) -> list[str]:
        """In the order in which a publish takes leases of loads."""
        loads = [f"load/{source.address}" for source in catalog.sources(self.name)]
        return [f"publish/{self.name}", f"version/{self.name}", *loads]

    def plan_prune(self, lake: Lake, warehouse: Warehouse, catalog: Catalog, *, keep: int, before: datetime) -> Plan:
        """Old days, and older generations of days that stay."""
        from lumbung.pipeline.retention import plan_snapshots

        return plan_snapshots(lake, warehouse, self.name, catalog.sources(self.name), keep=keep, before=before)

    def accounting(self, lake: Lake, day: date) -> list[Accounting]:
        """Where each source's rows of the day went."""
        from lumbung.pipeline.snapshot import accounting

        return accounting(lake, self.name, day)
