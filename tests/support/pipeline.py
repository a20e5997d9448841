"""A day of the pipeline as the DAG runs it, but in this process, stage by stage and without Airflow."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.local.postgres import Postgres
from lumbung.pipeline import operations as ledger
from lumbung.pipeline import run as runs
from lumbung.pipeline import snapshot
from lumbung.pipeline.build import build, tables
from lumbung.pipeline.extract import extract
from lumbung.pipeline.load import load
from lumbung.pipeline.publish import drop_builds, publish
from lumbung.pipeline.references import make_version
from lumbung.pipeline.run import Run, Step
from lumbung.storage.lake import open_lake
from lumbung.storage.warehouse import BUILD, Warehouse
from support.source_database import SOURCE

SYSTEM = "pinter_skuy"
ENROLLMENT = ["student_id", "course_id"]
# When a row was published or read is the only thing that differs between equal warehouses.
MOMENTS = {"published_at", "extracted_at"}
NUMBERS = itertools.count()


def sources() -> dict[str, list[dict[str, str | None]]]:
    """The smallest sources in which every table has rows: tests change them."""
    return {
        "student": [_student("s1", "Bandung"), _student("s2", "Ambon"), _student("s3", "Bandung")],
        "mentor": [
            {"id": "m1", "first_name": "Sri", "last_name": "Rahayu"},
            {"id": "m2", "first_name": "Ika", "last_name": None},
        ],
        "course_category": [{"id": "k1", "type": "data"}, {"id": "k2", "type": "software"}],
        "course": [
            {"id": "c1", "title": "SQL", "mentor_id": "m1", "course_category_id": "k1"},
            {"id": "c2", "title": "Git", "mentor_id": "m2", "course_category_id": "k2"},
        ],
        "course_enrollment": [
            {"student_id": "s1", "course_id": "c1"},
            {"student_id": "s1", "course_id": "c2"},
            {"student_id": "s2", "course_id": "c1"},
        ],
    }


def sources_of(moment: str, number: int) -> dict[str, list[dict[str, str | None]]]:
    """Sources that are a moment's own in each table, with a reject of each kind, and grow with the number."""
    changed = sources()
    for row in changed["student"]:
        row["city"] = f"{row['city']} {moment}"
    changed["mentor"].append(changed["mentor"][0])
    changed["course_category"][1]["type"] = moment
    changed["course_enrollment"].append({"student_id": "s3", "course_id": "c2"})
    for more in range(number):
        changed["student"].append({**changed["student"][0], "id": f"x{more}"})
        changed["course_enrollment"].append({"student_id": f"x{more}", "course_id": "c1"})
    changed["course_enrollment"].append({"student_id": "s0", "course_id": "c1"})
    return changed


def _student(key: str, city: str) -> dict[str, str | None]:
    names = {"first_name": "Budi", "last_name": key.upper(), "street_address": "Jl. Asia 1", "country": "ID"}
    return {"id": key, **names, "city": city, "phone_number": "+62"}


