"""pinter-skuy's part of the report page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import groupby

from lumbung.serving.schema import CategoryCount, CityCount, Section, TopMentor
from lumbung.storage.warehouse import Warehouse
from lumbung.systems.pinter_skuy import answers

HEADING = ("Laporan kursus", "Course report")


@dataclass(frozen=True)
class Courses:
    """What the part shows, in any order: it sorts what it draws.

    Attributes:
        students_per_city: (city, distinct students with at least one course).
        category_counts: one for each course category.
        top_mentors: mentors with RANK <= 3, all ties kept.
        enrollments_per_mentor: (mentor's name, enrollments), one for each mentor.
        enrollments_per_day: (snapshot day, category, enrollments).
        branches_per_city: one for each city that has students or branches; empty where no city has a branch.
    """

    students_per_city: list[tuple[str, int]]
    category_counts: list[CategoryCount]
    top_mentors: list[TopMentor]
    enrollments_per_mentor: list[tuple[str, int]]
    enrollments_per_day: list[tuple[date, str, int]]
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

    @property
    def mentor_totals(self) -> list[tuple[str, int]]:
        """(mentor's name, enrollments), most first."""
        return _ranked(self.enrollments_per_mentor)

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
    def days(self) -> list[date]:
        """The snapshot days, in order."""
        return sorted({day for day, _, _ in self.enrollments_per_day})

    @cached_property
    def by_day_and_category(self) -> dict[tuple[date, str], int]:
        """Enrollments of each snapshot day and category."""
        return {(day, name): count for day, name, count in self.enrollments_per_day}

    @cached_property
    def series(self) -> list[tuple[str, list[tuple[date, int]]]]:
        """Each category's (day, enrollments) in order; the category that is largest on its last day comes first."""
        series: dict[str, list[tuple[date, int]]] = {}
        for day, name, count in sorted(self.enrollments_per_day):
            series.setdefault(name, []).append((day, count))
        return sorted(series.items(), key=lambda item: (-item[1][-1][1], item[0]))


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
            CategoryCount(name or "", students, enrollments)
            for _, name, students, enrollments in answers.category_counts(warehouse)
        ],
        top_mentors=answers.top_mentors(warehouse),
        enrollments_per_mentor=list(answers.enrollments_per_mentor(warehouse).items()),
        enrollments_per_day=answers.enrollments_per_day(warehouse),
        branches_per_city=[
            replace(row, city="" if row.city == answers.UNKNOWN else row.city)
            for row in answers.branches_per_city(warehouse)
        ],
    )


def section(courses: Courses, label: str) -> Section:
    """The part of the page; `label` is what people call the system."""
    return Section(label, HEADING, f"{answers.SYSTEM}/report.html.j2", courses)


def _ranked(counts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda count: (-count[1], count[0]))
