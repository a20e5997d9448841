"""A home that was made before the optional source of campus branches goes on, and answers the same."""

import shutil
from datetime import date

import pytest

from lumbung.catalog.contract import SQL_ROOT, Catalog
from lumbung.pipeline import snapshot
from lumbung.serving.schema import CityCount
from lumbung.systems.pinter_skuy.answers import answers
from lumbung.systems.pinter_skuy.generate import workbook
from support.pipeline import SYSTEM

OLDER, OLD, NEW = date(2026, 11, 11), date(2026, 11, 12), date(2026, 11, 13)
BRANCHES = [("001", "Kampus Dago", "Bandung", date(2021, 2, 1), 120), ("002", "Kampus Sentani", "Jayapura", None, None)]


@pytest.fixture
def before(make_harness, tmp_path):
    """A harness with a day that was taken and published without the source, and what it published."""
    root = tmp_path / "sql"
    shutil.copytree(SQL_ROOT, root)
    for path in root.glob("*/*branch*"):
        path.unlink()
    harness = make_harness(catalog=Catalog(root))
    harness.take(OLD)
    assert "campus_branch" not in snapshot.version_of(harness.lake, SYSTEM, OLD).members
    return harness, harness.contents("dwh", "datamart")


def contents(harness, tables):
    """The rows of the tables that there were before, but for which run published them."""
    return {name: rows for name, rows in harness.contents("dwh", "datamart").items() if name in tables}


def test_an_old_home_goes_on(before):
    harness, published = before
    answered = answers(harness.warehouse)
    assert answered.branches_per_city == []
    harness.catalog = Catalog()
    harness.file("campus.xlsx", workbook(BRANCHES))

    # The tables are built from the newest version, which has no branches.
    older = harness.take(OLDER)
    assert older.target.day == OLD
    whole = {name for name in published if name != "datamart.freshness" and not name.endswith("_daily")}
    assert contents(harness, whole) == {name: published[name] for name in whole}
    assert answers(harness.warehouse) == answered
    assert harness.rows("SELECT branch_code FROM {dwh.dim_campus_branch}") == []
    staged = "SELECT CAST(snapshot_date AS STRING) AS day, COUNT(*) AS n FROM {staging.campus_branch} GROUP BY 1"
    assert harness.rows(staged) == [{"day": f"{OLDER}", "n": 2}]

    # The old day again: its five snapshots as they were, and the branches of today.
    harness.take(OLD)
    version = snapshot.version_of(harness.lake, SYSTEM, OLD)
    assert (version.generation, version.members["campus_branch"].rows_read) == (2, 2)
    assert {name: version.generations[name] for name in version.members if name != "campus_branch"} == {
        source.table: 1 for source in harness.catalog.sources(SYSTEM) if source.table != "campus_branch"
    }
    assert contents(harness, whole) == {name: published[name] for name in whole}
    assert answers(harness.warehouse).branches_per_city == [
        CityCount("Bandung", 1, 1, 120),
        CityCount("Jayapura", 0, 1, 0),
        CityCount("Ambon", 1, 0, 0),
    ]

    # A new day without the file.
    (harness.settings.data_source / "campus.xlsx").unlink()
    harness.take(NEW)
    assert contents(harness, whole) == {name: published[name] for name in whole}
    assert answers(harness.warehouse).branches_per_city == []
    assert harness.rejected(NEW) == []
