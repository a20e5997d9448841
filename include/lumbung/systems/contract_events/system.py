"""Contract events as the pipeline sees them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lumbung.pipeline.system import Decision, SnapshotSystem

if TYPE_CHECKING:
    from lumbung.catalog.contract import Catalog, Contract
    from lumbung.core.settings import Settings
    from lumbung.pipeline.retention import Plan
    from lumbung.pipeline.run import Run, Step
    from lumbung.pipeline.target import Target
    from lumbung.serving.contract_schema import ContractAnswers
    from lumbung.serving.schema import Section
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse


class ContractEvents(SnapshotSystem):
    """A bank's accounts, parties and addresses: snapshots, and the events of what changed from one to the next."""

    name = "contract_events"
    dag_id = "contract_events"
    label = "Contract events"
    decision_task = "version"

    def usual_folder(self, settings: Settings) -> Path:
        """The setting."""
        return settings.contract_events.source

    def source_folder(self, run: Run) -> Path:
        """The run's option `source`, or the setting."""
        source = run.options.get("source")
        return Path(source) if source else self.usual_folder(run.settings)

    def decide(self, run: Run) -> Decision:
        """Take the run's plan, or the newest sending where there is nothing to send; a dry run ends here."""
        from lumbung.pipeline.run import Step
        from lumbung.systems.contract_events.events import is_dry
        from lumbung.systems.contract_events.version import make_target, plan_of_run

        if is_dry(run):
            plan = plan_of_run(run)
            would = f"it would send {plan.counts}" if plan else "there is nothing to send"
            return Decision(Step(table=run.system, note=f"dry run: {would}", skipped=True))
        target = make_target(run)
        if target is None:
            return Decision(Step(table=run.system, note="skipped: the warehouse keeps no day of it", skipped=True))
        changed = f"{len(target.changed)} of {len(target.days)} days changed"
        note = f"version {target.day} generation {target.generation}; {changed}"
        return Decision(Step(table=run.system, note=note), target, target)

    def load(self, run: Run, contract: Contract, target: Target) -> Step:
        """Load the day's snapshots, the contracts and parties of the target, or the events of days that changed."""
        from lumbung.systems.contract_events.load import load

        return load(run, contract, target)

    def leases_of_prune(self, catalog: Catalog) -> list[str]:
        """Nothing may be sent meanwhile."""
        from lumbung.systems.contract_events.sending import LEASE

        return [LEASE, *super().leases_of_prune(catalog)]

    def plan_prune(self, lake: Lake, warehouse: Warehouse, catalog: Catalog, *, keep: int, before: datetime) -> Plan:
        """Old days of snapshots, and files that no sending needs."""
        from lumbung.systems.contract_events.prune import plan

        return plan(lake, warehouse, catalog, self.name, keep=keep, before=before)

    # What people and programs read.

    position = 4
    counts_all_days = False

    def answers(self, warehouse: Warehouse) -> ContractAnswers:
        """Contracts by country, and events by operation and day."""
        from lumbung.systems.contract_events.answers import answers

        return answers(warehouse)

    def section(self, warehouse: Warehouse, lake: Lake) -> Section:  # noqa: ARG002 - tables have it all
        """Its part of the report page."""
        from lumbung.systems.contract_events.report import section

        return section(self.answers(warehouse), self.label)


SYSTEM = ContractEvents()
