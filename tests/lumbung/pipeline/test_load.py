"""Load on the real local server: which version a partition holds, and what follows a kill."""

from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from lumbung.core.errors import LumbungError
from lumbung.storage.warehouse import Warehouse
from support.two_tables import FIRST, SECOND, Killed, kill, marker_of, published, record_waits, staged, students


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


def test_a_load_replaces_its_own_partition_only(harness):
    harness.fill(students("s1"))
    harness.run(FIRST).up_to("load")
    harness.fill(students("s2", "s3"))
    harness.run(SECOND).up_to("load")
    harness.fill(students("s4"))
    harness.run(FIRST, refresh=True).up_to("load")
    assert (staged(harness, FIRST), staged(harness, SECOND)) == (["s4"], ["s2", "s3"])


def test_the_newest_version_is_loaded_whichever_run_loads_last(harness):
    harness.fill(students("s1"))
    slow = harness.run(FIRST).up_to("snapshot")
    harness.fill(students("s2"))
    quick = harness.run(FIRST, refresh=True).up_to("load")
    slow.load()
    assert (slow.own.generation, quick.own.generation) == (1, 2)
    assert staged(harness, FIRST) == ["s2"]


def test_a_load_that_was_killed_is_done_by_the_next_run_that_needs_it(harness, monkeypatch):
    newer = harness.run(SECOND).up_to("snapshot")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "load", kill)
        newer.load("student")
    assert marker_of(newer, SECOND) == (1, False)
    harness.take(FIRST)
    assert staged(harness, SECOND) == ["s1", "s2", "s3"]
    assert published(harness)[1] == {FIRST: 3}, "a day that was not run to its end has no daily rows"


def test_the_job_of_a_killed_load_is_waited_for(harness, monkeypatch):
    """It may still run on the server, and would replace what is loaded after it."""
    run = harness.run(FIRST).up_to("snapshot")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(bigquery.job.LoadJob, "result", kill)
        run.load("student")
    marker = harness.lake.read_json(f"{run.run.state.folder}/staging/student/dt={FIRST}.json")
    waited = record_waits(harness, monkeypatch)
    run.load("student")
    assert waited == [marker["job_id"]]
    run.load("student")
    assert len(waited) == 1, "a load that ended is not waited for"


def test_less_rows_loaded_than_the_snapshot_has_is_an_error(harness, monkeypatch):
    run = harness.run(FIRST).up_to("snapshot")
    member = run.version.members["student"]
    with harness.lake.local(member.file.path) as path:
        pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(LumbungError, match=rf"student, day {FIRST}: 2 rows loaded where the snapshot has 3"):
        run.load("student")
    assert not marker_of(run, FIRST)[1]


def test_a_table_that_expired_is_filled_again(harness):
    """In the sandbox a table goes 60 days after it was made; what the lake knows of its partitions went with it."""
    harness.take(SECOND)
    harness.warehouse.drop(harness.warehouse.table("staging.student"))
    harness.take(FIRST)
    assert staged(harness, SECOND) == ["s1", "s2", "s3"], "the newest day, which the whole tables are built from"
    assert published(harness)[0] == ["s1", "s2", "s3"]


def test_dropped_data_sets_are_made_and_filled_again(harness):
    harness.take(FIRST)
    for name in harness.catalog.datasets():
        harness.warehouse.client.delete_dataset(harness.warehouse.dataset(name), delete_contents=True)
    harness.fill(students("s9"))
    harness.take(FIRST - timedelta(days=1))
    assert published(harness) == (["s1", "s2", "s3"], {FIRST - timedelta(days=1): 1})
