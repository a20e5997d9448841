"""Sendings: what was, or is about to be, sent to Kafka, one for each version, numbered in the order they were sent.

A run writes down as a plan what it would send. When all audits have passed, the plan becomes the next sending, before
its first message is sent. What contracts are after a sending is what the next version is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import Self

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import MANIFEST, DataFile, Document, Manifest, newest

ROOT = "contract-events"
PLANS, EVENTS, STATES, SENDINGS = (f"{ROOT}/{name}" for name in ("plans", "events", "states", "sendings"))
LEASE = f"{ROOT}/send"
"""Who holds it sends, and nobody else becomes the next sending meanwhile."""
READERS = 8


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

    @property
    def messages(self) -> int:
        """Events and tombstones."""
        return self.events + self.tombstone

    def add(self, operations: Mapping[str, int]) -> Counts:
        """With so many more of each operation, as files of events call it."""
        return self.model_copy(
            update={name.lower(): getattr(self, name.lower()) + count for name, count in operations.items()}
        )

    def __str__(self) -> str:
        """For people."""
        counts = [f"{self.insert:,} INSERT", f"{self.update:,} UPDATE", f"{self.delete:,} DELETE"]
        counts += [f"{self.tombstone:,} tombstones"] if self.tombstone else []
        counts += [f"{self.held:,} contracts held"] if self.held else []
        return ", ".join(counts)


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

    @property
    def number(self) -> int:
        """The number of its sending, or of the one that it would be."""
        return self.base + 1


class Plan(Content):
    """What a run would send."""


class Sending(Manifest):
    """What is sent; its `generation` is the sending's number, from 1."""

    content: Content

    @classmethod
    def of(cls, plan: Content) -> Self:
        """The plan as a sending."""
        return cls(generation=plan.number, content=Content.model_validate(plan.model_dump()))

    @property
    def path(self) -> str:
        """Its manifest in the lake."""
        return f"{SENDINGS}/manifest-{self.generation:06}.json"


def newest_sending(lake: Lake) -> Sending | None:
    """The last sending; None: nothing was sent."""
    return newest(lake, SENDINGS, Sending, lambda _: True)


def sendings(lake: Lake) -> list[Sending]:
    """All sendings, in the order they were sent."""
    paths = [f"{SENDINGS}/{name}" for name in lake.names(SENDINGS) if MANIFEST.match(name)]
    with ThreadPoolExecutor(READERS) as pool:  # a bucket answers each after a while
        return [Sending.model_validate_json(content) for content in pool.map(lake.read, paths) if content]


def sending_of(lake: Lake, path: str) -> Sending:
    """A sending by its manifest.

    Raises:
        LumbungError: there is none.
    """
    return Sending.model_validate_json(_content(lake, path))


def plan_of(lake: Lake, path: str) -> Plan:
    """A plan by its path.

    Raises:
        LumbungError: it was pruned since.
    """
    return Plan.model_validate_json(_content(lake, path))


def _content(lake: Lake, path: str) -> bytes:
    content = lake.read(path)
    if content is None:
        raise LumbungError("the run's plan is gone", where=lake.address(path), remedy="run the day again")
    return content
