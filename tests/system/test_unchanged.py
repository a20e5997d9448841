"""Random days, kills and changes by other people: the tables end as those of a warehouse that is built from scratch."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lumbung.catalog.contract import SQL_ROOT, Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline import run as runs
from lumbung.pipeline.build import build
from lumbung.pipeline.extract import extract
from lumbung.pipeline.publish import drop_builds, publish
from lumbung.pipeline.run import Run
from lumbung.storage.lake import FolderLake
from lumbung.systems import registry
from support.memory_warehouse import MemoryWarehouse
from support.two_tables import DAILY_CONTRACT, DAILY_SQL, Killed

CASES = int(os.environ.get("RERUN_CASES", "15"))
DAYS = [date(2026, 11, 10) + timedelta(days=number) for number in range(3)]
# More tables: a mart of two whole tables, and a daily one that is checked against the daily table that it reads.
MART = "SELECT student_id AS key FROM dwh.dim_student UNION ALL SELECT mentor_id AS key FROM dwh.dim_mentor"
DAILY_MART = "SELECT snapshot_date, n FROM dwh.student_daily WHERE snapshot_date = @snapshot_date"
COLUMN = "{{name: {}, type: {}, description: '-'}}"
EXPECTED = ("build tables are gone", "the run has no build of it", "it is not there")
TABLES = ("staging.student", "staging.mentor", "dwh.dim_student", "dwh.student_daily", "datamart.person")


def write_catalog(root: Path) -> None:
    for name in ("staging/student", "staging/mentor", "dwh/dim_student", "dwh/dim_mentor"):
        for path in SQL_ROOT.glob(f"{name}.*"):
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.parent.name)
    for name in ("datamart/freshness.yaml", "ops/run_audit.yaml", "staging/rejected_row.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(SQL_ROOT / name, root / name)
    head = "description: '-'\ngrain: '-'\nsystem: pinter_skuy\n"
    (root / "dwh/student_daily.sql").write_text(DAILY_SQL)
    (root / "dwh/student_daily.yaml").write_text(DAILY_CONTRACT)
    (root / "datamart/person.sql").write_text(MART)
    (root / "datamart/person.yaml").write_text(f"{head}key: [key]\ncolumns: [{COLUMN.format('key', 'STRING')}]\n")
    (root / "datamart/student_day.sql").write_text(DAILY_MART)
    columns = ", ".join((COLUMN.format("snapshot_date", "DATE"), COLUMN.format("n", "INT64")))
    (root / "datamart/student_day.yaml").write_text(
        f"{head}key: [snapshot_date]\npartition: snapshot_date\ncolumns: [{columns}]\n"
        "checks: [{equal_rows: dwh.student_daily}]\n"
    )


class Kill:
    """Kills the process at its next write but so many, before or after it."""

    def __init__(self) -> None:
        self.left: int | None = None

    def write(self, work):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed
        done = work()
        if self.left == -1:
            raise Killed
        return done


class KilledLake(FolderLake):
    """A lake of which each write may be the one at which the process is killed."""

    kill: Kill

    def write(self, path, content):
        self.kill.write(lambda: FolderLake.write(self, path, content))

    def create(self, path, content):
        return self.kill.write(lambda: FolderLake.create(self, path, content))

    def put(self, file, path):
        self.kill.write(lambda: FolderLake.put(self, file, path))

    def delete(self, path):
        self.kill.write(lambda: FolderLake.delete(self, path))


class World:
    """Sources, a lake, and warehouses that share it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kill = folder, Kill()
        write_catalog(folder / "sql")
        self.catalog = Catalog(folder / "sql")
        self.settings = Settings.of(home=folder, data_source=folder / "sources")
        (folder / "sources").mkdir()
        self.lake = KilledLake(self.settings.lake_uri, self.settings.lake_folder)
        self.lake.kill = self.kill
        self.warehouse = self.new_warehouse("first")
        self.number, self.last = 0, ""
        self.change_before: tuple[str, str, date | None] | None = None
        for source in ("student", "mentor"):
            self.fill(source, 0)

    def new_warehouse(self, identity: str) -> MemoryWarehouse:
        return MemoryWarehouse(self.settings, identity, self.kill.write)

    def fill(self, source: str, variant: int) -> None:
        """Let a source have the rows of a variant; one has a repeated row, which is a reject."""
        name = {"student": "s", "mentor": "m"}[source]
        text = {"id": f"{name}{variant}", "first_name": "A", "last_name": "B"}
        more = dict.fromkeys(("street_address", "country", "city", "phone_number"), "-") if source == "student" else {}
        rows = [{**text, **more}] * (2 if variant == 2 else 1)
        file = self.folder / "sources" / f"{source}.{'json' if source == 'student' else 'csv'}"
        if source == "student":
            file.write_text(json.dumps(rows))
        else:
            file.write_text("\n".join([",".join(text), *(",".join(row.values()) for row in rows)]) + "\n")

    def write_query(self, variant: int) -> None:
        """Let a query have another text."""
        path = self.folder / "sql/dwh/dim_mentor.sql"
        path.write_text(f"-- {variant}\n{(SQL_ROOT / 'dwh/dim_mentor.sql').read_text()}")

    def take(
        self, day: date, *, refresh: bool = False, again: bool = False, kill: int | None = None, warehouse=None
    ) -> bool:
        """Run a day; whether it ended. With `again` it has the last run's id, as a run that is cleared in Airflow."""
        self.number += 1
        run_id = self.last if again and self.last else f"run {self.number}"
        self.last = run_id
        run = Run(
            settings=self.settings,
            warehouse=warehouse or self.warehouse,
            system="pinter_skuy",
            run_id=f"{run_id} of {day}",
            day=day,
            started_at=datetime.now(UTC),
            refresh=refresh,
        )
        parts = {"catalog": self.catalog, "lake": self.lake}
        run.__dict__.update(parts)
        run = dataclasses.replace(run, identity=runs.start(run))
        run.__dict__.update(parts)
        self.kill.left = kill
        try:
            self._steps(run)
        except Killed:
            return False
        finally:
            self.kill.left = None
        return True

    def _steps(self, run: Run) -> None:
        for contract in run.sources:
            source, started = self.settings.data_source, run.started_at
            extract(
                contract,
                run.day,
                lake=run.lake,
                data_source=source,
                dsn=None,
                run_id=run.run_id,
                started_at=started,
                refresh=run.refresh,
            )
        system = registry.system(run.system)
        decision = system.decide(run)
        try:
            for contract in run.sources:
                system.load(run, contract, decision.target)
            self._change_before("build")
            for contract in run.tables:
                build(run, contract, decision.target)
            self._change_before("publish")
            publish(run, decision.own, decision.target)
        except LumbungError:
            drop_builds(run)
            raise
        drop_builds(run)

    def change_during_a_run(self, stage: str, table: str, day: date | None) -> None:
        """Somebody changes a table in the middle of the next run that comes so far."""
        self.change_before = (stage, table, day)

    def _change_before(self, stage: str) -> None:
        if self.change_before and self.change_before[0] == stage:
            (_, *change), self.change_before = self.change_before, None
            self.change(*change)

    def change(self, table: str, day: date | None) -> None:
        """Somebody changes a table by hand; without a day, drops it."""
        name = self.warehouse.table(table)
        if name not in self.warehouse.tables:
            return
        if day is None:
            self.warehouse.tables.pop(name)
            return
        parts = self.warehouse.tables[name].parts
        if not parts:  # a daily table of which no day was published
            return
        part = f"{day:%Y%m%d}" if f"{day:%Y%m%d}" in parts else next(iter(parts))
        self.warehouse.change(name, part, f"changed by hand {self.number}")

    def expire_builds(self) -> None:
        """Build tables expire by themselves."""
        for name in [name for name in self.warehouse.tables if ".build." in name]:
            del self.warehouse.tables[name]

    def end(self, order: list[date]) -> None:
        """Run every day that was taken, the newest first, and compare with a warehouse that is built from scratch."""
        self.change_before = None
        taken = [day for day in DAYS if self.lake.names(f"version/pinter_skuy/dt={day}")]
        if not taken:
            return
        for day in (taken[-1], *(day for day in order if day in taken), taken[-1]):
            assert self.take(day)
        fresh = self.new_warehouse("fresh")
        for day in taken:
            assert self.take(day, warehouse=fresh)
        assert self.warehouse.contents() == fresh.contents()
        # Once more: there is nothing left to do, but for what says when it was published.
        for day in taken:
            self.warehouse.jobs.clear()
            self.take(day)
            assert set(self.warehouse.jobs) == {"load datamart.freshness"}


