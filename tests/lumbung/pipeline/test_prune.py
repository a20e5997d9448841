"""Prune on a real lake folder, warehouse server and source database."""

import dataclasses
import json
import os
import shutil
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lumbung.catalog.contract import SQL_ROOT, Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.local.seed import seed
from lumbung.pipeline import operations, snapshot
from lumbung.pipeline import run as runs
from lumbung.pipeline.build import build
from lumbung.pipeline.extract import extract
from lumbung.pipeline.load import load
from lumbung.pipeline.prune import prune
from lumbung.pipeline.publish import publish
from lumbung.pipeline.references import make_version
from lumbung.pipeline.rejects import load_rejected
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import Snapshot, Version
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import MANIFEST
from lumbung.storage.warehouse import Warehouse
from lumbung.stream.landing import LandedFile, Landing
from lumbung.systems import registry
from lumbung.systems.pinter_skuy.generate import generate
from support import source_database
from support.source_database import SOURCE

SYSTEM = "pinter_skuy"
DAYS = [date(2026, 11, 10) + timedelta(days) for days in range(5)]
SOURCES = ["campus_branch", "course", "course_category", "course_enrollment", "mentor", "student"]


@pytest.fixture(scope="module")
def postgres():
    with source_database.running() as server:
        yield server


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """The project's tables, but only two of those made by queries: one by day, one whole."""
    root = tmp_path_factory.mktemp("sql")
    for path in SQL_ROOT.glob("*/*"):
        if not path.with_suffix(".sql").exists() or path.stem in ("fact_enrollment_daily", "dim_category"):
            (root / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, root / path.parent.name)
    return Catalog(root)


class PruneHarness:
    """A lake, a warehouse and sources of one test."""

    def __init__(self, home, server, postgres, catalog):
        prefix = f"prune_{home.name}_"[:60]
        self.settings = Settings.of(
            home=home, data_source=home / "sources", emulator_host=server, dataset_prefix=prefix
        )
        self.warehouse = Warehouse(self.settings)
        self.lake = FolderLake(self.settings.lake_uri, self.settings.lake_folder)
        self.postgres, self.catalog = postgres, catalog
        self.fill(10)

    def fill(self, enrollments):
        """Have other sources."""
        generate(self.settings.data_source, enrollments=enrollments)
        seed(self.postgres, self.settings.data_source)

    def take(self, day, *, refresh=False, loads=False, publishes=False):
        """Run a day up to its version, its staging partitions, or the end."""
        run_id, now = f"{day}/{time.monotonic_ns()}", datetime.now(UTC)
        run = Run(self.settings, self.warehouse, SYSTEM, run_id, day, now, refresh)
        run.__dict__["catalog"] = self.catalog
        dsn = self.postgres.url(SOURCE)
        options = {
            "data_source": self.settings.data_source,
            "dsn": dsn,
            "run_id": run.run_id,
            "started_at": now,
            "refresh": refresh,
        }
        for source in run.sources:
            extract(source, day, lake=run.lake, **options)
        own = make_version(run.sources, SYSTEM, day, run.lake, run.run_id).target()
        target = snapshot.newest_version(run.lake, SYSTEM).target()
        operations.record(run, "snapshot", now, Step(table=SYSTEM))
        if loads or publishes:
            run = dataclasses.replace(run, identity=runs.start(run))
            run.__dict__["catalog"] = self.catalog
            load_rejected(run, [day], registry.rejects)
            for source in run.sources:
                load(run, source, target)
        if publishes:
            for table in run.tables:
                build(run, table, target)
            publish(run, own, target)
        return run

    def prune(self, keep, **options):
        return prune(self.settings, self.warehouse, registry.all_systems(), keep=keep, **options)

    def paths(self, folder=""):
        return [file.path for file in self.lake.files(folder) if not file.path.startswith("leases/")]

    def partitions(self, table):
        """Rows by day of a partitioned table."""
        address = self.warehouse.table(table)
        rows = self.warehouse.rows(f"SELECT snapshot_date, COUNT(*) AS n FROM `{address}` GROUP BY snapshot_date")
        return {row["snapshot_date"]: row["n"] for row in rows.to_pylist()}


