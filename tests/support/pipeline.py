"""The pipeline of enrollments as the DAG runs it, but in this process, stage by stage and without Airflow."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings
from lumbung.local.postgres import Postgres
from lumbung.pipeline import snapshot
from lumbung.pipeline.extract import extract
from lumbung.pipeline.run import Step
from lumbung.storage.manifest import newest
from support.harness import NUMBERS, DayRun, Harness
from support.source_database import SOURCE

SYSTEM = "pinter_skuy"
ENROLLMENT = ["student_id", "course_id"]
STAGES = ("start", "extract", "snapshot", "rejected", "load", "build", "publish", "audit")


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


def write_sources(folder: Path, tables: dict[str, list[dict[str, str | None]]]) -> None:
    """Write the sources as the five files of a data source folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        if name in ("student", "course"):
            (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
        else:
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


def edited(catalog: Catalog, folder: Path, source: str, change: Callable[[str], str]) -> Catalog:
    """A copy of a catalog in which the text of one source's contract is changed."""
    shutil.copytree(catalog.root, folder / "sql")
    path = folder / f"sql/staging/{source}.yaml"
    path.write_text(change(path.read_text()))
    return Catalog(folder / "sql")


def _student(key: str, city: str) -> dict[str, str | None]:
    names = {"first_name": "Budi", "last_name": key.upper(), "street_address": "Jl. Asia 1", "country": "ID"}
    return {"id": key, **names, "city": city, "phone_number": "+62"}


class PipelineHarness(Harness):
    """Sources, a lake and a warehouse of one test; the servers are shared."""

    def __init__(
        self, home: Path, server: str, postgres: Postgres, catalog: Catalog | None = None, *, name: str = ""
    ) -> None:
        """Make a harness; with the name of one, go on with that."""
        is_new, name = not name, name or f"t{next(NUMBERS)}_"
        self.postgres, self.schema = postgres, name
        # Under the data sets' prefix and in a schema of their own, tests do not see each other.
        dsn = f"{postgres.url(SOURCE)}?options={quote(f'-csearch_path={name}')}"
        (home / "sources").mkdir(parents=True, exist_ok=True)
        settings = Settings.of(
            home=home, data_source=home / "sources", source_dsn=dsn, emulator_host=server, dataset_prefix=name
        )
        super().__init__(home, name, settings, catalog or Catalog())
        if is_new:
            self.sql(f"CREATE SCHEMA {name}; CREATE TABLE {name}.course_enrollment (student_id text, course_id text)")
            self.fill(sources())

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

    def rejected(self, day: date | str) -> list[tuple[str, int | None, str]]:
        """Entity, line and reason of the day's rejects, as analysts see them."""
        rows = self.rows(
            f"SELECT entity, line, reason FROM {{staging.rejected_row}} WHERE snapshot_date = '{day}'"
            " ORDER BY entity, line, reason, raw"
        )
        return [(row["entity"], row["line"], row["reason"]) for row in rows]


class Day(DayRun):
    """One run of pinter-skuy's day; options as `DayRun`'s."""

    def __init__(self, harness: PipelineHarness, day: date, **options: Any) -> None:
        super().__init__(harness, SYSTEM, day, **options)

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
                        run_id=self.run.run_id,
                        started_at=self.run.started_at,
                        refresh=self.run.refresh,
                    )
                except Exception as error:  # noqa: BLE001 - raised below, when the others were tried
                    errors.append(error)
        if errors:
            raise errors[0]
        return taken

    def snapshot(self) -> None:
        self.decide()
        folder = f"{snapshot.version_folder(SYSTEM)}/dt={self.run.day}"
        generation = self.own.generation
        self.version = newest(self.run.lake, folder, snapshot.Version, lambda version: version.generation == generation)

    def load(self, *entities: str) -> list[Step]:
        return [
            self._do(f"load.{source.table}", lambda source=source: self.system.load(self.run, source, self.target))
            for source in self.run.sources
            if not entities or source.table in entities
        ]

    def up_to(self, stage: str) -> Day:
        """All stages up to one, that one included."""
        for name in STAGES[: STAGES.index(stage) + 1]:
            getattr(self, name)()
        return self

    def stages(self) -> Iterator[None]:
        """All stages; it stops before the first one, and after each."""
        for name in STAGES:
            yield
            getattr(self, name)()

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
