"""What the pipeline asks of a system: `lumbung.systems` has one of these for each folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from lumbung.core.settings import Settings
    from lumbung.search.index import Indexed
    from lumbung.serving.schema import Accounting, CleanedDay, Result, Section
    from lumbung.storage.lake import Lake
    from lumbung.storage.warehouse import Warehouse


class System(ABC):
    """A system whose sources are gathered daily.

    DAG files are parsed for each task, so methods import what is heavy themselves.

    Attributes:
        name: its folder in `lumbung.systems`, and `system` in the contracts of its tables.
        dag_id: its DAG.
        label: what people call it.
        position: orders the parts of the report page; the first one that is published leads the page.
        counts_all_days: whether its answers count all days; if not, those of one snapshot day.
    """

    name: ClassVar[str]
    dag_id: ClassVar[str]
    label: ClassVar[str]

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
    def section(self, warehouse: Warehouse) -> Section:
        """Its part of the report page.

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

    def status(self, settings: Settings) -> Result:
        """Where its rows are on their way to the warehouse."""
        raise NotImplementedError

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