@pytest.fixture
def harness(tmp_path, bigquery_server, postgres, catalog):
    return PruneHarness(tmp_path, bigquery_server, postgres, catalog)


def age(lake):
    """Make every file look two days old."""
    for file in lake.files(""):
        os.utime(lake.folder / file.path, (time.time() - 2 * 86_400,) * 2)


def assert_files_are_there(lake):
    """What a manifest names is in the lake."""
    for model, folder in ((Version, "version"), (Snapshot, "raw")):
        for file in lake.files(folder):
            if MANIFEST.match(Path(file.path).name):
                document = model.model_validate_json(lake.read(file.path))
                members = document.members.values() if model is Version else [document]
                for member in members:
                    for data in (member.file, member.rejects):
                        assert data is None or (lake.folder / data.path).exists()


def test_old_days_go_everywhere_and_new_ones_stay(harness):
    for day, loads in zip(DAYS[:3], (False, True, True), strict=True):
        harness.take(day, loads=loads)
    before = harness.paths()
    planned = harness.prune(1, dry_run=True)
    assert harness.paths() == before, "a dry run deletes nothing"
    sizes = {file.path: file.bytes for file in harness.lake.files("")}

    pruned = harness.prune(1)
    assert pruned == planned
    assert pruned.days[SYSTEM] == DAYS[:2]
    gone = set(before) - set(harness.paths())
    assert gone == {path for path in before if f"{DAYS[0]}" in path or f"{DAYS[1]}" in path}
    assert (pruned.files, pruned.bytes) == (len(gone), sum(sizes[path] for path in gone))
    assert {path.split("/")[0] for path in gone} == {"raw", "version", "state", "audit"}
    assert not [path for path in harness.lake.folder.rglob("dt=*") if f"{DAYS[2]}" not in path.name]
    for table in SOURCES:
        assert list(harness.partitions(f"staging.{table}")) == [DAYS[2]]
    assert len(pruned.partitions) == 2 * (len(SOURCES) + 1)
    assert harness.warehouse.table("staging.rejected_row") + "$20261110" in pruned.partitions
    assert f"{SYSTEM} 2026-11-10, 2026-11-11; {len(gone)} files" in str(pruned)

    again = harness.prune(1)
    assert (again.days[SYSTEM], again.files, again.partitions) == ([], 0, [])


def test_as_many_days_as_asked_for_stay(harness):
    for day in DAYS[:3]:
        harness.take(day)
    # Days without a committed version do not count, and those before the oldest kept one go.
    for entity, day in (("student", DAYS[4]), ("mentor", DAYS[0])):
        manifest = harness.lake.read(f"raw/{SYSTEM}/{entity}/dt={DAYS[2]}/manifest-000001.json")
        refused = Snapshot.model_validate_json(manifest).model_copy(
            update={"day": day, "state": "refused", "file": None}
        )
        harness.lake.write(f"raw/{SYSTEM}/{entity}/dt={day}/manifest-000002.json", refused.model_dump_json().encode())
    assert harness.prune(5).files == 0
    assert harness.prune(2).days[SYSTEM] == DAYS[:1]
    assert harness.lake.names(f"raw/{SYSTEM}/student") == [f"dt={day}" for day in (DAYS[1], DAYS[2], DAYS[4])]
    with pytest.raises(LumbungError, match="Keep at least 1"):
        harness.prune(0)


def test_what_is_recorded_of_days_stays_where_no_system_has_a_snapshot(harness):
    path = f"audit/dt={DAYS[0]}/run/start.json"
    harness.lake.write(path, b"{}")
    assert harness.prune(1).files == 0
    assert path in harness.paths()