class House:
    """Sources, a lake and a warehouse of one test; the servers are shared."""

    def __init__(
        self, home: Path, server: str, postgres: Postgres, catalog: Catalog | None = None, *, name: str = ""
    ) -> None:
        """Make a house; with the name of one, go on with that."""
        there, name = name, name or f"t{next(NUMBERS)}_"
        self.folder, self.name = home, name
        self.postgres, self.schema, self.catalog = postgres, name, catalog or Catalog()
        # Under the data sets' prefix and in a schema of their own, tests do not see each other.
        dsn = f"{postgres.url(SOURCE)}?options={quote(f'-csearch_path={name}')}"
        (home / "sources").mkdir(parents=True, exist_ok=True)
        self.settings = Settings(
            home=home, data_source=home / "sources", source_dsn=dsn, emulator_host=server, dataset_prefix=name
        )
        self.warehouse, self.lake = Warehouse(self.settings), open_lake(self.settings)
        if not there:
            self.sql(f"CREATE SCHEMA {name}; CREATE TABLE {name}.course_enrollment (student_id text, course_id text)")
            self.fill(sources())

    def close(self) -> None:
        """Drop the data sets: each one that is there slows down the local server."""
        for name in (*self.catalog.datasets(), BUILD):
            self.warehouse.client.delete_dataset(
                self.warehouse.dataset(name), delete_contents=True, not_found_ok=True, retry=None
            )

    def move(self, server: str) -> None:
        """Go on with the warehouse at another address."""
        self.settings = self.settings.replace(emulator_host=server)
        self.warehouse = Warehouse(self.settings)

    def sql(self, statements: str) -> None:
        """Change the source database."""
        with self.postgres.connect(SOURCE) as connection:
            connection.execute(f"SET search_path TO {self.schema}")
            connection.execute(statements)

    def file(self, name: str, content: bytes) -> None:
        """Write a source file as it is."""
        (self.settings.data_source / name).write_bytes(content)

    def fill(self, tables: dict[str, list[dict[str, str | None]]]) -> None:
        """Replace the sources that are given."""
        for name, rows in tables.items():
            if name == "course_enrollment":
                with self.postgres.connect(SOURCE) as connection:
                    connection.execute(f"TRUNCATE {self.schema}.course_enrollment")
                    connection.cursor().executemany(
                        f"INSERT INTO {self.schema}.course_enrollment VALUES (%s, %s)",
                        [[row[column] for column in ENROLLMENT] for row in rows],
                    )
            elif name in ("student", "course"):
                self.file(f"{name}.json", json.dumps(rows).encode())
            else:
                text = io.StringIO()
                writer = csv.DictWriter(text, list(sources()[name][0]))
                writer.writeheader()
                writer.writerows(rows)
                self.file(f"{name}.csv", text.getvalue().encode())

    def run(self, day: date | str, **options) -> Day:
        """A run of a day, not started; options as `Day`'s."""
        return Day(self, date.fromisoformat(f"{day}"), **options)

    def take(self, day: date | str, **options) -> Day:
        """A run of a day from start to end."""
        run = self.run(day, **options)
        run.all()
        return run

    def rows(self, sql: str) -> list[dict]:
        """A query's rows; `{staging.student}` stands for a table."""
        for address in self.catalog.contracts:
            sql = sql.replace(f"{{{address}}}", f"`{self.warehouse.table(address)}`")
        return self.warehouse.rows(sql).to_pylist()

    def rejected(self, day: date | str) -> list[tuple[str, int | None, str]]:
        """Entity, line and reason of the day's rejects, as analysts see them."""
        found = self.rows(
            f"SELECT entity, line, reason FROM {{staging.rejected_row}} WHERE snapshot_date = '{day}'"
            " ORDER BY entity, line, reason, raw"
        )
        return [(row["entity"], row["line"], row["reason"]) for row in found]

    def contents(self, *datasets: str) -> dict[str, list[str]]:
        """The rows of every table of the data sets, by default of all but `ops` and `build`."""
        return contents(self.warehouse, *datasets)

    def checksum(self, *datasets: str) -> dict[str, str]:
        """Rows and their checksum of every table of the data sets, by default of all but `ops` and `build`."""
        return checksum(self.warehouse, *datasets)


