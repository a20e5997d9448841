"""A pipeline of two sources and two small tables, one whole and one daily, for tests of who replaces what."""

from datetime import date

from lumbung.catalog.contract import Catalog
from support.pipeline import Day, PipelineHarness, sources

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


def reduce(catalog: Catalog) -> Catalog:
    """The catalog without courses and with the daily table, which refuses days of four students; changes its files."""
    for path in catalog.root.glob("*/*"):
        if "course" in path.stem or "branch" in path.stem or path.stem.endswith("_daily"):
            path.unlink()
    (catalog.root / "dwh/student_daily.sql").write_text(DAILY_SQL)
    (catalog.root / "dwh/student_daily.yaml").write_text(DAILY_CONTRACT)
    return Catalog(catalog.root)


def students(*keys: str) -> dict[str, list[dict[str, str | None]]]:
    """These students; the tables show which sources they were built from."""
    template = sources()["student"][0]
    return {"student": [{**template, "id": key} for key in keys]}


def published(harness: PipelineHarness) -> tuple[list[str], dict[date, int]]:
    """The students that are published, and how many each day of the daily table has."""
    whole = harness.rows(f"SELECT student_id FROM {{{WHOLE}}} ORDER BY student_id")
    daily = harness.rows(f"SELECT snapshot_date, n FROM {{{DAILY}}}")
    return [row["student_id"] for row in whole], {row["snapshot_date"]: row["n"] for row in daily}


def staged(harness: PipelineHarness, day: date) -> list[str]:
    """The students of a staging partition."""
    rows = harness.rows(f"SELECT id FROM {{staging.student}} WHERE snapshot_date = '{day}' ORDER BY id")
    return [row["id"] for row in rows]


def marker_of(run: Day, day: date) -> tuple[int, bool]:
    """The generation of students that a staging partition has, and whether its load has ended."""
    marker = run.run.state.marker("student", day)
    return marker.generation, marker.loaded


def build_tables(harness: PipelineHarness) -> list[str]:
    """The names of the build tables that there are."""
    return [name.rpartition("__")[2] for name, _ in harness.warehouse.build_tables()]


def record_waits(harness: PipelineHarness, monkeypatch) -> list[str]:
    """The ids of the jobs that are waited for from now on, those of others; the list grows."""
    waited, get = [], harness.warehouse.client.get_job

    def recorded(job, **options):
        if isinstance(job, str):  # a job object is the run's own, which it asks for again while it is not done
            waited.append(job)
        return get(job, **options)

    monkeypatch.setattr(harness.warehouse.client, "get_job", recorded)
    return waited