def test_older_generations_of_a_day_that_stays_go(harness):
    harness.take(DAYS[0])
    harness.fill(20)
    harness.take(DAYS[0], refresh=True, loads=True)
    taken = [snapshot.committed(harness.lake, SYSTEM, table, DAYS[0], "") for table in SOURCES]
    shared = sum(each.same_as is not None for each in taken)  # sources that are the same for any number of enrollments
    assert shared < len(SOURCES)
    extra = harness.lake.read(f"raw/{SYSTEM}/mentor/dt={DAYS[0]}/manifest-000002.json")
    # A newer, refused attempt: its rejects are what staging.rejected_row shows.
    refused = Snapshot.model_validate_json(extra).model_copy(update={"generation": 3, "state": "refused", "file": None})
    harness.lake.write(f"raw/{SYSTEM}/mentor/dt={DAYS[0]}/manifest-000003.json", refused.model_dump_json().encode())

    pruned = harness.prune(1)
    assert pruned.days[SYSTEM] == []
    assert pruned.files == 13 - shared  # a version, six manifests, six files but for those of both generations
    assert not pruned.partitions
    for table in SOURCES:
        generations = [
            name for name in harness.lake.names(f"raw/{SYSTEM}/{table}/dt={DAYS[0]}") if MANIFEST.match(name)
        ]
        expected = ["manifest-000002.json", "manifest-000003.json"] if table == "mentor" else ["manifest-000002.json"]
        assert generations == expected
    assert_files_are_there(harness.lake)
    assert harness.partitions("staging.course_enrollment") == {DAYS[0]: 20}
    run = harness.take(DAYS[0])
    assert snapshot.version_of(run.lake, SYSTEM, DAYS[0]).generation == 2, "the snapshots are reused"


def test_a_published_day_stays_although_old_and_a_day_that_went_takes_today_s_rows(harness):
    harness.take(DAYS[0], publishes=True)
    for day in DAYS[1:3]:
        harness.take(day)
    assert harness.prune(1).days[SYSTEM] == [DAYS[1]]
    assert set(harness.partitions("staging.student")) == {DAYS[0]}
    assert_files_are_there(harness.lake)

    harness.take(DAYS[2], publishes=True)
    assert harness.prune(1).days[SYSTEM] == [DAYS[0]]
    assert DAYS[0] in harness.partitions("dwh.fact_enrollment_daily"), "tables by day keep their history"

    harness.fill(77)
    run = harness.take(DAYS[0], publishes=True)
    assert harness.partitions("staging.course_enrollment") == {DAYS[0]: 77, DAYS[2]: 10}
    address = harness.warehouse.table("dwh.fact_enrollment_daily")
    rows = harness.warehouse.rows(
        f"SELECT SUM(enrollments) AS n FROM `{address}` WHERE snapshot_date = DATE '{DAYS[0]}'"
    )
    assert rows.to_pylist() == [{"n": 77}], "it is not taken for older than what was published before"
    assert run.state.published().day == DAYS[2]


def test_a_partition_with_rejected_messages_stays(harness):
    for day in DAYS[:3]:
        harness.take(day, loads=True)
    file = {"path": "raw/cilvest/tweet/rejected/x.parquet", "rows": 1, "bytes": 1, "sha256": "0" * 64}
    landing = Landing(
        topic="investasi",
        topic_id="x",
        partition=0,
        start_offset=0,
        next_offset=1,
        rows_read=1,
        rows_kept=0,
        rows_rejected=1,
        files=[],
        rejects=LandedFile(day=DAYS[0], **file),
        landed_at=datetime.now(UTC),
    )
    harness.lake.write("landed/cilvest/tweet/x/0/00000000000000000000.json", landing.model_dump_json().encode())
    pruned = harness.prune(1)
    assert pruned.days[SYSTEM] == DAYS[:2]
    gone = [name for name in pruned.partitions if "rejected_row" in name]
    assert gone == [f"{harness.warehouse.table('staging.rejected_row')}${DAYS[1]:%Y%m%d}"]


