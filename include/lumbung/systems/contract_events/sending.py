"""Sendings: what was, or is about to be, sent to Kafka, one for each version, numbered in the order they were sent.

A run writes down as a plan what it would send. When all audits have passed, the plan becomes the next sending, before
its first message is sent. What contracts are after a sending is what the next version is compared with.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Self

from lumbung.storage.manifest import DataFile, Document, Manifest

ROOT = "contract-events"
PLANS, EVENTS, STATES, SENDINGS = (f"{ROOT}/{name}" for name in ("plans", "events", "states", "sendings"))


class Counts(Document):
    """How many events of each operation, tombstones, and contracts that are held back."""

    insert: int = 0
    update: int = 0
    delete: int = 0
    tombstone: int = 0
    held: int = 0

    @property
    def events(self) -> int:
        """All events."""
        return self.insert + self.update + self.delete


class Content(Document):
    """What the events of a version are, compared with the sending before it.

    Attributes:
        base: number of the sending that it was compared with; 0: nothing had been sent.
        day: the version's day.
        generation: the version's generation.
        version: the version's manifest in the lake.
        extracted_at: when the last of its sources was read.
        provisional: whether a source was read before the day was over.
        schema_version: of the events.
        engine: the Spark that made them.
        parts: files of events in the order they are sent, with `lumbung.systems.contract_events.part.SCHEMA`.
        contracts: the contracts after it: the columns of `staging.contract`.
        parties: their parties: the columns of `staging.contract_party`.
        counts: how many.
        holds_removals: whether a reject whose key cannot be read holds back every removal.
    """

    base: int
    day: date
    generation: int
    version: str
    extracted_at: datetime
    provisional: bool
    schema_version: str
    engine: str
    parts: list[DataFile]
    contracts: DataFile
    parties: DataFile
    counts: Counts
    holds_removals: bool

    @property
    def order(self) -> tuple[date, int]:
        """Which of two versions is newer."""
        return self.day, self.generation


class Plan(Content):
    """What a run would send."""


class Sending(Manifest):
    """What is sent; its `generation` is the sending's number, from 1."""

    content: Content

    @classmethod
    def of(cls, number: int, plan: Plan) -> Self:
        """The plan as a sending."""
        return cls(generation=number, content=Content.model_validate(plan.model_dump()))
