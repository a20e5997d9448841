"""Report data that the report's tests share."""

import random
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lumbung.report.data import ReportData
from lumbung.serving.contract_schema import ContractAnswers, ContractCount, EventCount
from lumbung.serving.schema import (
    Accounting,
    Author,
    CategoryCount,
    CityCount,
    DailyCount,
    Freshness,
    HourlyCount,
    RejectedRow,
    Section,
    TopMentor,
    TweetAnswers,
)
from lumbung.systems.cilvest import report as cilvest
from lumbung.systems.contract_events import report as contract_events
from lumbung.systems.pinter_skuy import report as pinter_skuy

DAY = date(2026, 11, 21)
NIGHT = datetime(2026, 11, 21, 17, 31, tzinfo=UTC)  # 00:31 of the next day in Jakarta
LOOKER = "https://lookerstudio.google.com/reporting/abc?x=1&y=2"
HOSTILE = [
    "<script>document.title = 'ran'</script>",
    '"><img src=x onerror="document.title = \'ran\'">',
    "'-->]]></style></title><svg onload=\"document.title = 'ran'\">",
    "{{ 7 * 7 }} {x} %s",
    "Abu \u202eevil\u2066 \ud800 \x00",
    "W" * 400,
    " \n",
    "",
]


def courses(**fields: Any) -> Section:
    """The section of courses; what is not given is empty."""
    names = [field.name for field in dataclass_fields(pinter_skuy.Courses)]
    return pinter_skuy.section(pinter_skuy.Courses(**{name: fields.get(name, []) for name in names}), "pinter-skuy")


def with_courses(data: ReportData, **fields: Any) -> ReportData:
    """The data with other courses; what is not given stays."""
    section, *others = data.sections
    return replace(data, sections=[pinter_skuy.section(replace(section.data, **fields), section.label), *others])


def with_tweets(data: ReportData, answers: TweetAnswers | None) -> ReportData:
    """The data with other answers about tweets, or without any."""
    demand = [cilvest.section(answers, "Cilvest")] if answers else []
    return replace(data, sections=[data.sections[0], *demand])


def with_contracts(data: ReportData, answers: ContractAnswers) -> ReportData:
    """The data with other answers about contracts."""
    return replace(data, sections=[*data.sections[:-1], contract_events.section(answers, "Contract events")])


def empty() -> ReportData:
    return ReportData(DAY, NIGHT, None, None, [courses()], [], [], [])


def clean() -> ReportData:
    """A small clean day: two mentors tie for first place and two for third."""
    return ReportData(
        day=DAY,
        generated_at=NIGHT,
        looker_url=LOOKER,
        project="pinter-skuy-prod",
        sections=[
            courses(
                students_per_city=[("Manado", 1), ("Bandung", 1200), ("", 1), ("Jakarta Selatan", 1200)],
                category_counts=[
                    CategoryCount("k-1", "desain", 0, 0),
                    CategoryCount("k-2", "data", 31, 46),
                    CategoryCount("k-3", "akuntansi", 24, 28),
                ],
                top_mentors=[
                    TopMentor(1, "B-1", "Aurélie", 20),
                    TopMentor(1, "B-2", "Wira", 20),
                    TopMentor(3, "11111111-A", "Sekar", 17),
                    TopMentor(3, "22222222-A", "Sekar", 17),
                ],
                enrollments_per_mentor=[
                    ("B-1", "Aurélie", 20),
                    ("B-2", "Wira", 20),
                    ("11111111-A", "Sekar", 17),
                    ("22222222-A", "Sekar", 17),
                    ("B-3", "Teuku", 0),
                ],
                enrollments_per_day=[
                    (DAY - timedelta(days=n), name, 46 - n) for n in range(3) for name in ("data", "akuntansi")
                ],
                students_per_day=[
                    (DAY - timedelta(days=n), name, 1200 - n) for n in range(3) for name in ("Bandung", "")
                ],
                mentors_per_day=[(DAY - timedelta(days=n), "Wira", 20 - n) for n in range(3)],
                branches_per_city=[CityCount("Bandung", 1200, 2, 240), CityCount("", 1, 0, 0)],
            ),
            cilvest.section(tweets("sintetis_a", "sintetis_b"), "Cilvest"),
            contract_events.section(contracts("Indonesia", "Singapura", "(unknown)"), "Contract events"),
        ],
        freshness=[Freshness("pinter_skuy", DAY, 3, NIGHT, NIGHT, "final")],
        accounting=[Accounting("student.json", DAY, 60, 60, 0), Accounting("mentor.csv", DAY, 12, 12, 0)],
        rejects=[],
    )


