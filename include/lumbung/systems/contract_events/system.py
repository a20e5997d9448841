"""Contract events as the pipeline sees them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lumbung.pipeline.system import SnapshotSystem

if TYPE_CHECKING:
    from lumbung.core.settings import Settings
    from lumbung.pipeline.run import Run
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
