"""The part of the report page about contracts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from lumbung.serving.contract_schema import ContractAnswers, ContractCount
from lumbung.serving.page_table import Column, PageTable
from lumbung.serving.schema import Section
from lumbung.systems.contract_events.answers import OPERATIONS

HEADING = ("Laporan kontrak", "Contract report")
UNKNOWN = "(unknown)"


@dataclass(frozen=True)
class Contracts:
    """What the part draws of the answers about contracts."""

    answers: ContractAnswers

    @property
    def countries(self) -> list[tuple[str, ContractCount]]:
        """(country, its counts), most contracts first; the country is "" where none is given."""
        return [("" if row.country == UNKNOWN else row.country, row) for row in self.answers.contracts_by_country]

    @cached_property
    def named_countries(self) -> list[tuple[str, ContractCount]]:
        """The countries that are not blank."""
        return [(name, row) for name, row in self.countries if name.strip()]

    @property
    def leading_countries(self) -> list[str]:
        """The countries with the most contracts."""
        most = self.named_countries[0][1].contract_count if self.named_countries else 0
        return [name for name, row in self.named_countries if row.contract_count == most]

    @cached_property
    def days(self) -> list[date]:
        """Every day from the first to the last that has events."""
        dates = [row.event_date for row in self.answers.events_by_day]
        return [min(dates) + timedelta(days=n) for n in range((max(dates) - min(dates)).days + 1)] if dates else []

    @cached_property
    def daily(self) -> list[tuple[str, list[tuple[date, int]]]]:
        """Each operation's (day, events), 0 on days without."""
        counts = {(row.event_date, row.operation): row.event_count for row in self.answers.events_by_day}
        return [(name, [(day, counts.get((day, name), 0)) for day in self.days]) for name in OPERATIONS]


def section(answers: ContractAnswers, label: str) -> Section:
    """The part of the page; `label` is what people call the system."""
    contracts = Contracts(answers)
    return Section(label, HEADING, "contract_events/report.html.j2", contracts, _tables(contracts))


def _tables(contracts: Contracts) -> dict[str, PageTable]:
    counts = [
        (row.contract_count, row.held_count, row.without_party_count, row.relation_count, row.party_count)
        for _, row in contracts.countries
    ]
    sums = [sum(column) for column in zip(*counts, strict=True)]
    titles = [
        ("Kontrak", "Contracts"),
        ("Ditahan", "Held"),
        ("Tanpa pihak", "Without a party"),
        ("Hubungan", "Relations"),
        ("Pihak", "Parties"),
    ]
    return {
        "country": PageTable(
            "contract_events-country",
            ("Kontrak per negara", "Contracts per country"),
            ("negara", "country", "countries"),
            [Column(("Negara", "Country"), "name"), *(Column(title) for title in titles)],
            [(name, *row) for (name, _), row in zip(contracts.countries, counts, strict=True)],
            query="datamart.contract_by_country",
            total=["", *sums[:-1], None],  # a party may be in two countries
            blank=("tanpa negara", "no country given"),
        ),
        "daily": PageTable(
            "contract_events-daily",
            ("Peristiwa per hari dan operasi", "Events by day and operation"),
            ("hari", "day", "days"),
            [Column(("Hari", "Day"), "day"), *(Column((name, name)) for name, _ in contracts.daily)],
            [
                (day, *(points[at][1] for _, points in contracts.daily))
                for at, day in reversed(list(enumerate(contracts.days)))
            ],
            query="datamart.contract_event_daily",
            total=[None, *contracts.answers.events_by_operation.values()],
        ),
    }
