"""Cilvest as the pipeline sees it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from lumbung.pipeline.system import System

if TYPE_CHECKING:
    from lumbung.core.settings import Settings
    from lumbung.search.index import Indexed
    from lumbung.serving.schema import Accounting, CleanedDay, Section, TweetAnswers, TweetStatus
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse


class Cilvest(System):
    """An investment manager: tweets about saham, reksadana and sukuk, landed from Kafka."""

    name = "cilvest"
    dag_id = "tweets"
    label = "Cilvest"

    # What people and programs read.

    position = 2
    counts_all_days = True

    def answers(self, warehouse: Warehouse) -> TweetAnswers:
        """The answers to its five questions."""
        from lumbung.systems.cilvest.answers import answers

        return answers(warehouse)

    def section(self, warehouse: Warehouse) -> Section:
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

    def status(self, settings: Settings) -> TweetStatus:
        """Where tweets are."""
        from lumbung.systems.cilvest.status import status

        return status(settings)

    def reindex(self, settings: Settings) -> Iterator[Indexed]:
        """Fill the search indices of a new mapping version from the lake, day by day."""
        from lumbung.systems.cilvest.steps import reindex

        return reindex(settings)


SYSTEM = Cilvest()
