"""The answers to pinter-skuy's three questions, from what is published."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from urllib.parse import urlencode

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.serving import published
from lumbung.serving.drill import Drill
from lumbung.serving.schema import CityCount, EnrollmentAnswers, TopMentor
from lumbung.storage.warehouse import Warehouse

SYSTEM = "pinter_skuy"
UNKNOWN = "(unknown)"
SUMMARY = "course_enrollment_summary"
DRILL = Drill(
    f"datamart.{SUMMARY}",
    columns=("student_name", "city", "course_title", "course_type", "mentor_name", "student_id", "course_id"),
    by=("city", "course_category_id", "mentor_id"),
)

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


def looker_url(settings: Settings) -> str:
    """A link that opens a new Looker Studio report over the summary table, by the Linking API.

    Parameters as in https://developers.google.com/looker-studio/integrate/linking-api.
    """
    return "https://lookerstudio.google.com/reporting/create?" + urlencode(
        {
            "c.mode": "edit",
            "r.reportName": "Lumbung: pinter-skuy",
            "ds.ds0.connector": "bigQuery",
            "ds.ds0.type": "TABLE",
            "ds.ds0.projectId": settings.project_id,
            "ds.ds0.datasetId": f"{settings.dataset_prefix}datamart",
            "ds.ds0.tableId": SUMMARY,
            "ds.ds0.datasourceName": SUMMARY,
        }
    )


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
