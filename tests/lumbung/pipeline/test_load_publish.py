"""Load, build, publish and the ledger, on the real local server: who may replace what, and what a kill leaves."""

import shutil
from datetime import date, timedelta

import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from lumbung.catalog.contract import Catalog
from lumbung.core import day as business_day
from lumbung.core.errors import CheckError, LumbungError, SourceError
from lumbung.pipeline import operations
from lumbung.pipeline.publish import SUPERSEDED
from lumbung.storage.client_errors import MissingError
from lumbung.storage.lake import FolderLake
from lumbung.storage.warehouse import Warehouse, new_job_id
from support.pipeline import sources

FIRST, SECOND = date(2026, 11, 10), date(2026, 11, 11)
WHOLE, DAILY = "dwh.dim_student", "dwh.student_daily"
DAILY_SQL = "SELECT snapshot_date, COUNT(*) AS n FROM staging.student WHERE snapshot_date = @snapshot_date GROUP BY 1"
DAILY_CONTRACT = """
description: Students, daily.
grain: a snapshot day
system: pinter_skuy
key: [snapshot_date]
partition: snapshot_date
columns:
  - {name: snapshot_date, type: DATE, required: true, description: The day.}
  - {name: n, type: INT64, required: true, description: Students of the day.}
checks:
  - {expression: n < 4}
  - {expression: n < 2, severity: warn}
"""


class Killed(BaseException):
    """A kill: nothing catches it."""


def kill(*_, **__):
    raise Killed


@pytest.fixture(scope="module")
def tiny_catalog(small_catalog, tmp_path_factory):
    """Two sources and two tables made by queries, a whole and a daily one; the latter refuses days of four students."""
    root = tmp_path_factory.mktemp("tiny") / "sql"
    shutil.copytree(small_catalog.root, root)
    for path in root.glob("*/*"):
        if "course" in path.stem or path.stem == "fact_enrollment_daily":
            path.unlink()
    (root / "dwh/student_daily.sql").write_text(DAILY_SQL)
    (root / "dwh/student_daily.yaml").write_text(DAILY_CONTRACT)
    return Catalog(root)


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


def students(*keys):
    """These students; the tables show which sources they were built from."""
    template = sources()["student"][0]
    return {"student": [{**template, "id": key} for key in keys]}


def shown(harness):
    """The students that are published, and how many each day of the daily table has."""
    whole = harness.rows(f"SELECT student_id FROM {{{WHOLE}}} ORDER BY student_id")
    daily = harness.rows(f"SELECT snapshot_date, n FROM {{{DAILY}}}")
    return [row["student_id"] for row in whole], {row["snapshot_date"]: row["n"] for row in daily}


def up_to(run, stage):
    """All stages of a run up to one, that one included."""
    for name in ("start", "extract", "snapshot", "rejected", "load", "build", "publish"):
        getattr(run, name)()
        if name == stage:
            return run
    raise AssertionError(stage)


def staged(harness, day):
    return [
        row["id"]
        for row in harness.rows(f"SELECT id FROM {{staging.student}} WHERE snapshot_date = '{day}' ORDER BY id")
    ]


def marker_of(run, day):
    marker = run.run.state.marker("student", day)
    return marker.generation, marker.loaded


def build_tables(harness):
    return [name.rpartition("__")[2] for name, _ in harness.warehouse.build_tables()]


# --- load


def test_a_load_replaces_its_own_partition_only(harness):
    harness.fill(students("s1"))
    up_to(harness.run(FIRST), "load")
    harness.fill(students("s2", "s3"))
    up_to(harness.run(SECOND), "load")
    harness.fill(students("s4"))
    up_to(harness.run(FIRST, refresh=True), "load")
    assert (staged(harness, FIRST), staged(harness, SECOND)) == (["s4"], ["s2", "s3"])


def test_whichever_run_loads_last_the_newest_version_is_loaded(harness):
    harness.fill(students("s1"))
    slow = up_to(harness.run(FIRST), "snapshot")
    harness.fill(students("s2"))
    quick = up_to(harness.run(FIRST, refresh=True), "load")
    slow.load()
    assert (slow.own.generation, quick.own.generation) == (1, 2)
    assert staged(harness, FIRST) == ["s2"]


