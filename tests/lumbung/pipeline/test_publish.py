"""Publish on the real local server: which version may replace which, and what follows a kill."""

from datetime import timedelta

import pytest
from google.cloud import bigquery

from lumbung.core.errors import LumbungError
from lumbung.pipeline import operations
from lumbung.pipeline.publish import SUPERSEDED
from lumbung.storage.lake import FolderLake
from lumbung.storage.warehouse import Warehouse
from support.two_tables import FIRST, SECOND, WHOLE, Killed, build_tables, kill, published, record_waits, students


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


def test_an_older_day_never_replaces_a_newer_one(harness):
    harness.fill(students("s1"))
    older = harness.run(FIRST).up_to("build")
    harness.fill(students("s2", "s3"))
    harness.take(SECOND)
    step = older.publish()
    assert step.note == f"whole tables {SUPERSEDED}"
    assert published(harness) == (["s2", "s3"], {FIRST: 1, SECOND: 2})
    assert older.run.state.published().day == SECOND


def test_a_backfilled_day_builds_whole_tables_from_the_newest_version(harness):
    harness.fill(students("s2", "s3"))
    harness.take(SECOND)
    harness.fill(students("s1"))
    older = harness.take(FIRST)
    assert (older.own.day, older.target.day) == (FIRST, SECOND)
    assert published(harness) == (["s2", "s3"], {FIRST: 1, SECOND: 2})


def test_an_older_generation_never_replaces_a_newer_one(harness):
    harness.fill(students("s1"))
    older = harness.run(FIRST).up_to("build")
    harness.fill(students("s2", "s3"))
    harness.take(FIRST, refresh=True)
    step = older.publish()
    assert (step.rows_out, step.note) == (0, f"whole tables {SUPERSEDED}; daily tables of {FIRST} {SUPERSEDED}")
    assert published(harness) == (["s2", "s3"], {FIRST: 2})


def test_an_older_generation_of_an_older_day_never_replaces_a_newer_one(harness):
    harness.fill(students("s1"))
    older = harness.run(FIRST).up_to("build")
    harness.fill(students("s2", "s3"))
    harness.take(FIRST, refresh=True)
    harness.take(SECOND)
    older.publish()
    assert published(harness) == (["s2", "s3"], {FIRST: 2, SECOND: 2})


@pytest.mark.parametrize("loaded", ["student", "mentor"])
def test_a_build_whose_staging_changed_under_it_is_not_published(harness, loaded):
    harness.fill(students("s1"))
    harness.take(FIRST - timedelta(days=1))
    before = harness.checksum("dwh", "datamart")
    older = harness.run(FIRST).up_to("build")
    harness.fill(students("s2", "s3"))
    newer = harness.run(FIRST, refresh=True).up_to("snapshot")
    newer.load(loaded)
    assert older.publish().rows_out == 0
    assert harness.checksum("dwh", "datamart") == before
    newer.load()
    newer.build()
    newer.publish()
    assert published(harness) == (["s2", "s3"], {FIRST - timedelta(days=1): 1, FIRST: 2})


def test_a_newer_version_that_is_not_published_yet_does_not_stop_an_older_one(harness):
    older = harness.run(FIRST).up_to("build")
    harness.run(SECOND).up_to("build")
    assert older.publish().note == ""
    assert older.run.state.published().day == FIRST


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
    killed = harness.run(SECOND).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, name, kill)
        killed.publish()
    # What runs after a failed publish must not take away what it needs.
    killed.audit()
    harness.take(FIRST - timedelta(days=1))
    assert published(harness)[1][SECOND] == 2, "the day that was killed is complete, though it was not run again"
    assert published(harness)[0] == ["s2", "s3"]
    assert killed.run.state.published().day == SECOND
    assert harness.lake.read(f"{killed.run.state.folder}/pending.json") is None
    (fresh,) = harness.rows("SELECT published_day FROM {datamart.freshness}")
    assert fresh["published_day"] == SECOND


def test_a_publish_that_breaks_between_two_copies_is_completed(harness, monkeypatch):
    harness.fill(students("s1"))
    harness.take(FIRST)
    harness.fill(students("s2", "s3"))
    killed = harness.run(FIRST, refresh=True).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "copy", killed_after_one_copy)
        killed.publish()
    assert published(harness) == (["s2", "s3"], {FIRST: 1}), "half is published"
    harness.take(FIRST)
    assert published(harness) == (["s2", "s3"], {FIRST: 2})


def test_the_copies_of_a_killed_publish_are_waited_for(harness, monkeypatch):
    killed = harness.run(FIRST).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(bigquery.job.CopyJob, "result", kill)
        killed.publish()
    waited = record_waits(harness, monkeypatch)
    harness.take(SECOND)
    assert len(waited) == 2
    for job_id in list(waited):
        assert "publish" in job_id
        assert harness.warehouse.client.get_job(job_id).state == "DONE"


def test_a_run_that_is_cleared_after_a_killed_publish_completes_it_before_it_builds_again(harness, monkeypatch):
    """Else the next run would publish, as the old version, tables that are newer and not audited."""
    harness.fill(students("s1"))
    killed = harness.run(FIRST).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "copy", kill)
        killed.publish()
    harness.fill(students("s2", "s3"))
    harness.run(FIRST, refresh=True).up_to("load")
    killed.build()
    assert published(harness) == (["s1"], {FIRST: 1})
    assert killed.run.state.published().generation == 1
    assert killed.publish().rows_out == 0
    assert published(harness) == (["s1"], {FIRST: 1})


def test_an_older_run_reports_a_killed_publish_whose_builds_have_expired(harness, monkeypatch):
    harness.fill(students("s1"))
    older = harness.run(FIRST).up_to("build")
    harness.fill(students("s2", "s3"))
    killed = harness.run(SECOND).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "copy", killed_after_one_copy)
        killed.publish()
    for name, _ in list(harness.warehouse.build_tables()):
        if name == harness.warehouse.build_table(WHOLE, killed.run.run_id):
            harness.warehouse.drop(name)
    with pytest.raises(LumbungError, match=rf"killed and its build tables are gone.*[Rr]un day {SECOND} again"):
        older.publish()
    harness.take(SECOND)
    assert published(harness) == (["s2", "s3"], {SECOND: 2})
    older.publish()
    assert published(harness) == (["s2", "s3"], {FIRST: 1, SECOND: 2})


def test_build_tables_are_dropped_by_their_run(harness):
    run = harness.run(FIRST).up_to("build")
    other = harness.run(SECOND).up_to("build")
    run.publish()
    run.audit()
    assert len(build_tables(harness)) == 2, "another run's builds are not this run's to drop"
    other.audit()
    assert build_tables(harness) == []
    with pytest.raises(LumbungError, match="the run has no build of it"):
        other.publish()


def test_descriptions_and_labels_are_there_after_each_publish(harness):
    for _ in range(2):
        harness.take(FIRST, refresh=True)
    client = harness.warehouse.client
    count = 0
    for contract in harness.catalog.contracts.values():
        table = client.get_table(harness.warehouse.table(contract.address))
        assert table.description.startswith(contract.description.strip()), contract.address
        assert table.labels == {"managed_by": "lumbung", "system": contract.system, "layer": contract.dataset}
        assert {field.name: field.description for field in table.schema} == {
            column.name: column.description for column in contract.columns
        }
        partitioning = table.time_partitioning
        assert (partitioning.field if partitioning else None) == contract.partition, contract.address
        count += 1
    assert count == 7