def big() -> ReportData:
    """10,000 cities and mentors, all mentors tied, and more days than are drawn."""
    choice = random.Random(1)
    names = [(f"{choice.getrandbits(128):032x}", f"Mentor Sintetis {n}") for n in range(10_000)]
    counts = [1 + int(choice.paretovariate(1.2)) % 300 for _ in names]
    days = [DAY - timedelta(days=n) for n in range(400)]
    return with_courses(
        clean(),
        students_per_city=[(f"Kota Sintetis {n}", count) for n, count in enumerate(counts)],
        top_mentors=[TopMentor(1, identity, name, 7) for identity, name in names],
        enrollments_per_mentor=[(*mentor, count) for mentor, count in zip(names, counts, strict=True)],
        enrollments_per_day=[(day, f"kategori {n}", 40 + n + day.day) for day in days for n in range(5)],
        students_per_day=[(day, f"Kota Sintetis {n}", 300 - n - day.day) for day in days[:60] for n in range(8)],
        mentors_per_day=[(day, f"Mentor Sintetis {n}", 300 - n - day.day) for day in days[:60] for n in range(8)],
        branches_per_city=[CityCount(f"Kota Sintetis {n}", count, n % 3, 80) for n, count in enumerate(counts)],
    )


def tweets(*authors: str) -> TweetAnswers:
    """Answers about tweets of two days with one between that has none."""
    first = DAY - timedelta(days=2)
    by_day = ((first, "saham", 1500), (first, "sukuk", 2), (DAY, "saham", 31))
    return TweetAnswers(
        total_tweet=1532,
        total_by_instrument={"reksadana": 0, "saham": 1531, "sukuk": 2},
        daily_by_instrument=[DailyCount(*row) for row in by_day],
        hourly_by_instrument=[
            HourlyCount(hour, name, hour if name == "saham" else 0)
            for hour in range(24)
            for name in ("reksadana", "saham", "sukuk")
        ],
        most_active_authors=[Author(1, name, 17) for name in authors],
    )


def contracts(*countries: str) -> ContractAnswers:
    """Answers about contracts: as many in each country, and events of two days with one between that has none."""
    days = [(DAY - timedelta(days=2), (1500, 0, 0)), (DAY, (3, 31, 2))]
    return ContractAnswers(
        contracts_by_country=[ContractCount(name, 500, 2, 7, 650, 640) for name in countries],
        events_by_operation={"INSERT": 1503, "UPDATE": 31, "DELETE": 2},
        events_by_day=[
            EventCount(day, operation, count, count, int(count > 0))
            for day, counts in days
            for operation, count in zip(("INSERT", "UPDATE", "DELETE"), counts, strict=True)
        ],
    )


def hostile() -> ReportData:
    """Every text is hostile, and there is much of everything."""
    cities = [(f"Kota {n}", n) for n in range(1, 201)]
    return ReportData(
        day=DAY,
        generated_at=NIGHT,
        looker_url=LOOKER,
        project=HOSTILE[0],
        sections=[
            courses(
                students_per_city=[*cities, *((text, 9000) for text in HOSTILE)],
                category_counts=[CategoryCount(text, text, 12, 30) for text in HOSTILE],
                top_mentors=[TopMentor(1, text, text, 20) for text in HOSTILE for _ in range(2)],
                enrollments_per_mentor=[(text, text, 20) for text in HOSTILE],
                enrollments_per_day=[(DAY - timedelta(days=n), text, n) for n in range(30) for text in HOSTILE],
                students_per_day=[(DAY - timedelta(days=n), text, n) for n in range(30) for text in HOSTILE],
                mentors_per_day=[(DAY - timedelta(days=n), text, n) for n in range(30) for text in HOSTILE],
                branches_per_city=[CityCount(text, 9000, 2, 80) for text in HOSTILE],
            ),
            cilvest.section(tweets(*HOSTILE), "Cilvest"),
            contract_events.section(contracts(*HOSTILE), "Contract events"),
        ],
        freshness=[Freshness(text, DAY, 1, NIGHT, NIGHT, state) for text in HOSTILE for state in ("provisional", text)],
        accounting=[Accounting(text, DAY, 1000, 990, 9, text) for text in HOSTILE],
        rejects=[RejectedRow(text, n or None, text * 3, text) for n, text in enumerate(HOSTILE * 20)],
    )