def test_a_load_that_was_killed_is_done_by_the_next_run_that_needs_it(harness, monkeypatch):
    newer = up_to(harness.run(SECOND), "snapshot")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "load", kill)
        newer.load("student")
    assert marker_of(newer, SECOND) == (1, False)
    harness.take(FIRST)
    assert staged(harness, SECOND) == ["s1", "s2", "s3"]
    assert shown(harness)[1] == {FIRST: 3}, "a day that was not run to its end has no daily rows"


def test_the_job_of_a_killed_load_is_waited_for(harness, monkeypatch):
    """It may still run on the server, and would replace what is loaded after it."""
    run = up_to(harness.run(FIRST), "snapshot")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(bigquery.job.LoadJob, "result", kill)
        run.load("student")
    marker = harness.lake.read_json(f"{run.run.state.folder}/staging/student/dt={FIRST}.json")
    waited = recorded_waits(harness, monkeypatch)
    run.load("student")
    assert waited == [marker["job_id"]]
    run.load("student")
    assert len(waited) == 1, "a load that ended is not waited for"


def recorded_waits(harness, monkeypatch):
    waited, get = [], harness.warehouse.client.get_job
    monkeypatch.setattr(harness.warehouse.client, "get_job", lambda key, **k: waited.append(key) or get(key, **k))
    return waited


def test_less_rows_loaded_than_the_snapshot_has_is_an_error(harness, monkeypatch):
    run = up_to(harness.run(FIRST), "snapshot")
    member = run.version.members["student"]
    with harness.lake.local(member.file.path) as path:
        pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(LumbungError, match=rf"student, day {FIRST}: 2 rows loaded where the snapshot has 3"):
        run.load("student")
    assert not marker_of(run, FIRST)[1]


# --- publish: who may replace what


def test_an_older_day_never_replaces_a_newer_one(harness):
    harness.fill(students("s1"))
    older = up_to(harness.run(FIRST), "build")
    harness.fill(students("s2", "s3"))
    harness.take(SECOND)
    step = older.publish()
    assert step.note == f"whole tables {SUPERSEDED}"
    assert shown(harness) == (["s2", "s3"], {FIRST: 1, SECOND: 2})
    assert older.run.state.published().day == SECOND


def test_a_backfilled_day_builds_whole_tables_from_the_newest_version(harness):
    harness.fill(students("s2", "s3"))
    harness.take(SECOND)
    harness.fill(students("s1"))
    older = harness.take(FIRST)
    assert (older.own.day, older.target.day) == (FIRST, SECOND)
    assert shown(harness) == (["s2", "s3"], {FIRST: 1, SECOND: 2})


def test_an_older_generation_never_replaces_a_newer_one(harness):
    harness.fill(students("s1"))
    older = up_to(harness.run(FIRST), "build")
    harness.fill(students("s2", "s3"))
    harness.take(FIRST, refresh=True)
    step = older.publish()
    assert (step.rows_out, step.note) == (0, f"whole tables {SUPERSEDED}; daily tables of {FIRST} {SUPERSEDED}")
    assert shown(harness) == (["s2", "s3"], {FIRST: 2})


def test_an_older_generation_of_an_older_day_does_not_either(harness):
    harness.fill(students("s1"))
    older = up_to(harness.run(FIRST), "build")
    harness.fill(students("s2", "s3"))
    harness.take(FIRST, refresh=True)
    harness.take(SECOND)
    older.publish()
    assert shown(harness) == (["s2", "s3"], {FIRST: 2, SECOND: 2})


@pytest.mark.parametrize("loaded", ["student", "mentor"])
def test_a_build_whose_staging_changed_under_it_is_not_published(harness, loaded):
    harness.fill(students("s1"))
    harness.take(FIRST - timedelta(days=1))
    before = harness.checksum("dwh", "datamart")
    older = up_to(harness.run(FIRST), "build")
    harness.fill(students("s2", "s3"))
    newer = up_to(harness.run(FIRST, refresh=True), "snapshot")
    newer.load(loaded)
    assert older.publish().rows_out == 0
    assert harness.checksum("dwh", "datamart") == before
    newer.load()
    newer.build()
    newer.publish()
    assert shown(harness) == (["s2", "s3"], {FIRST - timedelta(days=1): 1, FIRST: 2})