@pytest.mark.parametrize("name", ["published", "pending"])
def test_what_another_warehouse_publishes_stays(harness, name):
    for day in DAYS[:2]:
        harness.take(day)
    version = {"system": SYSTEM, "day": f"{DAYS[0]}", "generation": 1, "run_id": "other", "provisional": False}
    version["extracted_at"] = f"{DAYS[0]}T12:00:00Z"
    pending = {"run_id": "other", "pairs": [], "jobs": [], "whole": version, "daily": None}
    content = version if name == "published" else pending
    harness.lake.write(f"state/other.ops@1/{SYSTEM}/{name}.json", json.dumps(content).encode())
    harness.lake.write(f"state/other.ops@1/{SYSTEM}/daily/dt={DAYS[0]}.json", b"{}")
    assert harness.prune(1).files == 0
    harness.lake.delete(f"state/other.ops@1/{SYSTEM}/{name}.json")
    harness.prune(1)
    assert harness.paths("state/other.ops@1") == [], "else a new run of the day would be taken for an older one"


def test_files_without_a_manifest_go_once_they_are_old(harness):
    for day in DAYS[:2]:
        harness.take(day)
    age(harness.lake)
    young = [f"raw/{SYSTEM}/student/dt={day}/part-young.parquet" for day in DAYS[:2]]
    old = [f"raw/{SYSTEM}/student/dt={DAYS[1]}/{name}" for name in ("part-old.parquet", ".part-x.parquet.123")]
    own = f"raw/{SYSTEM}/notes.txt"
    for path in (*young, *old, own):
        harness.lake.write(path, b"x")
    for path in (*old, own):
        os.utime(harness.lake.folder / path, (time.time() - 90_000,) * 2)
    pruned = harness.prune(1)
    assert pruned.days[SYSTEM] == DAYS[:1]
    left = harness.paths()
    assert set(young) < set(left)
    assert own in left
    assert not set(old) & set(left)


def test_a_prune_killed_anywhere_is_completed_by_the_next_one(harness, monkeypatch):
    for day in DAYS[:2]:
        harness.take(day)
        for name in ("daily", "staging/student"):
            harness.lake.write(f"state/local.ops@1/{SYSTEM}/{name}/dt={day}.json", b"{}")
    harness.take(DAYS[1], refresh=True)
    age(harness.lake)
    kept = harness.settings.home / "kept"
    shutil.copytree(harness.lake.folder, kept)
    total = harness.prune(1).files
    expected = harness.paths()
    delete, dropped, left = FolderLake.delete, [], 0

    def step(act):
        def killed(self, name):
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            act(self, name)

        return killed

    monkeypatch.setattr(FolderLake, "delete", step(delete))
    monkeypatch.setattr(Warehouse, "drop", step(lambda _warehouse, name: dropped.append(name)))
    for killed_at in range(total + len(SOURCES) + 1):
        shutil.rmtree(harness.lake.folder)
        shutil.copytree(kept, harness.lake.folder)
        dropped.clear()
        left = killed_at
        with pytest.raises(KeyboardInterrupt):
            harness.prune(1)
        assert_files_are_there(harness.lake)
        left = -1
        harness.prune(1)
        assert harness.paths() == expected
        assert {name.rpartition(".")[2] for name in dropped} == {
            f"{table}$20261110" for table in (*SOURCES, "rejected_row")
        }


@pytest.mark.parametrize("lease", ["load/staging.student", f"publish/{SYSTEM}", f"version/{SYSTEM}"])
def test_a_prune_waits_for_a_load_a_publish_or_a_version_in_the_making(harness, lease):
    for day in DAYS[:2]:
        harness.take(day)
    before = harness.paths()
    thread = threading.Thread(target=harness.prune, args=(1,))
    with harness.lake.lease(lease):
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        assert harness.paths() == before
    thread.join(30)
    assert len(harness.paths()) < len(before)


def test_an_empty_lake_has_nothing_to_prune(harness):
    assert harness.prune(1).days[SYSTEM] == []
