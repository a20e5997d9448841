"""Cilvest's part of the report page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from lumbung.serving.page_table import Column, PageTable
from lumbung.serving.schema import Section, TweetAnswers

HEADING = ("Laporan permintaan", "Demand report")


@dataclass(frozen=True)
class Demand:
    """What the part draws of the answers about tweets."""

    answers: TweetAnswers

    @cached_property
    def totals(self) -> list[tuple[str, int]]:
        """(instrument, tweets), most first."""
        return sorted(self.answers.total_by_instrument.items(), key=lambda total: (-total[1], total[0]))

    @cached_property
    def days(self) -> list[date]:
        """Every day from the first to the last that has tweets."""
        dates = [row.date for row in self.answers.daily_by_instrument]
        return [min(dates) + timedelta(days=n) for n in range((max(dates) - min(dates)).days + 1)] if dates else []

    @cached_property
    def daily(self) -> list[tuple[str, list[tuple[date, int]]]]:
        """Each instrument's (day, tweets), 0 on days without; in the order of `totals`."""
        counts = {(row.date, row.instrument): row.tweets for row in self.answers.daily_by_instrument}
        return [(name, [(day, counts.get((day, name), 0)) for day in self.days]) for name, _ in self.totals]

    @cached_property
    def hours(self) -> list[tuple[str, list[int]]]:
        """Each instrument's tweets at the hours 0 to 23; in the order of `totals`."""
        counts = {(row.hour, row.instrument): row.tweets for row in self.answers.hourly_by_instrument}
        return [(name, [counts.get((hour, name), 0) for hour in range(24)]) for name, _ in self.totals]


def section(answers: TweetAnswers, label: str) -> Section:
    """The part of the page; `label` is what people call the system."""
    demand = Demand(answers)
    return Section(label, HEADING, "cilvest/report.html.j2", demand, _tables(demand))


def _tables(demand: Demand) -> dict[str, PageTable]:
    tweets = Column(("Cuitan", "Tweets"))
    return {
        "daily": PageTable(
            "cilvest-daily",
            ("Cuitan per hari dan instrumen", "Tweets by day and instrument"),
            ("hari", "day", "days"),
            [Column(("Hari", "Day"), "day"), *(Column((name, name)) for name, _ in demand.daily)],
            [
                (day, *(points[at][1] for _, points in demand.daily))
                for at, day in reversed(list(enumerate(demand.days)))
            ],
            query="datamart.tweet_daily_by_instrument",
        ),
        "author": PageTable(
            "cilvest-author",
            ("Penulis paling aktif", "Most active authors"),
            ("penulis", "author", "authors"),
            [Column(("Peringkat", "Rank")), Column(("Penulis", "Author"), "name"), tweets],
            [(row.rank, row.user_name, row.tweets) for row in demand.answers.most_active_authors],
            query="datamart.most_active_author",
        ),
    }