def test_a_newer_version_that_is_not_published_yet_does_not_stop_an_older_one(harness):
    older = up_to(harness.run(FIRST), "build")
    up_to(harness.run(SECOND), "build")
    assert older.publish().note == ""
    assert older.run.state.published().day == FIRST


# --- publish: kills


whole_copy = Warehouse.copy


def killed_after_one_copy(self, pairs, labels, ids):
    whole_copy(self, pairs[:1], labels, ids[:1])
    kill()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (Warehouse, "copy"),
        (Warehouse, "describe"),
        (operations, "load_freshness"),
        (FolderLake, "delete"),
    ],
    ids=["before the copies", "after the copies", "before freshness", "at the very end"],
)
def test_a_killed_publish_is_completed_by_the_next_run(harness, monkeypatch, place, name):
    harness.fill(students("s1"))
    harness.take(FIRST)
    harness.fill(students("s2", "s3"))
    killed = up_to(harness.run(SECOND), "build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, name, kill)
        killed.publish()
    # What runs after a failed publish must not take away what it needs.
    killed.audit()
    harness.take(FIRST - timedelta(days=1))
    assert shown(harness)[1][SECOND] == 2, "the day that was killed is complete, though it was not run again"
    assert shown(harness)[0] == ["s2", "s3"]
    assert killed.run.state.published().day == SECOND
    assert harness.lake.read(f"{killed.run.state.folder}/pending.json") is None
    (fresh,) = harness.rows("SELECT published_day FROM {datamart.freshness}")
    assert fresh["published_day"] == SECOND


def test_a_publish_that_breaks_between_two_copies_is_completed(harness, monkeypatch):
    harness.fill(students("s1"))
    harness.take(FIRST)
    harness.fill(students("s2", "s3"))
    killed = up_to(harness.run(FIRST, refresh=True), "build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "copy", killed_after_one_copy)
        killed.publish()
    assert shown(harness) == (["s2", "s3"], {FIRST: 1}), "half is published"
    harness.take(FIRST)
    assert shown(harness) == (["s2", "s3"], {FIRST: 2})


def test_the_copies_of_a_killed_publish_are_waited_for(harness, monkeypatch):
    killed = up_to(harness.run(FIRST), "build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(bigquery.job.CopyJob, "result", kill)
        killed.publish()
    waited = recorded_waits(harness, monkeypatch)
    harness.take(SECOND)
    assert len(waited) == 2
    for job_id in list(waited):
        assert "publish" in job_id
        assert harness.warehouse.client.get_job(job_id).state == "DONE"


def test_a_run_that_is_cleared_after_a_killed_publish_completes_it_before_it_builds_again(harness, monkeypatch):
    """Else the next run would publish, as the old version, tables that are newer and not audited."""
    harness.fill(students("s1"))
    killed = up_to(harness.run(FIRST), "build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "copy", kill)
        killed.publish()
    harness.fill(students("s2", "s3"))
    up_to(harness.run(FIRST, refresh=True), "load")
    killed.build()
    assert shown(harness) == (["s1"], {FIRST: 1})
    assert killed.run.state.published().generation == 1
    assert killed.publish().rows_out == 0
    assert shown(harness) == (["s1"], {FIRST: 1})


def test_a_killed_publish_whose_builds_have_expired_is_said_to_an_older_run(harness, monkeypatch):
    harness.fill(students("s1"))
    older = up_to(harness.run(FIRST), "build")
    harness.fill(students("s2", "s3"))
    killed = up_to(harness.run(SECOND), "build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "copy", killed_after_one_copy)
        killed.publish()
    for name, _ in list(harness.warehouse.build_tables()):
        if name == harness.warehouse.build_table(WHOLE, killed.run.run_id):
            harness.warehouse.drop(name)
    with pytest.raises(LumbungError, match=rf"killed and its build tables are gone.*[Rr]un day {SECOND} again"):
        older.publish()
    harness.take(SECOND)
    assert shown(harness) == (["s2", "s3"], {SECOND: 2})
    older.publish()
    assert shown(harness) == (["s2", "s3"], {FIRST: 1, SECOND: 2})


# --- audit


def test_a_table_that_fails_a_check_publishes_nothing_of_the_run(harness):
    harness.take(FIRST)
    before = harness.checksum("dwh", "datamart")
    (audited,) = harness.rows(f"SELECT checks, note FROM {{ops.run_audit}} WHERE table_name = '{DAILY}'")
    assert '"expression(n < 2)": "warning: 1"' in audited["checks"]
    assert audited["note"] == "expression(n < 2): warning: 1"

    harness.fill(students("s1", "s2", "s3", "s4"))
    with pytest.raises(CheckError, match=r"student_daily.*n < 4.*what was published stays"):
        harness.take(SECOND)
    assert harness.checksum("dwh", "datamart") == before
    assert build_tables(harness) == []
    # Whole tables of another day's run are of the newest version, which passes their checks.
    harness.fill(students("s1"))
    harness.take(FIRST - timedelta(days=1))
    assert shown(harness) == (["s1", "s2", "s3", "s4"], {FIRST - timedelta(days=1): 1, FIRST: 3})


# --- what is there afterwards


def test_descriptions_and_labels_are_there_after_each_publish(harness):
    for _ in range(2):
        harness.take(FIRST, refresh=True)
    client = harness.warehouse.client
    found = 0
    for contract in harness.catalog.contracts.values():
        table = client.get_table(harness.warehouse.table(contract.address))
        assert table.description.startswith(contract.description.strip()), contract.address
        assert table.labels == {"managed_by": "lumbung", "system": contract.system, "layer": contract.dataset}
        assert {field.name: field.description for field in table.schema} == {
            column.name: column.description for column in contract.columns
        }
        partitioning = table.time_partitioning
        assert (partitioning.field if partitioning else None) == contract.partition, contract.address
        found += 1
    assert found == 7


def test_jobs_that_write_carry_their_dispositions_and_labels(harness):
    run = harness.run(FIRST)
    up_to(run, "publish")
    run.audit()
    written = harness.rows("SELECT * FROM {ops.run_audit} WHERE job_id IS NOT NULL")
    assert {row["table_name"] for row in written} == {
        *(f"staging.{one.table}" for one in run.run.sources),
        "staging.rejected_row",
        WHOLE,
        DAILY,
    }
    for row in written:
        assert (row["write_disposition"], row["create_disposition"]) == ("WRITE_TRUNCATE", "CREATE_IF_NEEDED")
        job = harness.warehouse.client.get_job(row["job_id"])
        assert (job.write_disposition, job.create_disposition) == ("WRITE_TRUNCATE", "CREATE_IF_NEEDED")
        assert job.labels["day"] == f"{FIRST}"
        assert job.labels["system"] == "pinter_skuy"


def test_freshness_says_what_is_published(harness):
    today = business_day.today()
    harness.take(FIRST)
    run = harness.take(today)
    (row,) = harness.rows("SELECT * FROM {datamart.freshness}")
    newest = max(member.extracted_at for member in run.version.members.values())
    assert (row["system"], row["published_day"], row["generation"]) == ("pinter_skuy", today, 1)
    assert (row["state"], row["extracted_at"]) == ("provisional", newest)
    assert row["published_at"] > newest
    harness.take(FIRST)
    (again,) = harness.rows("SELECT * FROM {datamart.freshness}")
    assert again["published_day"] == today


def test_the_audit_holds_each_step_of_each_run_of_the_day_once(harness):
    runs = [harness.take(FIRST), harness.take(FIRST)]
    runs[1].audit()
    rows = harness.rows("SELECT day, run_id, task, rows_in, rows_out, rows_rejected FROM {ops.run_audit}")
    assert {row["day"] for row in rows} == {FIRST}
    for run in runs:
        mine = [row["task"] for row in rows if row["run_id"] == run.run.run_id]
        assert len(mine) == len(set(mine)) == 6
    for row in rows:
        if row["task"].startswith("load."):
            assert row["rows_in"] == row["rows_out"] + row["rows_rejected"]


def test_no_build_table_stays(harness):
    run = up_to(harness.run(FIRST), "build")
    other = up_to(harness.run(SECOND), "build")
    run.publish()
    run.audit()
    assert len(build_tables(harness)) == 2, "another run's builds are not this run's to drop"
    other.audit()
    assert build_tables(harness) == []
    with pytest.raises(MissingError):
        other.publish()


def test_data_sets_made_anew_are_filled_anew(harness):
    harness.take(FIRST)
    for name in harness.catalog.datasets():
        harness.warehouse.client.delete_dataset(harness.warehouse.dataset(name), delete_contents=True)
    harness.fill(students("s9"))
    harness.take(FIRST - timedelta(days=1))
    assert shown(harness) == (["s1", "s2", "s3"], {FIRST - timedelta(days=1): 1})


# --- rejects


def bad_mentors(*keys):
    return [{"id": key, "first_name": "A", "last_name": "B"} for key in keys]


def test_rejects_of_both_kinds_are_in_the_table_and_rows_add_up(make_harness):
    harness = make_harness()
    changed = sources()
    changed["mentor"] = bad_mentors("m1", "m2", "m1")
    changed["course_enrollment"].append({"student_id": "s9", "course_id": "c1"})
    harness.fill(changed)
    run = up_to(harness.run(FIRST), "load")
    assert harness.rejected(FIRST) == [
        ("course_enrollment", None, "student_id s9 is no student"),
        ("mentor", 4, "an identical repeat of line 2"),
    ]
    for name, member in run.version.members.items():
        (loaded,) = harness.rows(f"SELECT COUNT(*) AS n FROM {{staging.{name}}}")
        rejects = [row for row in harness.rejected(FIRST) if row[0] == name]
        assert member.rows_read == loaded["n"] + len(rejects)
    harness.fill(sources())
    up_to(harness.run(FIRST, refresh=True), "rejected")
    assert harness.rejected(FIRST) == []


def test_a_source_that_is_away_does_not_take_away_the_rejects_of_what_is_loaded(harness):
    harness.fill({"mentor": bad_mentors("m1", "m2", "m1")})
    harness.take(FIRST)
    rejects = harness.rejected(FIRST)
    assert len(rejects) == 1
    (harness.settings.data_source / "mentor.csv").unlink()
    with pytest.raises(SourceError, match=r"mentor\.csv"):
        harness.take(FIRST, refresh=True)
    assert harness.rejected(FIRST) == rejects


def test_a_refused_attempt_shows_its_own_rejects(harness):
    harness.fill({"mentor": bad_mentors("m1", "m2", "m1")})
    harness.take(FIRST)
    before = harness.checksum("dwh", "datamart")
    harness.fill({"mentor": bad_mentors(None, None, "m1")})
    with pytest.raises(SourceError, match="2 of 3 rows are rejected"):
        harness.take(FIRST, refresh=True)
    assert harness.rejected(FIRST) == [("mentor", line, "key column id is null") for line in (2, 3)]
    assert harness.checksum("dwh", "datamart") == before


# --- too old a day


@pytest.mark.parametrize(("age", "refused"), [(59, False), (60, True), (61, True)])
def test_a_day_whose_partition_would_expire_at_once_is_refused(harness, age, refused):
    harness.warehouse.ensure_datasets(harness.catalog.datasets())
    dataset = harness.warehouse.client.get_dataset(harness.warehouse.dataset("staging"))
    dataset.default_partition_expiration_ms = 60 * 24 * 3600 * 1000
    harness.warehouse.client.update_dataset(dataset, ["default_partition_expiration_ms"])
    day = business_day.today() - timedelta(days=age)
    if not refused:
        harness.run(day).start()
        return
    says = rf"staging, day {day}: the day is {age} days old, and partitions .* expire after 60 days .*sandbox"
    with pytest.raises(LumbungError, match=says):
        harness.run(day).start()
    assert harness.lake.names("raw") == []


def test_a_job_whose_first_answer_was_lost_is_the_job(harness):
    """The client then asks again with the same id, and BigQuery answers that the job is there already."""
    harness.take(FIRST)
    pairs = [(harness.warehouse.table("dwh.dim_student"), harness.warehouse.table("dwh.dim_student"))]
    job_id = new_job_id("publish", "dwh.dim_student")
    (first,), (again,) = (harness.warehouse.copy(pairs, {}, [job_id]) for _ in range(2))
    assert first.job_id == again.job_id == job_id
