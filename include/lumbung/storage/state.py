"""What the lake knows of a warehouse: what is published of a system, what is being published, what staging holds.

All of it lies under `state/<warehouse>/<system>/`, so that warehouses that share a lake do not disturb each other. No
document decides by a clock: versions order themselves by day and generation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydantic import Field, ValidationError

from lumbung.core.errors import LumbungError, first_line
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document

ROOT = "state"


class Build(Document):
    """A table, or a day's partition of one, as a run built and checked it.

    Attributes:
        key: names all that it is made from; None: not all of that has a checksum.
        rows: its rows.
        checks: what came of each check.
        run_id: Airflow's id of the run that built it.
        series: of the writes to the published table, see `LastWrite`; empty: it is not published.
    """

    key: str | None
    rows: int
    checks: dict[str, str]
    run_id: str
    series: str = ""


class LastWrite(Document):
    """The last of our writes to a table.

    Attributes:
        modified: the table's time of last change after it; another one says that somebody else has changed it since.
        series: goes on from write to write as long as nobody else changes the table in between.
    """

    modified: datetime
    series: str


class Published(Document):
    """What is published of a system's whole tables, or of its daily partitions of one day.

    Attributes:
        system: the system.
        day: the version's day.
        generation: the version's generation.
        extracted_at: when the last of its sources was read.
        provisional: whether a source was read before the day was over.
        run_id: Airflow's id of the run that published it.
        published_at: when; None while it is being published.
        rules: names the queries of the incremental tables; empty: there are none.
        days: of incremental tables, each day's key, which names what it is made from.
        view_copy: which copies of the tables the views of the data set `consistent` read; None: there are no views.
        builds: what each table was built from, by its address; a table that is not named is built again.
    """

    system: str
    day: date
    generation: int
    extracted_at: datetime
    provisional: bool
    run_id: str
    published_at: datetime | None = None
    rules: str = ""
    days: dict[date, str] = Field(default_factory=dict)
    view_copy: Literal["a", "b"] | None = None
    builds: dict[str, Build] = Field(default_factory=dict)

    @property
    def order(self) -> tuple[date, int]:
        """Which of two versions is newer."""
        return self.day, self.generation


class Pending(Document):
    """A publish that has begun; the next run that finds it completes it.

    Attributes:
        run_id: Airflow's id of the run.
        pairs: full names of build table and target, in the order of the copies.
        jobs: ids of the copy jobs; empty before they are started.
        whole: what the whole tables are then; None: none are published.
        daily: what the daily partitions are then; None: none are published.
        view_copy: which copies of the tables the views read then; None: there are no views.
    """

    run_id: str
    pairs: list[tuple[str, str]]
    jobs: list[str]
    whole: Published | None
    daily: Published | None
    view_copy: Literal["a", "b"] | None = None


class Marker(Document):
    """What a staging partition holds, or is about to hold.

    Attributes:
        generation: the version's generation.
        key: names what it is made from, where a day's rows may be the same in several generations.
        loaded: whether the load has ended.
        job_id: the load job.
        table_created: when the table was made that it was loaded into; None: written by an earlier release.
        content: checksum of what is loaded, and of how; None: it is loaded again by each run that needs it.
        series: of the writes to the table, see `LastWrite`.
    """

    generation: int
    key: str | None = None
    loaded: bool = False
    job_id: str = ""
    table_created: datetime | None = None
    content: str | None = None
    series: str = ""

    def is_loaded(self, table_created: datetime | None) -> bool:
        """Whether the partition still holds it: the load has ended, and the table is the one it was loaded into.

        Args:
            table_created: when the table that is there now was made; None: there is none. A table that expired, as in
                the sandbox, or was deleted took its partitions with it.
        """
        return self.loaded and table_created is not None and self.table_created in (None, table_created)


@dataclass(frozen=True)
class State:
    """The documents of one warehouse and system.

    Attributes:
        lake: where they lie.
        warehouse: `Warehouse.identity`, or the folder that was made of it.
        system: the system.
    """

    lake: Lake
    warehouse: str
    system: str

    @property
    def folder(self) -> str:
        """Where they lie in the lake."""
        return f"{ROOT}/{re.sub(r'[^A-Za-z0-9_@.-]', '-', self.warehouse)}/{self.system}"

    def published(self) -> Published | None:
        """What is published of the whole tables; None: nothing yet."""
        return self._read("published", Published)

    def published_day(self, day: date) -> Published | None:
        """What is published of a day's partitions of the daily tables; None: nothing yet."""
        return self._read(f"daily/dt={day}", Published)

    def write_published(self, published: Published) -> None:
        """Write down what is published of the whole tables."""
        self._write("published", published)

    def write_published_day(self, published: Published) -> None:
        """Write down what is published of a day's partitions of the daily tables."""
        self._write(f"daily/dt={published.day}", published)

    def pending(self) -> Pending | None:
        """The publish that has begun and is not complete."""
        return self._read("pending", Pending)

    def write_pending(self, pending: Pending) -> None:
        """Write down what is about to be published."""
        self._write("pending", pending)

    def delete_pending(self) -> None:
        """The publish is complete."""
        self.lake.delete(self._path("pending"))

    def build(self, run: str, day: date, address: str) -> Build | None:
        """A table that a run has built and checked; None: it has no build of it.

        Args:
            run: the run's short name.
            day: the run's day.
            address: the table.
        """
        return self._read(_build(run, day, address), Build)

    def write_build(self, run: str, day: date, address: str, build: Build) -> None:
        """Write down that a run has built and checked a table.

        Args:
            run: the run's short name.
            day: the run's day.
            address: the table.
            build: what it built.
        """
        self._write(_build(run, day, address), build)

    def delete_build(self, run: str, day: date, address: str) -> None:
        """A run has no build of a table any more.

        Args:
            run: the run's short name.
            day: the run's day.
            address: the table.
        """
        self.lake.delete(self._path(_build(run, day, address)))

    def delete_builds(self, run: str, day: date) -> None:
        """A run has no builds any more.

        Args:
            run: the run's short name.
            day: the run's day.
        """
        folder = f"{self.folder}/build/dt={day}/{run}"
        for name in self.lake.names(folder):
            self.lake.delete(f"{folder}/{name}")
        self.lake.delete_empty(folder)

    def last_write(self, address: str) -> LastWrite | None:
        """The last of our writes to a table; None: nothing is known of it."""
        return self._read(f"table/{address}", LastWrite)

    def write_last_write(self, address: str, last_write: LastWrite) -> None:
        """Write down when a table was written."""
        self._write(f"table/{address}", last_write)

    def marker(self, table: str, day: date) -> Marker | None:
        """What a partition of a staging table holds; None: nothing is known of it."""
        return self._read(_marker(table, day), Marker)

    def days(self, table: str) -> list[date]:
        """The partitions of a staging table of which something is known.

        Args:
            table: the staging table, without its data set.
        """
        names = self.lake.names(f"{self.folder}/staging/{table}")
        return [date.fromisoformat(name[len("dt=") : -len(".json")]) for name in names if name.endswith(".json")]

    def write_marker(self, table: str, day: date, marker: Marker) -> None:
        """Write down what a partition of a staging table holds.

        Args:
            table: the staging table, without its data set.
            day: the partition.
            marker: what it holds.
        """
        self._write(_marker(table, day), marker)

    def forget(self, table: str, days: Collection[date]) -> None:
        """Nothing is known any more of partitions that the warehouse has dropped, or is about to.

        Args:
            table: the staging table, without its data set.
            days: the partitions.
        """
        if days:
            for name in self.lake.names(f"{self.folder}/staging/{table}"):
                if name in {f"dt={day}.json" for day in days}:
                    self.lake.delete(f"{self.folder}/staging/{table}/{name}")

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}.json"

    def _read[D: Document](self, name: str, model: type[D]) -> D | None:
        path = self._path(name)
        content = self.lake.read(path)
        try:
            return None if content is None else model.model_validate_json(content)
        except ValidationError as error:
            raise LumbungError(
                f"the document cannot be read ({first_line(error)})",
                where=self.lake.address(path),
                remedy="use the release of Lumbung that wrote it, or restore it from a copy of the lake",
            ) from error

    def _write(self, name: str, document: Document) -> None:
        self.lake.write(self._path(name), document.model_dump_json(indent=2).encode())


def of_system(lake: Lake, system: str) -> Iterator[State]:
    """The system's state in every warehouse that shares the lake."""
    for warehouse in lake.names(ROOT):
        if system in lake.names(f"{ROOT}/{warehouse}"):
            yield State(lake, warehouse, system)


def of_warehouse(lake: Lake, warehouse: str) -> Iterator[State]:
    """The state of every system in one warehouse."""
    folder = State(lake, warehouse, "").folder
    for system in lake.names(folder.rstrip("/")):
        yield State(lake, warehouse, system)


def day_documents(system: str) -> re.Pattern[str]:
    """Matches the paths of the system's documents that belong to one day, in any warehouse."""
    return re.compile(rf"{ROOT}/[^/]+/{re.escape(system)}/(daily|build|staging/[^/]+)/dt=.+")


def _build(run: str, day: date, address: str) -> str:
    return f"build/dt={day}/{run}/{address}"


def _marker(table: str, day: date) -> str:
    return f"staging/{table}/dt={day}"
