"""Cilvest as the pipeline sees it."""

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
    from lumbung.search.index import Indexed
    from lumbung.serving.schema import Accounting, CleanedDay, Section, TweetAnswers, TweetStatus
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse
    from lumbung.stream.feed import Feed

NOTHING_LANDED = "skipped: no tweets have been landed yet"


class Cilvest(System):
    """An investment manager: tweets about saham, reksadana and sukuk, landed from Kafka."""

    name = "cilvest"
    dag_id = "tweets"
    label = "Cilvest"
    decision_task = "version"

    def decide(self, run: Run) -> Decision:
        """Write down what is landed, and decide which days are rebuilt."""
        from lumbung.pipeline.run import Step
        from lumbung.systems.cilvest.version import make_target, make_version

        version = make_version(run.lake)
        if version is None:
            return Decision(Step(table=run.system, note=NOTHING_LANDED, skipped=True))
        target = make_target(run, version)
        expired = sorted(version.days.keys() - (target.days.keys() if target else set()))
        left_out = f"days up to {expired[-1]} left out ({len(expired)}): the data sets drop them" if expired else ""
        changed = f"{len(target.changed)} of {len(version.days)} days changed" if target else "no day is left"
        step = Step(
            table=run.system,
            rows_in=version.rows_read,
            rows_out=version.rows_kept,
            rows_rejected=version.rows_rejected,
            note="; ".join(filter(None, [f"generation {version.generation}", changed, left_out])),
            skipped=target is None,
        )
        return Decision(step, target, target)

    def load(self, run: Run, contract: Contract, target: Target) -> Step:  # noqa: ARG002 - there is one table
        """Load the days that changed."""
        from lumbung.systems.cilvest.steps import load

        return load(run, target)

    def rejects(self, lake: Lake, day: date) -> Iterator[RejectedFile]:
        """Messages of the day that are not tweets."""
        from lumbung.pipeline.rejects import RejectedFile
        from lumbung.systems.cilvest.landed_days import ENTITY, rejects

        for file in rejects(lake, day):
            yield RejectedFile(self.name, ENTITY, file)

    def days_with_rejects(self, run: Run) -> list[date]:
        """The run's day, and days with rejects that were landed since the last publish and that the warehouse keeps."""
        from lumbung.pipeline.run import is_expired, limit_days
        from lumbung.systems.cilvest.landed_days import rejected_days

        published = run.state.published()
        days = [
            day
            for day, landed_at in rejected_days(run.lake).items()
            if published is None or landed_at > published.extracted_at
        ]
        limit = limit_days(run)
        return sorted({run.day, *(day for day in days if not is_expired(day, limit))})

    def leases_of_prune(self, catalog: Catalog) -> list[str]:  # noqa: ARG002 - whatever the contracts
        """No version may be made meanwhile."""
        return [f"version/{self.name}"]

    def plan_prune(
        self,
        lake: Lake,
        warehouse: Warehouse,  # noqa: ARG002 - the marts count all days, so staging keeps them
        catalog: Catalog,  # noqa: ARG002
        *,
        keep: int,  # noqa: ARG002
        before: datetime,
    ) -> Plan:
        """Only what nothing is made from any more."""
        from lumbung.systems.cilvest.prune import plan

        return plan(lake, before)

    # What people and programs read.

    position = 2
    counts_all_days = True

    def answers(self, warehouse: Warehouse) -> TweetAnswers:
        """The answers to its five questions."""
        from lumbung.systems.cilvest.answers import answers

        return answers(warehouse)

    def section(self, warehouse: Warehouse, lake: Lake) -> Section:  # noqa: ARG002 - tables have it all
        """Its part of the report page."""
        from lumbung.systems.cilvest.report import section

        return section(self.answers(warehouse), self.label)

    def accounting(self, lake: Lake, day: date) -> list[Accounting]:
        """Where the messages of Kafka went."""
        from lumbung.systems.cilvest.status import accounting

        return [accounting(lake, day)]

    def cleaning(self, lake: Lake) -> list[CleanedDay]:
        """What cleaning kept of each day."""
        from lumbung.systems.cilvest.status import cleaning

        return cleaning(lake)

    def feed(self, settings: Settings) -> Feed:
        """The topic of tweets."""
        from lumbung.systems.cilvest.feed import feed

        return feed(settings)

    def status(self, settings: Settings) -> TweetStatus:
        """Where tweets are."""
        from lumbung.systems.cilvest.status import status

        return status(settings)

    def reindex(self, settings: Settings) -> Iterator[Indexed]:
        """Fill the search indices of a new mapping version from the lake, day by day."""
        from lumbung.systems.cilvest.index import reindex

        return reindex(settings)


SYSTEM = Cilvest()
