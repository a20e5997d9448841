"""pinter-skuy's part of the report page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import groupby

from lumbung.serving.page_table import Column, PageTable
from lumbung.serving.schema import CategoryCount, CityCount, Section, TopMentor
from lumbung.storage.warehouse import Warehouse
from lumbung.systems.pinter_skuy import answers

HEADING = ("Laporan kursus", "Course report")


@dataclass(frozen=True)
class OverTime:
    """Counts by day: the table that has them, and (snapshot day, name, count)."""

    table: str
    counts: list[tuple[date, str, int]]

    @property
    def days(self) -> list[date]:
        """The days, in order."""
        return sorted({day for day, _, _ in self.counts})

    @property
    def series(self) -> list[tuple[str, list[tuple[date, int]]]]:
        """(name, its (day, count) in order); what is largest on its last day comes first."""
        series: dict[str, list[tuple[date, int]]] = {}
        for day, name, count in sorted(self.counts):
            series.setdefault(name, []).append((day, count))
        return sorted(series.items(), key=lambda item: (-item[1][-1][1], item[0]))


@dataclass(frozen=True)
class Courses:
    """What the part shows, in any order: it sorts what it draws.

    Attributes:
        students_per_city: (city, distinct students with at least one course).
        category_counts: one for each course category.
        top_mentors: mentors with RANK <= 3, all ties kept.
        enrollments_per_mentor: (mentor's id, its name, enrollments), one for each mentor.
        enrollments_per_day: (snapshot day, category, enrollments).
        students_per_day: (snapshot day, city, students) of the last days and the leading cities.
        mentors_per_day: (snapshot day, mentor, enrollments) of the last days and the leading mentors.
        branches_per_city: one for each city that has students or branches; empty where no city has a branch.
    """

    students_per_city: list[tuple[str, int]]
    category_counts: list[CategoryCount]
    top_mentors: list[TopMentor]
    enrollments_per_mentor: list[tuple[str, str, int]]
    enrollments_per_day: list[tuple[date, str, int]]
    students_per_day: list[tuple[date, str, int]]
    mentors_per_day: list[tuple[date, str, int]]
    branches_per_city: list[CityCount]

    @cached_property
    def cities(self) -> list[tuple[str, int]]:
        """(city, students), most first; a city may be blank."""
        return _ranked(self.students_per_city)

    @cached_property
    def named_cities(self) -> list[tuple[str, int]]:
        """The cities that are not blank."""
        return [(name, students) for name, students in self.cities if name.strip()]

    @property
    def students_without_city(self) -> int:
        """The students whose city is blank."""
        return sum(students for name, students in self.cities if not name.strip())

    @property
    def leading_cities(self) -> list[str]:
        """The cities with the most students."""
        return [name for name, students in self.named_cities if students == self.named_cities[0][1]]

    @cached_property
    def categories(self) -> list[CategoryCount]:
        """The categories, most students first."""
        return sorted(self.category_counts, key=lambda row: (-row.students, -row.enrollments, row.name))

    @property
    def leading_categories(self) -> list[str]:
        """The categories with the most students."""
        return [row.name for row in self.categories if row.students == self.categories[0].students]

    @cached_property
    def mentors(self) -> list[TopMentor]:
        """The top mentors, by rank and name."""
        return sorted(self.top_mentors, key=lambda row: (row.rank, row.mentor_name, row.mentor_id))

    @property
    def mentor_ranks(self) -> list[tuple[list[str], int]]:
        """(names, enrollments of each) of each rank."""
        ranks = [list(group) for _, group in groupby(self.mentors, key=lambda row: row.rank)]
        return [([row.mentor_name for row in rank], rank[0].enrollments) for rank in ranks]

    @cached_property
    def shared_names(self) -> set[str]:
        """The names that several of the top mentors have."""
        names = Counter(row.mentor_name for row in self.top_mentors)
        return {name for name, times in names.items() if times > 1}

    @cached_property
    def mentor_totals(self) -> list[tuple[str, str, int]]:
        """(mentor's id, its name, enrollments), most first."""
        return sorted(self.enrollments_per_mentor, key=lambda row: (-row[2], row[1], row[0]))

    @cached_property
    def campuses(self) -> list[CityCount]:
        """The cities with branches or students, most branches first; a city may be blank."""
        return sorted(self.branches_per_city, key=lambda row: (-row.branches, -row.students, row.city))

    @property
    def cities_with_branches(self) -> list[CityCount]:
        """The cities that have a branch."""
        return [row for row in self.campuses if row.branches]

    @property
    def students_without_branch(self) -> int:
        """The students whose city is known and has no branch."""
        return sum(row.students for row in self.campuses if not row.branches and row.city.strip())

    @cached_property
    def by_day(self) -> list[OverTime]:
        """What is counted day by day, where there is any day."""
        kinds = [
            OverTime("daily", self.enrollments_per_day),
            OverTime("city_daily", self.students_per_day),
            OverTime("mentor_daily", self.mentors_per_day),
        ]
        return [each for each in kinds if each.counts]


def read(warehouse: Warehouse) -> Courses:
    """What is published.

    Raises:
        LumbungError: no enrollments are published yet.
    """
    return Courses(
        # The page has its own words for what has no name.
        students_per_city=[
            ("" if city == answers.UNKNOWN else city, students)
            for city, students in answers.students_per_city(warehouse)
        ],
        category_counts=[
            CategoryCount(identity, name or "", students, enrollments)
            for identity, name, students, enrollments in answers.category_counts(warehouse)
        ],
        top_mentors=answers.top_mentors(warehouse),
        enrollments_per_mentor=[
            (identity, name or "", enrollments) for identity, name, enrollments in answers.mentor_counts(warehouse)
        ],
        enrollments_per_day=answers.enrollments_per_day(warehouse),
        students_per_day=[
            (day, "" if city == answers.UNKNOWN else city, students)
            for day, city, students in answers.students_per_day(warehouse)
        ],
        mentors_per_day=answers.mentor_enrollments_per_day(warehouse),
        branches_per_city=[
            replace(row, city="" if row.city == answers.UNKNOWN else row.city)
            for row in answers.branches_per_city(warehouse)
        ],
    )


def section(courses: Courses, label: str) -> Section:
    """The part of the page; `label` is what people call the system."""
    return Section(label, HEADING, f"{answers.SYSTEM}/report.html.j2", courses, _tables(courses))


def _tables(courses: Courses) -> dict[str, PageTable]:
    city, mentor, category = Column(("Kota", "City"), "name"), Column(("Mentor", "Mentor"), "name"), "Kategori"
    students, enrollments = Column(("Siswa", "Students")), Column(("Pendaftaran", "Enrollments"))
    identity, day = Column(("Id", "Id"), "id"), Column(("Hari", "Day"), "day")
    no_city = ("tanpa kota", "no city given")
    return {
        "city": PageTable(
            f"{answers.SYSTEM}-city",
            ("Siswa per kota", "Students per city"),
            ("kota", "city", "cities"),
            [city, students],
            courses.cities,
            query="datamart.student_count_by_city",
            total=["", sum(count for _, count in courses.cities)],
            blank=no_city,
            by="city",
        ),
        "category": PageTable(
            f"{answers.SYSTEM}-category",
            ("Siswa per kategori", "Students per category"),
            ("kategori", "category", "categories"),
            [Column((category, "Category"), "name"), students, enrollments, identity],
            [(row.name, row.students, row.enrollments, row.category_id) for row in courses.categories],
            query="datamart.student_count_by_category",
            by="course_category_id",
            at=3,
        ),
        "top_mentor": PageTable(
            f"{answers.SYSTEM}-top-mentor",
            ("Mentor teratas", "Top mentors"),
            ("mentor teratas", "top mentor", "top mentors"),
            [Column(("Peringkat", "Rank")), mentor, enrollments, identity],
            [(row.rank, row.mentor_name, row.enrollments, row.mentor_id) for row in courses.mentors],
            query="datamart.top_mentor",
            by="mentor_id",
            at=3,
        ),
        "mentor": PageTable(
            f"{answers.SYSTEM}-mentor",
            ("Pendaftaran per mentor", "Enrollments per mentor"),
            ("mentor", "mentor", "mentors"),
            [mentor, enrollments, identity],
            [(name, count, mentor_id) for mentor_id, name, count in courses.mentor_totals],
            query="datamart.course_enrollment_summary",
            by="mentor_id",
            at=2,
        ),
        "campus": PageTable(
            f"{answers.SYSTEM}-campus",
            ("Cabang per kota", "Branches per city"),
            ("kota", "city", "cities"),
            [city, Column(("Cabang", "Branches")), Column(("Kursi", "Seats")), students],
            [(row.city, row.branches, row.seats, row.students) for row in courses.campuses],
            query="datamart.student_and_branch_count_by_city",
            blank=no_city,
        ),
        "daily": PageTable(
            f"{answers.SYSTEM}-daily",
            ("Pendaftaran per hari dan kategori", "Enrollments by day and category"),
            ("baris", "row", "rows"),
            [day, Column((category, "Category"), "name"), enrollments],
            _newest_first(courses.enrollments_per_day),
            query="datamart.course_enrollment_daily",
        ),
        "city_daily": PageTable(
            f"{answers.SYSTEM}-city-daily",
            ("Siswa per hari dan kota", "Students by day and city"),
            ("baris", "row", "rows"),
            [day, city, students],
            _newest_first(courses.students_per_day),
            query=answers.CITIES_BY_DAY[0],
            blank=no_city,
        ),
        "mentor_daily": PageTable(
            f"{answers.SYSTEM}-mentor-daily",
            ("Pendaftaran per hari dan mentor", "Enrollments by day and mentor"),
            ("baris", "row", "rows"),
            [day, mentor, enrollments],
            _newest_first(courses.mentors_per_day),
            query=answers.MENTORS_BY_DAY[0],
        ),
    }


def _ranked(counts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda count: (-count[1], count[0]))


def _newest_first(counts: list[tuple[date, str, int]]) -> list[tuple[date, str, int]]:
    return sorted(counts, key=lambda count: (-count[0].toordinal(), -count[2], count[1]))