RUN = st.tuples(st.just("take"), st.sampled_from(DAYS), st.booleans(), st.booleans(), st.none() | st.integers(1, 70))
STEP = (
    RUN
    | RUN
    | st.tuples(st.just("fill"), st.sampled_from(["student", "mentor"]), st.integers(0, 2))
    | st.tuples(st.just("change"), st.sampled_from(TABLES), st.none() | st.sampled_from(DAYS))
    | st.tuples(
        st.just("change_during_a_run"),
        st.sampled_from(["build", "publish"]),
        st.sampled_from(TABLES),
        st.none() | st.sampled_from(DAYS),
    )
    | st.tuples(st.just("write_query"), st.integers(0, 1))
    | st.tuples(st.just("expire_builds"))
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Nothing here survives a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(steps=st.lists(STEP, min_size=2, max_size=9), order=st.permutations(DAYS))
def test_the_tables_end_as_those_of_a_build_from_scratch(steps, order):
    with tempfile.TemporaryDirectory(
        prefix="lumbung-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as folder:
        world = World(Path(folder))
        for name, *arguments in steps:
            if name == "take":
                day, refresh, again, kill = arguments
                try:
                    world.take(day, refresh=refresh, again=again, kill=kill)
                except LumbungError as error:
                    assert any(text in error.what for text in EXPECTED), error
            else:
                getattr(world, name)(*arguments)
        world.end(list(order))