class DayInProcess:
    """A run of a system's day: what all systems' runs have. A test that calls no further stage has killed it."""

    def __init__(
        self,
        settings: Settings,
        warehouse: Warehouse,
        catalog: Catalog,
        system: str,
        day: date,
        *,
        run_id: str | None = None,
        refresh: bool = False,
        started_at: datetime | None = None,
    ) -> None:
        self.catalog = catalog
        self.run = Run(
            settings=settings,
            warehouse=warehouse,
            system=system,
            run_id=run_id or f"run {next(NUMBERS)}",
            day=day,
            started_at=started_at or datetime.now(UTC),
            refresh=refresh,
        )
        self.run.__dict__["catalog"] = catalog  # where `Run` keeps it once it is read

    def _do(self, task: str, work: Callable[[], Step]) -> Step:
        began = datetime.now(UTC)
        step = work()
        runs.record(self.run, task, began, step)
        return step

    def start(self) -> None:
        self.run = dataclasses.replace(self.run, identity=runs.start(self.run))
        self.run.__dict__["catalog"] = self.catalog

    def build(self) -> list[Step]:
        return [
            self._do(f"build.{one.address}", lambda one=one: build(self.run, one, self.target))
            for one in tables(self.run)
        ]

    def audit(self) -> None:
        drop_builds(self.run)
        ledger.load_audit(self.run)


class Day(DayInProcess):
    """One run of pinter-skuy's day; options as `DayInProcess`'s."""

    def __init__(self, house: House, day: date, **options: Any) -> None:
        super().__init__(house.settings, house.warehouse, house.catalog, SYSTEM, day, **options)

    def extract(self, *entities: str) -> dict[str, tuple[snapshot.Snapshot, bool]]:
        """Take the sources given, by default all; each is tried, then the first error is raised."""
        taken, errors = {}, []
        for contract in self.run.sources:
            if not entities or contract.table in entities:
                try:
                    taken[contract.table] = extract(
                        contract,
                        self.run.day,
                        lake=self.run.lake,
                        data_source=self.run.settings.data_source,
                        dsn=self.run.settings.source_dsn.get_secret_value(),
                        started_at=self.run.started_at,
                        refresh=self.run.refresh,
                    )
                except Exception as error:  # noqa: BLE001 - raised below, when the others were tried
                    errors.append(error)
        if errors:
            raise errors[0]
        return taken

    def snapshot(self) -> None:
        self.own = make_version(self.run.sources, SYSTEM, self.run.day, self.run.lake)
        self.target = snapshot.newest_version(self.run.lake, SYSTEM)

    def rejected(self) -> Step:
        return self._do("rejected_row", lambda: ledger.load_rejected(self.run))

    def load(self, *entities: str) -> list[Step]:
        return [
            self._do(f"load.{one.table}", lambda one=one: load(self.run, one, self.target))
            for one in self.run.sources
            if not entities or one.table in entities
        ]

    def publish(self) -> Step:
        return self._do("publish", lambda: publish(self.run, self.own, self.target))

    def stages(self) -> Iterator[None]:
        """All stages; it stops before the first one, and after each."""
        for stage in (
            self.start,
            self.extract,
            self.snapshot,
            self.rejected,
            self.load,
            self.build,
            self.publish,
            self.audit,
        ):
            yield
            stage()

    def all(self) -> None:
        """All stages; the rejects and the audit are written whatever became of the others, as in the DAG."""
        self.start()
        try:
            try:
                self.extract()
                self.snapshot()
            finally:
                self.rejected()
            self.load()
            self.build()
            self.publish()
        finally:
            self.audit()


def contents(warehouse: Warehouse, *datasets: str) -> dict[str, list[str]]:
    """The rows of every table of the data sets, but for the moments of publishing and extracting."""
    return {
        f"{dataset}.{item.table_id}": sorted(
            json.dumps({k: v for k, v in row.items() if k not in MOMENTS}, default=str, sort_keys=True)
            for row in warehouse.client.list_rows(item.reference)
        )
        for dataset in datasets or ("staging", "dwh", "datamart")
        for item in warehouse.client.list_tables(warehouse.dataset(dataset))
    }


def checksum(warehouse: Warehouse, *datasets: str) -> dict[str, str]:
    """Rows and their checksum of every table of the data sets, by default of all but `ops` and `build`."""
    return {name: digest(rows) for name, rows in contents(warehouse, *datasets).items()}


def digest(rows: list[str]) -> str:
    """How many rows there are, and their checksum."""
    return f"{len(rows)} {hashlib.sha256('\n'.join(rows).encode()).hexdigest()[:12]}"
