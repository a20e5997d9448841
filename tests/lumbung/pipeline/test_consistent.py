"""Views that show one version of all tables, on the real local server."""

import shutil
import threading

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.pipeline import consistent, operations
from lumbung.pipeline.publish import complete_own
from lumbung.storage.warehouse import Warehouse
from support.two_tables import DAILY, FIRST, SECOND, WHOLE, Killed, kill, students

STUDENTS, PER_DAY = WHOLE.replace(".", "__"), DAILY.replace(".", "__")


@pytest.fixture
def harness(make_harness, tiny_catalog):
    harness = make_harness(catalog=tiny_catalog)
    harness.settings = harness.settings.replace(consistent_views=True)
    return harness


def shown(harness):
    """How many students the view has, and how many the daily view has on each day."""
    (whole,) = harness.rows(f"SELECT COUNT(*) AS n FROM {view(harness, STUDENTS)}")
    daily = harness.rows(f"SELECT snapshot_date, n FROM {view(harness, PER_DAY)}")
    return whole["n"], {row["snapshot_date"]: row["n"] for row in daily}


def view(harness, name):
    return f"`{harness.warehouse.table(f'consistent.{name}')}`"


def test_views_show_what_is_published(harness):
    harness.fill(students("s1"))
    harness.take(FIRST)
    assert shown(harness) == (1, {FIRST: 1})
    harness.fill(students("s1", "s2"))
    harness.take(SECOND)
    assert shown(harness) == (2, {FIRST: 1, SECOND: 2})
    harness.fill(students("s1", "s2", "s3"))
    harness.take(FIRST, refresh=True)  # the whole tables stay those of the second day
    assert shown(harness) == (2, {FIRST: 3, SECOND: 2})


def test_readers_never_see_two_versions(harness):
    """The tables themselves are replaced one after another, so a reader of both may meet them in between."""
    harness.fill(students("s1"))
    harness.take(FIRST)
    versions, ended = [], threading.Event()
    reader = Warehouse(harness.settings)
    sql = (
        f"SELECT (SELECT COUNT(*) FROM {view(harness, STUDENTS)}) AS students,"
        f" (SELECT MAX(n) FROM {view(harness, PER_DAY)}) AS per_day"
    )

    def read():
        while not ended.is_set():
            versions.extend((row["students"], row["per_day"]) for row in reader.rows(sql).to_pylist())

    thread = threading.Thread(target=read)
    thread.start()
    for count in (2, 1, 3, 2):
        harness.fill(students(*(f"s{number}" for number in range(count))))
        harness.take(FIRST, refresh=True)
    ended.set()
    thread.join()
    assert set(versions) >= {(1, 1), (2, 2), (3, 3)}
    assert all(students == per_day for students, per_day in versions)


@pytest.mark.parametrize(
    ("place", "name"),
    [(Warehouse, "describe"), (operations, "load_freshness"), (consistent, "write_views")],
    ids=["before the copies", "before freshness", "before the views"],
)
def test_a_killed_publish_is_completed(harness, monkeypatch, place, name):
    harness.fill(students("s1"))
    killed = harness.run(FIRST).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, name, kill)
        killed.publish()
    harness.take(SECOND)
    assert shown(harness) == (1, {FIRST: 1, SECOND: 1})


def test_a_publish_killed_after_its_switch_leaves_what_is_read_alone(harness, monkeypatch):
    harness.fill(students("s1"))
    harness.take(FIRST)
    harness.fill(students("s1", "s2"))
    killed = harness.run(FIRST, refresh=True).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(consistent, "outdated", kill)
        killed.publish()
    pending = killed.run.state.pending()
    assert pending.view_copy == killed.run.state.published().view_copy == "b"
    complete_own(killed.run)
    assert killed.run.state.published().view_copy == "b"
    assert shown(harness) == (2, {FIRST: 2})


def with_another_table(harness, tmp_path):
    """The catalog of a later release: it has a table more."""
    root = shutil.copytree(harness.catalog.root, tmp_path / "sql")
    contract = Catalog(root)[WHOLE]
    for path in (contract.path, contract.sql_path):
        shutil.copy(path, path.with_stem("dim_pupil"))
    return Catalog(root)


def test_a_killed_publish_is_completed_by_a_release_with_another_table(harness, monkeypatch, tmp_path):
    harness.take(FIRST)
    killed = harness.run(SECOND).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "describe", kill)
        killed.publish()
    harness.catalog = with_another_table(harness, tmp_path)
    harness.take(SECOND)
    assert shown(harness)[0] == harness.rows(f"SELECT COUNT(*) AS n FROM {view(harness, 'dwh__dim_pupil')}")[0]["n"]


def test_a_publish_whose_builds_are_gone_leaves_the_copies_that_are_read_alone(harness, monkeypatch):
    """It was killed between the two writes that say which those are: the next publish must not fill the ones read."""
    harness.fill(students("s1"))
    harness.take(FIRST)
    killed = harness.run(FIRST, refresh=True).up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(operations, "load_freshness", kill)
        killed.publish()
    for name, _ in harness.warehouse.build_tables():
        harness.warehouse.drop(name)
    filled, copy = [], Warehouse.copy

    def recorded(self, pairs, labels, job_ids):
        read = harness.rows("SELECT view_copy FROM {datamart.freshness}")[0]["view_copy"]
        filled.extend((read, target[-1]) for _, target in pairs if "consistent." in target)
        return copy(self, pairs, labels, job_ids)

    monkeypatch.setattr(Warehouse, "copy", recorded)
    harness.take(FIRST, refresh=True)
    assert filled
    assert all(read != target for read, target in filled)


def test_a_contract_with_other_columns_changes_the_view(harness, tmp_path):
    harness.take(FIRST)
    root = shutil.copytree(harness.catalog.root, tmp_path / "sql")
    contract = Catalog(root)[WHOLE]
    names = ", ".join(column.name for column in contract.columns)
    query = contract.sql_path.read_text()
    contract.sql_path.write_text(f"SELECT 'x' AS extra, {names} FROM ({query}) AS students")
    column = "columns:\n  - {name: extra, description: A column.}\n"
    contract.path.write_text(contract.path.read_text().replace("columns:\n", column))
    harness.catalog = Catalog(root)
    harness.take(SECOND)
    rows = harness.rows(f"SELECT DISTINCT extra FROM {view(harness, STUDENTS)}")
    assert rows == [{"extra": "x"}]


def test_without_the_setting_the_views_are_removed(harness):
    harness.take(FIRST)
    harness.settings = harness.settings.replace(consistent_views=False)
    harness.warehouse = Warehouse(harness.settings)
    harness.take(SECOND)
    assert not list(harness.warehouse.client.list_tables(harness.warehouse.dataset("consistent")))
    assert [row["view_copy"] for row in harness.rows("SELECT view_copy FROM {datamart.freshness}")] == [None]
