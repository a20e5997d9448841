"""Hostile values: they are data to the end, wherever a path, a statement or a page is made beside them."""

import contextlib
import dataclasses
from collections import Counter
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.pipeline import operations
from lumbung.pipeline.run import Step
from lumbung.pipeline.snapshot import folder
from lumbung.report import render
from lumbung.report.data import collect
from support.pipeline import sources

DAY = date(2026, 11, 10)
VALUES = [
    "../../../../etc/passwd",
    "'; DROP TABLE dwh.dim_student; --",
    "`x` FROM UNNEST([1]) -- ",
    'a"; DELETE FROM t; /*',
    "\\'; SELECT 1; --",
    "@snapshot_date ? {0} {x} %s $1 ${HOME} $(id)",
    "{{ 7 * 7 }}{% for x in y %}",
    "<script>document.title='ran'</script>",
    '"><img src=x onerror="document.title=1">',
    "</style></title><svg onload=alert(1)>",
    "=HYPERLINK(1)",
    "null",
    "a\tb\u202e\u0001",
]


def hostile_sources():
    """Every value in every column, keys and references included, and a reject that holds each."""
    made = {name: [] for name in sources()}
    for number, value in enumerate(VALUES):
        key = f"{value} {number}"
        made["student"].append({**sources()["student"][0], **dict.fromkeys(sources()["student"][0], value), "id": key})
        made["mentor"].append({"id": key, "first_name": value, "last_name": value})
        made["course_category"].append({"id": key, "type": value})
        made["course"].append({"id": key, "title": value, "mentor_id": key, "course_category_id": key})
        made["course_enrollment"].append({"student_id": key, "course_id": key})
    # One reject of each source that may have one: an identical repeat, a reference to nothing.
    for name in ("student", "mentor", "course_category", "course"):
        made[name].append(made[name][len(name) % len(VALUES)])
    made["course_enrollment"].append({"student_id": VALUES[1], "course_id": f"{VALUES[0]} 0"})
    return made


@pytest.fixture(scope="module")
def harness(new_harness):
    """A harness with all tables, after a run on hostile sources."""
    with contextlib.closing(new_harness(catalog=Catalog())) as harness:
        harness.fill(hostile_sources())
        harness.take(DAY)
        yield harness


@pytest.mark.parametrize("entity", sources())
def test_every_value_arrives_in_staging_as_it_was(harness, entity):
    given = {tuple(row.items()) for row in hostile_sources()[entity] if row.get("student_id") != VALUES[1]}
    columns = list(sources()[entity][0])
    loaded = harness.rows(f"SELECT {', '.join(columns)} FROM {{staging.{entity}}}")
    assert {tuple(row.items()) for row in loaded} == given
    assert len(loaded) == len(VALUES)


def test_every_value_arrives_in_the_marts(harness):
    summary = harness.rows("SELECT course_type, course_title, city FROM {datamart.course_enrollment_summary}")
    assert sorted(row["course_title"] for row in summary) == sorted(VALUES)
    assert len(harness.rejected(DAY)) == 5


class Tags(HTMLParser):
    """The tags of a page, and their attributes' names."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = Counter(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}


def test_the_report_page_shows_values_and_has_no_tag_of_theirs(harness):
    """`tests/system/test_report_page.py` opens such a page in a real browser."""
    page = render(collect(harness.warehouse, harness.lake, harness.settings))
    assert "&lt;script&gt;document.title" in page
    tags = Tags(page)
    assert tags.tags["script"] == 2, "the tables as JSON, and the page's own script"
    assert not tags.tags.keys() & {"img", "iframe", "object"}
    assert not {name for name in tags.attributes if name.startswith("on")}


def test_nothing_was_written_outside_of_the_lake_and_nothing_in_it_has_a_sources_name(harness):
    lake = harness.settings.lake_folder
    outside = {
        path.relative_to(harness.settings.home).parts[0] for path in harness.settings.home.rglob("*") if path.is_file()
    }
    assert outside == {"lake", "sources"}
    assert all("passwd" not in str(path) and "DROP" not in str(path) for path in lake.rglob("*"))


def test_run_ids_and_tables_of_a_run_are_plain_names(harness):
    run = dataclasses.replace(harness.run(DAY).run, run_id="../../../x'; DROP TABLE t; --`")
    operations.record(run, "extract.student", run.started_at, Step(table="staging.student"))
    assert operations.records(run.lake, DAY, run.run_id)[0]["run_id"] == run.run_id
    operations.load_audit(run)
    assert harness.rows('SELECT run_id FROM {ops.run_audit} WHERE run_id LIKE "%x\'%"') == [{"run_id": run.run_id}]
    assert "'" not in run.warehouse.build_table("dwh.dim_student", run.run_id)


@pytest.mark.parametrize("path", ["../out", "raw/../../out", "/etc/passwd", "raw/x/../../../out"])
def test_the_lake_refuses_paths_that_leave_it(harness, path):
    for act in (
        harness.lake.read,
        lambda name: harness.lake.write(name, b""),
        lambda name: harness.lake.create(name, b""),
    ):
        with pytest.raises(LumbungError, match="leaves the lake"):
            act(path)
    with pytest.raises(LumbungError, match="leaves the lake"):
        harness.lake.names(folder("pinter_skuy", f"{path}/../../../../..", DAY))


def test_the_lake_refuses_a_link_that_leaves_it(harness):
    link = harness.settings.lake_folder / "raw" / "link"
    link.symlink_to("/etc")
    with pytest.raises(LumbungError, match="leaves the lake"):
        harness.lake.read("raw/link/hostname")
    link.unlink()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x`; DROP TABLE y; --.yaml", "x"),
        ("voucher.yaml", 'x"; DROP TABLE y; --'),
        ("voucher.yaml", "x` y"),
        ("voucher.yaml", "../x"),
    ],
)
def test_contracts_with_hostile_names_are_refused(tmp_path: Path, name, line):
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / name).write_text(
        f"description: d\ngrain: g\nsystem: s\nkey: [a]\ncolumns:\n  - {{name: a, description: d}}\n"
        f"  - {{name: {line!r}, description: d}}\n"
    )
    with pytest.raises(LumbungError, match=r"(?s)name|table"):
        Catalog(tmp_path)
