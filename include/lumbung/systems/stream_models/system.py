"""Stream models as the pipeline sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

from lumbung.pipeline.system import Decision, System

if TYPE_CHECKING:
    from lumbung.catalog.contract import Catalog, Contract
    from lumbung.core.settings import Settings
    from lumbung.pipeline.rejects import RejectedFile
    from lumbung.pipeline.retention import Plan
    from lumbung.pipeline.run import Run, Step
    from lumbung.pipeline.target import Target
    from lumbung.serving.schema import Accounting, ModelAnswers, ModelsStatus, Section
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse
    from lumbung.stream.feed import Feed

NOTHING_YET = "skipped: there is no activity in a batch yet"


class StreamModels(System):
    """Activity of students: a stream cut into batches, models for each, evaluated on the next one and served."""

    name = "stream_models"
    dag_id = "models"
    label = "Stream models"
    decision_task = "version"

    def decide(self, run: Run) -> Decision:
        """Write down the batches and their models, and decide which days are rebuilt."""
        from lumbung.pipeline.run import Step
        from lumbung.systems.stream_models.version import make_target, make_version

        version = make_version(run)
        if version is None:
            return Decision(Step(table=run.system, note=NOTHING_YET, skipped=True))
        target = make_target(run, version)
        batches = version.plan.batches
        changed = f"{len(target.changed)} of {len(target.days)} days changed" if target else "no day is left"
        rows, rejected = sum(batch.rows for batch in batches), sum(batch.rejected for batch in batches)
        step = Step(
            table=run.system,
            rows_in=rows + rejected,
            rows_out=rows,
            rows_rejected=rejected,
            note=f"generation {version.generation}: {len(batches)} batches, {len(version.models)} models; {changed}",
            skipped=target is None,
        )
        return Decision(step, target, target)

    def load(self, run: Run, contract: Contract, target: Target) -> Step:
        """Load the days that changed, or the models and their metrics."""
        from lumbung.systems.stream_models.load import load

        return load(run, contract, target)

    def rejects(self, lake: Lake, day: date) -> Iterator[RejectedFile]:
        """Messages of the day that are no activity."""
        from lumbung.pipeline.rejects import RejectedFile
        from lumbung.stream.landing import landings
        from lumbung.systems.stream_models.feed import LANDED
        from lumbung.systems.stream_models.version import ENTITY

        for landing in landings(lake, LANDED):
            if landing.rejects and landing.rejects.day == day:
                yield RejectedFile(self.name, ENTITY, landing.rejects)

    def days_with_rejects(self, run: Run) -> list[date]:
        """The run's day, and days with rejects that were landed since the last publish and that the warehouse keeps."""
        from lumbung.pipeline.run import is_expired, limit_days
        from lumbung.stream.landing import landings
        from lumbung.systems.stream_models.feed import LANDED

        published = run.state.published()
        days = {
            landing.rejects.day
            for landing in landings(run.lake, LANDED)
            if landing.rejects and (published is None or landing.landed_at > published.extracted_at)
        }
        limit = limit_days(run)
        return sorted({run.day, *(day for day in days if not is_expired(day, limit))})

    def leases_of_prune(self, catalog: Catalog) -> list[str]:  # noqa: ARG002 - whatever the contracts
        """No version and no release may be made meanwhile."""
        return [f"version/{self.name}", f"release/{self.name}"]

    def plan_prune(
        self,
        lake: Lake,
        warehouse: Warehouse,  # noqa: ARG002 - models are trained on all days, so staging keeps them
        catalog: Catalog,  # noqa: ARG002
        *,
        keep: int,  # noqa: ARG002
        before: datetime,
    ) -> Plan:
        """Only what nothing is made from any more."""
        from lumbung.systems.stream_models.prune import plan

        return plan(lake, before)

    # What people and programs read.

    position = 3
    counts_all_days = True

    def answers(self, warehouse: Warehouse) -> ModelAnswers:
        """How good the models are, and how the batches differ."""
        from lumbung.systems.stream_models.answers import answers

        return answers(warehouse)

    def section(self, warehouse: Warehouse, lake: Lake) -> Section:
        """Its part of the report page."""
        from lumbung.systems.stream_models.report import section

        return section(self.answers(warehouse), lake, self.label)

    def accounting(self, lake: Lake, day: date) -> list[Accounting]:
        """Where the rows of the stream went."""
        from lumbung.systems.stream_models.status import accounting

        return [accounting(lake, day)]

    def feed(self, settings: Settings) -> Feed:
        """The topic of activity."""
        from lumbung.systems.stream_models.feed import feed

        return feed(settings)

    def status(self, settings: Settings) -> ModelsStatus:
        """The batches, and the models that are trained on them."""
        from lumbung.storage.lake import open_lake
        from lumbung.systems.stream_models.status import status

        return status(open_lake(settings))


SYSTEM = StreamModels()
