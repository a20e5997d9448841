"""What a run's tables are built from, whatever the system: a version of its sources."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Self

from pydantic import Field, ValidationError

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document
from lumbung.storage.state import Build, Published


class Partition(Document):
    """A staging partition that tables are built from, and what it must hold.

    Attributes:
        table: the staging table, without its data set.
        day: the partition.
        holds: the generation or the key that its marker must name.
    """

    table: str
    day: date
    holds: int | str


class Target(Document):
    """What a run's tables are built from.

    Attributes:
        system: whose tables they are.
        day: the version's day.
        generation: orders versions of a day.
        extracted_at: when the last of its sources was read.
        provisional: whether a source was read before the day was over.
        partitions: the staging partitions that tables are built from.
        changed: the days that incremental tables rebuild; the others are taken from what is published.
        manifest: the version's manifest in the lake.
        days: of incremental tables, every day's key, which names what it is made from.
        rules: names the queries of the incremental tables; other queries rebuild all days.
    """

    system: str
    day: date
    generation: int
    extracted_at: datetime
    provisional: bool
    partitions: list[Partition]
    manifest: str
    changed: list[date] = Field(default_factory=list)
    days: dict[date, str] = Field(default_factory=dict)
    rules: str = ""

    @property
    def order(self) -> tuple[date, int]:
        """Which of two versions is newer."""
        return self.day, self.generation

    @property
    def is_whole(self) -> bool:
        """Whether incremental tables rebuild all their days."""
        return len(self.changed) == len(self.days)

    def published(self, run_id: str, builds: dict[str, Build]) -> Published:
        """What to write down when it is published.

        Args:
            run_id: Airflow's id of the run that publishes it.
            builds: what its tables were built from, by their addresses.
        """
        return Published(
            system=self.system,
            day=self.day,
            generation=self.generation,
            extracted_at=self.extracted_at,
            provisional=self.provisional,
            run_id=run_id,
            rules=self.rules,
            days=self.days,
            builds=builds,
        )

    def to_xcom(self) -> dict[str, Any]:
        """As one task passes it on to others: plain JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_xcom(cls, content: object, lake: Lake) -> Self:
        """As another task gets it.

        Raises:
            LumbungError: its version was pruned since, or the run was decided by another release of Lumbung.
        """
        remedy = "run the day again"
        try:
            target = cls.model_validate(content)
        except ValidationError:
            what = "the run was decided by another release of Lumbung"
            raise LumbungError(what, where="target", remedy=remedy) from None
        if lake.read(target.manifest) is None:
            raise LumbungError("no such version", where=lake.address(target.manifest), remedy=remedy)
        return target
