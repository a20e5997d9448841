"""The report page: one self-contained HTML file that answers the three questions of pinter-skuy.

It loads nothing, runs no script and is bilingual: both languages are in the file, one is shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lumbung.errors import SettingError
from lumbung.report import charts
from lumbung.report.language import LANGUAGES, shown

BARS_SHOWN = 20
REJECTS_SHOWN = 100
RAW_SHOWN = 500


@dataclass(frozen=True)
class CategoryCount:
    """A course category with its distinct students and its enrollments."""

    name: str
    students: int
    enrollments: int


@dataclass(frozen=True)
class TopMentor:
    """A mentor whose RANK by enrollments of all their courses is 3 or better."""

    rank: int
    mentor_id: str
    mentor_name: str
    enrollments: int


@dataclass(frozen=True)
class Freshness:
    """What a system's published tables were built from; `state` is `provisional` or `final`."""

    system: str
    published_day: date
    generation: int
    extracted_at: datetime
    published_at: datetime
    state: str


@dataclass(frozen=True)
class Accounting:
    """Where the rows of one source and day went."""

    source: str
    day: date
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    note: str = ""

    @property
    def balanced(self) -> bool:
        """Whether rows read = rows loaded + rows rejected."""
        return self.rows_read == self.rows_loaded + self.rows_rejected


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not loaded, as the source had it; `line` is None where a source has no lines."""

    source: str
    line: int | None
    raw: str
    reason: str


@dataclass(frozen=True)
class ReportData:
    """All that the page shows, in any order.

    Attributes:
        day: the business day the tables were built for.
        generated_at: when the page was made, with a zone.
        looker_url: https address of the Looker Studio report, if there is one.
        project: the BigQuery project; None: the local server.
        students_per_city: (city, distinct students with at least one course).
        categories: one for each course category.
        top_mentors: mentors with RANK <= 3, all ties kept.
        enrollments_per_mentor: (mentor's name, enrollments), one for each mentor.
        freshness: one for each system.
        accounting: one for each source and day.
        rejects: the rejected rows, or the first of them; the page shows 100, and the total from `accounting`.
        daily: (snapshot day, category, enrollments).
    """

    day: date
    generated_at: datetime
    looker_url: str | None
    project: str | None
    students_per_city: list[tuple[str, int]]
    categories: list[CategoryCount]
    top_mentors: list[TopMentor]
    enrollments_per_mentor: list[tuple[str, int]]
    freshness: list[Freshness]
    accounting: list[Accounting]
    rejects: list[RejectedRow]
    daily: list[tuple[date, str, int]]


def render(data: ReportData) -> str:
    """The report as an HTML page of its own.

    Raises:
        SettingError: `looker_url` is no https address.
        LumbungError: a time has no zone.
    """
    if data.looker_url is not None:
        _check_address(data.looker_url)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    cities = _ranked(data.students_per_city)
    named_cities = [(name, students) for name, students in cities if name.strip()]
    categories = sorted(data.categories, key=lambda c: (-c.students, -c.enrollments, c.name))
    mentors = sorted(data.top_mentors, key=lambda m: (m.rank, m.mentor_name, m.mentor_id))
    mentor_names = Counter(mentor.mentor_name for mentor in mentors)
    return environment.get_template("template.html.j2").render(
        data=data,
        languages=LANGUAGES,
        bar=charts.bar,
        line=charts.line,
        bars_shown=BARS_SHOWN,
        rejects_shown=REJECTS_SHOWN,
        raw_shown=RAW_SHOWN,
        cities=cities,
        named_cities=named_cities,
        no_city=sum(students for name, students in cities if not name.strip()),
        city_leaders=[name for name, students in named_cities if students == named_cities[0][1]],
        categories=categories,
        category_leaders=[c.name for c in categories if c.students == categories[0].students],
        mentors=mentors,
        mentor_ranks=[
            ([m.mentor_name for m in group], group[0].enrollments)
            for group in (list(group) for _, group in groupby(mentors, key=lambda m: m.rank))
        ],
        mentor_totals=_ranked(data.enrollments_per_mentor),
        same_names={name for name, times in mentor_names.items() if times > 1},
        days=sorted({day for day, _, _ in data.daily}),
        daily={(day, name): value for day, name, value in data.daily},
        series=_series(data.daily),
        unbalanced=[row for row in data.accounting if not row.balanced],
    )


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise SettingError(
            "not an https address", where=f"Looker Studio link {address!r}", remedy="copy the link from Looker Studio"
        )


def _ranked(pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _series(daily: list[tuple[date, str, int]]) -> list[tuple[str, list[tuple[date, int]]]]:
    """Each category's (day, enrollments) in order; the category that is largest on its last day comes first."""
    series: dict[str, list[tuple[date, int]]] = {}
    for day, name, value in sorted(daily):
        series.setdefault(name, []).append((day, value))
    return sorted(series.items(), key=lambda item: (-item[1][-1][1], item[0]))
