"""What the pipeline asks of a system: `lumbung.systems` has one of these for each folder."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from lumbung.catalog.contract import Catalog, Contract
    from lumbung.pipeline.rejects import RejectedFile
    from lumbung.pipeline.retention import Plan
    from lumbung.pipeline.run import Run, Step
    from lumbung.pipeline.target import Target
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse


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
        """Load the target's rows, and those of the run's day, into a staging table."""

    @abstractmethod
    def rejects(self, lake: Lake, day: date) -> Iterable[RejectedFile]:
        """The files of a day's rejects."""

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

    def step(self, name: str) -> Callable[..., Step]:
        """A step of the system's own: a function of its `steps.py`, of the run and, after the decision, the target."""
        function: Callable[..., Step] = getattr(importlib.import_module(f"lumbung.systems.{self.name}.steps"), name)
        return function


class SnapshotSystem(System):
    """A system whose sources are each taken whole, as a snapshot a day."""

    decision_task = "snapshot"

    def decide(self, run: Run) -> Decision:
        """Check references between the day's snapshots; the tables are built from the newest day that has a version."""
        from lumbung.pipeline.references import make_version
        from lumbung.pipeline.run import Step
        from lumbung.pipeline.snapshot import newest_version

        own = make_version(run.sources, run.system, run.day, run.lake)
        target = newest_version(run.lake, run.system) or own
        members = own.members.values()
        step = Step(
            table=run.system,
            rows_in=sum(member.rows_read for member in members),
            rows_out=sum(member.file.rows for member in members),
            rows_rejected=sum(member.rows_rejected for member in members),
            note=f"version {own.day} generation {own.generation}; dwh from {target.day} generation {target.generation}",
        )
        return Decision(step, own.target(), target.target())

    def load(self, run: Run, contract: Contract, target: Target) -> Step:
        """Load the snapshots."""
        from lumbung.pipeline.load import load

        return load(run, contract, target)

    def rejects(self, lake: Lake, day: date) -> Iterable[RejectedFile]:
        """Those of the newest attempt at each source, and of references between sources."""
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
