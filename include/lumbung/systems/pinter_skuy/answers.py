"""The answers to pinter-skuy's three questions, from what is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

from lumbung.core.errors import LumbungError
from lumbung.serving import published
from lumbung.serving.schema import CityCount, EnrollmentAnswers, TopMentor
from lumbung.storage.warehouse import Warehouse

SYSTEM = "pinter_skuy"
UNKNOWN = "(unknown)"
SUMMARY = "course_enrollment_summary"
CITIES_BY_DAY = ("datamart.student_count_by_city_daily", "city", "city", "student_count")
MENTORS_BY_DAY = ("datamart.enrollment_count_by_mentor_daily", "mentor_id", "mentor_name", "enrollment_count")
LEADERS, DAYS_READ = 8, 60  # of the tables by day that may have a row for each of thousands

NamedCount = tuple[str, str | None, int]


def answers(warehouse: Warehouse) -> EnrollmentAnswers:
    """Read the answers.

    Raises:
        LumbungError: no enrollments are published yet.
    """
    days = [row.published_day for row in published.freshness(warehouse) if row.system == SYSTEM]
    if not days:
        raise LumbungError(
            "no enrollments are published yet",
            where=warehouse.table(published.FRESHNESS),
            remedy="run a day: lumbung run; for tweets, see lumbung tweets answers",
        )
    categories = category_counts(warehouse)
    return EnrollmentAnswers(
        day=days[0],
        students_per_city=dict(students_per_city(warehouse)),
        students_per_category=_by_name((key, name, students) for key, name, students, _ in categories),
        enrollments_per_category=_by_name((key, name, enrollments) for key, name, _, enrollments in categories),
        enrollments_per_mentor=_by_name(mentor_counts(warehouse)),
        top_mentors=top_mentors(warehouse),
        branches_per_city=branches_per_city(warehouse),
    )


def students_per_city(warehouse: Warehouse) -> list[tuple[str, int]]:
    """Question 1: (city, distinct students with at least one course), most first."""
    rows = published.rows(
        warehouse,
        "SELECT city, student_count FROM {0} ORDER BY student_count DESC, city",
        "datamart.student_count_by_city",
    )
    return [(row["city"], row["student_count"]) for row in rows]


def category_counts(warehouse: Warehouse) -> list[tuple[str, str | None, int, int]]:
    """Question 2: (category's id, its name, distinct students, enrollments), by id."""
    rows = published.rows(
        warehouse, "SELECT * FROM {0} ORDER BY course_category_id", "datamart.student_count_by_category"
    )
    return [
        (row["course_category_id"], row["course_type"], row["student_count"], row["enrollment_count"]) for row in rows
    ]


def top_mentors(warehouse: Warehouse) -> list[TopMentor]:
    """Question 3: the mentors with RANK 3 or better, all ties kept, by rank and name."""
    rows = published.rows(warehouse, "SELECT * FROM {0} ORDER BY rank, mentor_name, mentor_id", "datamart.top_mentor")
    return [
        TopMentor(row["rank"], row["mentor_id"], _named(row["mentor_name"]), row["enrollment_count"]) for row in rows
    ]


def branches_per_city(warehouse: Warehouse) -> list[CityCount]:
    """Students beside campus branches, most branches first; none where no city has a branch."""
    address = "datamart.student_and_branch_count_by_city"
    if not warehouse.exists(warehouse.table(address)):  # what is published is from before there were branches
        return []
    rows = published.rows(warehouse, "SELECT * FROM {0} ORDER BY branch_count DESC, student_count DESC, city", address)
    counts = [CityCount(row["city"], row["student_count"], row["branch_count"], row["seat_count"]) for row in rows]
    return counts if any(count.branches for count in counts) else []


def mentor_counts(warehouse: Warehouse) -> list[tuple[str, str | None, int]]:
    """(mentor's id, its name, enrollments in all of its courses)."""
    rows = published.rows(
        warehouse,
        "SELECT mentor_id, mentor_name, COUNT(*) AS enrollments FROM {0} GROUP BY mentor_id, mentor_name",
        f"datamart.{SUMMARY}",
    )
    return [(row["mentor_id"], row["mentor_name"], row["enrollments"]) for row in rows]


def enrollments_per_day(warehouse: Warehouse) -> list[tuple[date, str, int]]:
    """(snapshot day, category, enrollments); categories without a name are "" together."""
    rows = published.rows(
        warehouse,
        "SELECT snapshot_date, course_type, SUM(enrollments) AS enrollments FROM {0}"
        " GROUP BY snapshot_date, course_type",
        "datamart.course_enrollment_daily",
    )
    return [(row["snapshot_date"], row["course_type"] or "", row["enrollments"]) for row in rows]


def students_per_day(warehouse: Warehouse) -> list[tuple[date, str, int]]:
    """(snapshot day, city, students) of the last days, for the cities with the most students on their last day."""
    return [(day, city, students) for day, city, _, students in _leaders(warehouse, *CITIES_BY_DAY)]


def mentor_enrollments_per_day(warehouse: Warehouse) -> list[tuple[date, str, int]]:
    """(snapshot day, mentor, enrollments) of the last days, for those with the most; an id tells namesakes apart."""
    rows = _leaders(warehouse, *MENTORS_BY_DAY)
    names = {identity: _named(name) for _, identity, name, _ in sorted(rows, key=lambda row: row[0])}
    shared = {name for name, times in Counter(names.values()).items() if times > 1}
    labels = {identity: f"{name} ({identity[:8]})" if name in shared else name for identity, name in names.items()}
    return [(day, labels[identity], enrollments) for day, identity, _, enrollments in rows]


def _leaders(
    warehouse: Warehouse, address: str, key: str, name: str, value: str
) -> list[tuple[date, str, str | None, int]]:
    """(snapshot day, key, name, value) of a daily table: the last days of the keys that lead on their last one.

    Args:
        warehouse: where the table is published.
        address: the table.
        key: the column that tells rows of a day apart.
        name: what people call it.
        value: the column that is counted.
    """
    if not warehouse.exists(warehouse.table(address)):  # what is published is from before there was this table
        return []
    rows = published.rows(
        warehouse,
        f"WITH recent AS (SELECT snapshot_date, {key}, {name} AS name, {value},"
        f" FIRST_VALUE({value}) OVER (PARTITION BY {key} ORDER BY snapshot_date DESC) AS latest FROM {{0}}"
        f" WHERE snapshot_date > (SELECT DATE_SUB(MAX(snapshot_date), INTERVAL {DAYS_READ} DAY) FROM {{0}}))"
        f" SELECT snapshot_date, {key}, name, {value} FROM recent WHERE TRUE"
        f" QUALIFY DENSE_RANK() OVER (ORDER BY latest DESC, {key}) <= {LEADERS}",
        address,
    )
    return [(row["snapshot_date"], row[key], row["name"], row[value]) for row in rows]


def _named(name: str | None) -> str:
    return name if name and name.strip() else UNKNOWN


def _by_name(counts: Iterable[NamedCount]) -> dict[str, int]:
    """Counts by name, none of zero; of ids that share a name the first is bare, the others `Name (id)`."""
    named: dict[str, int] = {}
    for identity, name, count in sorted(counts, key=lambda row: row[0]):
        if count:
            shown = _named(name)
            while shown in named:
                shown = f"{shown} ({identity})"
            named[shown] = count
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))
