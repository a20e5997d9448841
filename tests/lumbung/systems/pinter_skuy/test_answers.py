"""The answers, from published tables on the real local server."""

import contextlib
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from lumbung.core.errors import LumbungError
from lumbung.serving import drill
from lumbung.systems.pinter_skuy.answers import answers
from lumbung.systems.pinter_skuy.system import SYSTEM
from lumbung.systems.registry import system
from support.pipeline import sources

ROOT = Path(__file__).parents[4]
CAPSTONE = ROOT.parent / "shared" / "reference" / "capstone"
DAY = "2026-11-10"


@pytest.fixture(scope="module")
def shop(new_harness):
    """Names that several ids share, ids without names, blank cities and cities in several spellings; published."""
    tables = sources()
    cities = [("s1", "Bandung"), ("s2", "bandung"), ("s3", " Bandung"), ("s4", ""), ("s5", None), ("s6", "  ")]
    student = tables["student"][0]
    tables["student"] = [
        {**student, "id": key, "city": city} for key, city in [*cities, ("s7", "Ambon"), ("s8", "Solo")]
    ]
    tables["course_category"] = [
        {"id": key, "type": name}
        for key, name in [("k3", "data"), ("k1", "data"), ("k2", "data (k3)"), ("k4", None), ("k5", "none taken")]
    ]
    tables["mentor"] = [
        {"id": key, "first_name": first, "last_name": last}
        for key, first, last in [
            ("m2", "Sri", "Rahayu"),
            ("m1", "Sri", "Rahayu"),
            ("m3", None, None),
            ("m4", "Ika", None),
        ]
    ]
    courses = [("c1", "m2", "k3"), ("c2", "m1", "k1"), ("c3", "m3", "k4"), ("c4", "m4", "k5"), ("c5", "m1", "k2")]
    tables["course"] = [
        {"id": key, "title": key, "mentor_id": mentor, "course_category_id": category}
        for key, mentor, category in courses
    ]
    taken = [
        ("s1", "c1"),
        ("s1", "c2"),
        ("s2", "c1"),
        ("s3", "c2"),
        ("s4", "c3"),
        ("s5", "c1"),
        ("s6", "c2"),
        ("s7", "c5"),
    ]
    tables["course_enrollment"] = [{"student_id": student, "course_id": course} for student, course in taken]
    with contextlib.closing(new_harness(catalog=None)) as harness:
        with pytest.raises(LumbungError, match="nothing is published yet"):
            answers(harness.warehouse)
        harness.fill(tables)
        harness.take(DAY)
        yield harness


def test_cities_are_not_folded_and_blank_ones_are_unknown(shop):
    assert answers(shop.warehouse).students_per_city == {
        "(unknown)": 3,
        "Bandung": 1,
        "bandung": 1,
        " Bandung": 1,
        "Ambon": 1,
    }


def test_names_that_ids_share_are_not_merged_and_those_without_any_are_not_shown(shop):
    answered = answers(shop.warehouse)
    # k1 and k3 are both "data"; what would be k3's name is k2's own.
    assert answered.enrollments_per_category == {"data": 3, "data (k3) (k3)": 3, "data (k3)": 1, "(unknown)": 1}
    assert answered.students_per_category == {"data": 3, "data (k3) (k3)": 3, "data (k3)": 1, "(unknown)": 1}
    assert answered.enrollments_per_mentor == {"Sri Rahayu": 4, "Sri Rahayu (m2)": 3, "(unknown)": 1}


def test_top_mentors_have_all_ties_by_name(shop):
    assert answers(shop.warehouse).to_json()["top_mentors"] == [
        {"rank": 1, "mentor_id": "m1", "mentor_name": "Sri Rahayu", "enrollments": 4},
        {"rank": 2, "mentor_id": "m2", "mentor_name": "Sri Rahayu", "enrollments": 3},
        {"rank": 3, "mentor_id": "m3", "mentor_name": "(unknown)", "enrollments": 1},
    ]


def test_the_json_object_is_one_of_plain_values(shop):
    content = json.loads(json.dumps(answers(shop.warehouse).to_json()))
    assert list(content) == [
        "day",
        "students_per_city",
        "students_per_category",
        "enrollments_per_category",
        "enrollments_per_mentor",
        "top_mentors",
        "branches_per_city",
    ]
    assert content["day"] == DAY


def test_the_accounting_adds_up(shop):
    rows = SYSTEM.accounting(shop.lake, shop.run(DAY).run.day)
    assert [row.source for row in rows] == [
        "campus.xlsx!Cabang",
        "course.json",
        "course_category.csv",
        "pinter_skuy.course_enrollment",
        "mentor.csv",
        "student.json",
    ]
    assert all(row.rows_read == row.rows_loaded + row.rows_rejected for row in rows)
    assert SYSTEM.accounting(shop.lake, shop.run("2026-11-11").run.day) == []


