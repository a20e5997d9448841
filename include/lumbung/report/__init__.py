"""The report page: one self-contained HTML file that answers the questions of pinter-skuy and, if any, of Cilvest.

It loads nothing, runs no script and is bilingual: both languages are in the file, one is shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lumbung.core.errors import SettingError
from lumbung.report import charts
from lumbung.report.language import LANGUAGES, shown

if TYPE_CHECKING:
    from lumbung.systems.cilvest.answers import TweetAnswers

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
        accounting: one for each source and day; tweets those of all days.
        rejects: the rejected rows, or the first of them; the page shows 100, and the total from `accounting`.
        daily: (snapshot day, category, enrollments).
        tweets: the answers about tweets; None: none are published.
        courses: whether enrollments are published; if not, what is of them is empty, and the page is about tweets.
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
    tweets: TweetAnswers | None = None
    courses: bool = True


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
        demand=_demand(data.tweets) if data.tweets else None,
    )


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise SettingError(
            "not an https address", where=f"Looker Studio link {address!r}", remedy="copy the link from Looker Studio"
        )


@dataclass(frozen=True)
class Demand:
    """What the page draws of the answers about tweets.

    Attributes:
        totals: (instrument, tweets), most first.
        days: every day from the first to the last that has tweets.
        daily: each instrument's (day, tweets), 0 on days without; in the order of `totals`.
        hours: each instrument's tweets at the hours 0 to 23.
        authors: (rank, user name, tweets).
    """

    totals: list[tuple[str, int]]
    days: list[date]
    daily: list[tuple[str, list[tuple[date, int]]]]
    hours: list[tuple[str, list[int]]]
    authors: list[tuple[int, str, int]]


def _demand(tweets: TweetAnswers) -> Demand:
    totals = _ranked(list(tweets.total_by_instrument.items()))
    daily = {(date.fromisoformat(row["date"]), row["instrument"]): row["tweets"] for row in tweets.daily_by_instrument}
    first, last = (min(daily)[0], max(daily)[0]) if daily else (date.max, date.min)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    hourly = {(row["hour"], row["instrument"]): row["tweets"] for row in tweets.hourly_by_instrument}
    return Demand(
        totals=totals,
        days=days,
        daily=[(name, [(day, daily.get((day, name), 0)) for day in days]) for name, _ in totals],
        hours=[(name, [hourly.get((hour, name), 0) for hour in range(24)]) for name, _ in totals],
        authors=[(row["rank"], row["user_name"], row["tweets"]) for row in tweets.most_active_authors],
    )


def _ranked(pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _series(daily: list[tuple[date, str, int]]) -> list[tuple[str, list[tuple[date, int]]]]:
    """Each category's (day, enrollments) in order; the category that is largest on its last day comes first."""
    series: dict[str, list[tuple[date, int]]] = {}
    for day, name, value in sorted(daily):
        series.setdefault(name, []).append((day, value))
    return sorted(series.items(), key=lambda item: (-item[1][-1][1], item[0]))