@pytest.fixture(scope="module")
def capstone(new_harness, missing):
    if not CAPSTONE.exists():
        missing("../shared/reference/capstone")
    with contextlib.closing(new_harness(catalog=None)) as harness:
        for name in ("student.json", "mentor.csv", "course_category.csv", "course.json"):
            shutil.copy(CAPSTONE / name, harness.settings.data_source)
        lines = (CAPSTONE / "course_enrollment.csv").read_text().splitlines()
        pairs = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
        harness.fill({"course_enrollment": pairs})
        harness.take(DAY)
        yield harness


def test_the_reference_data_give_the_published_answers(capstone):
    published = json.loads((CAPSTONE / "published_answers.json").read_text())
    rows = published.pop("rows")
    given = answers(capstone.warehouse).to_json()
    assert {name: given[name] for name in published} == published
    for name in published:
        assert list(given[name]) == list(published[name]), "most first, then by name"
    assert {name: len(capstone.rows(f"SELECT * FROM {{staging.{name}}}")) for name in rows} == rows


def test_the_summary_has_a_row_an_enrollment_and_nine_columns(capstone):
    summary = capstone.rows("SELECT * FROM {datamart.course_enrollment_summary}")
    assert len(summary) == 28
    assert list(summary[0]) == [
        "course_category_id",
        "course_type",
        "course_id",
        "course_title",
        "student_id",
        "student_name",
        "city",
        "mentor_id",
        "mentor_name",
    ]
    assert all(value is not None for row in summary for value in row.values())


def test_eleven_mentors_are_in_the_first_three_ranks(capstone):
    top = answers(capstone.warehouse).to_json()["top_mentors"]
    assert len(top) == 11
    assert [mentor["rank"] for mentor in top] == [1, 1, *[3] * 9]
    assert [mentor["mentor_name"] for mentor in top[2:]] == sorted(mentor["mentor_name"] for mentor in top[2:])


@pytest.mark.parametrize(
    ("by", "value", "enrollments"),
    [
        ("city", "Bandung", [("s1", "c1"), ("s1", "c2")]),
        ("city", " Bandung", [("s3", "c2")]),
        ("city", "", [("s4", "c3"), ("s5", "c1"), ("s6", "c2")]),
        ("course_category_id", "k4", [("s4", "c3")]),
        ("mentor_id", "m1", [("s1", "c2"), ("s3", "c2"), ("s6", "c2"), ("s7", "c5")]),
        ("mentor_id", "' OR TRUE --", []),
    ],
)
def test_the_rows_behind_a_number_are_found_by_a_value(shop, by, value, enrollments):
    found = drill.rows(shop.warehouse, SYSTEM, by, value, raw=True)
    student, course = found.columns.index("student_id"), found.columns.index("course_id")
    assert sorted((row[student], row[course]) for row in found.rows) == enrollments
    assert found.total == len(enrollments)
    # Without the names and ids of people: what they have in common, and how many there are.
    counted = drill.rows(shop.warehouse, SYSTEM, by, value, raw=False)
    assert counted.columns == ["city", "course_title", "course_type", "mentor_name", "course_id", "enrollment_count"]
    alike = Counter(tuple(value for at, value in enumerate(row) if at not in (student, 0)) for row in found.rows)
    assert Counter({tuple(row[:-1]): row[-1] for row in counted.rows}) == alike
    assert counted.total == len(alike)


def test_the_rows_behind_a_number_come_in_pages_of_one_order(shop):
    whole = drill.rows(shop.warehouse, SYSTEM, "mentor_id", "m1", raw=True)
    pages = [
        drill.rows(shop.warehouse, SYSTEM, "mentor_id", "m1", limit=3, offset=offset, raw=True) for offset in (0, 3)
    ]
    assert [len(page.rows) for page in pages] == [3, 1]
    assert [page.total for page in pages] == [4, 4]
    assert [*pages[0].rows, *pages[1].rows] == whole.rows


def test_rows_are_found_by_no_other_column_and_of_no_other_system(shop):
    for by in ("student_id", "1=1 OR city", ""):
        with pytest.raises(LumbungError, match=r"no rows by .*Ask by city, course_category_id, mentor_id"):
            drill.rows(shop.warehouse, SYSTEM, by, "x", raw=True)
    with pytest.raises(LumbungError, match=r"cilvest.*this one shows no single rows"):
        drill.rows(shop.warehouse, system("cilvest"), "city", "x", raw=True)
