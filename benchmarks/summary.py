"""The first table of docs/reference/performance.md: each goal, what is measured now, and beside what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BEGIN, END = "<!-- written by `make bench` -->", "<!-- end of what `make bench` writes -->"
UNITS = {"seconds": "s", "cpu": "s of CPU", "peak_mb": "MB"}
DAY, SMALL_DAY = "A day, 10,000,000 enrollments", "A day, 10,000 enrollments"
AGAIN = "The same day again, 1,000,000 enrollments"
REFRESHED = "The same day again, sources read again, 1,000,000 enrollments"
CHANGED = "The next day, 1 % changed, 1,000,000 enrollments"
WARM = "A warm run of the sample data"
BACKFILL = "A backfill of 30 days of the sample data through Airflow"
SHORT_BACKFILL = "A backfill of 5 days of the sample data through Airflow"
EXTRACT = "PostgreSQL to the lake, 10,000,000 rows"
OURS = "lumbung run"


@dataclass(frozen=True)
class Goal:
    """A goal.

    Attributes:
        what: what is measured.
        measure: the measure's name.
        ours: how our way's name begins.
        peer: how the other way's name begins; None: the figure itself counts, not its ratio.
        key: `seconds`, `cpu` or `peak_mb`.
        most: the ratio or the figure that is asked for, at most.
    """

    what: str
    measure: str
    ours: str
    peer: str | None
    key: str
    most: float


GOALS = (
    Goal("a day, 10 million enrollments", DAY, OURS, "a DuckDB script", "seconds", 1.8),
    Goal("its CPU", DAY, OURS, "a DuckDB script", "cpu", 2.0),
    Goal("its time beside the peer with the same checks", DAY, OURS, "dlt, dbt", "seconds", 0.5),
    Goal("its largest process", DAY, OURS, None, "peak_mb", 2000),
    Goal("a day, 10,000 enrollments", SMALL_DAY, OURS, "dlt, dbt", "seconds", 0.5),
    Goal("the same day again, 1 million", AGAIN, OURS, "lumbung run, the first day", "seconds", 0.4),
    Goal("the same, sources read again", REFRESHED, OURS, "lumbung run, the first day", "seconds", 0.4),
    Goal("the next day, 1 % changed", CHANGED, OURS, "dlt, dbt", "seconds", 0.5),
    Goal("a warm run of the sample data", WARM, OURS, "airflow dags test", "seconds", 1.6),
    Goal("its time", WARM, OURS, None, "seconds", 9),
    Goal("5 days by backfill, CPU", SHORT_BACKFILL, "lumbung backfill", "", "cpu", 1.6),
    Goal("30 days by backfill", BACKFILL, "lumbung backfill", None, "seconds", 170),
    Goal("the extract, 10 million rows", EXTRACT, "Lumbung's", "dlt", "seconds", 0.25),
    Goal("its memory", EXTRACT, "Lumbung's", None, "peak_mb", 350),
    Goal("1 million students in JSON, CPU", "1,000,000 students in JSON", "Lumbung's reader", "DuckDB", "cpu", 1.6),
    Goal(
        "5,000 landings beside 500, CPU", "The landings that a version is made of", "5,000", "500 landings", "cpu", 2.0
    ),
    Goal(
        "the local server's memory, a year",
        "A day of the first, and of the last of 365",
        "days 316",
        "days 1 ",
        "peak_mb",
        1.1,
    ),
)


def table(results: Mapping[str, Any]) -> list[str]:
    """The lines of the table; a goal that is not measured yet has a dash."""
    lines = ["| measure | goal | now | beside |", "|---|---|---|---|"]
    for goal in GOALS:
        took = results.get(goal.measure, {}).get("took", [])
        now, beside = "-", ""
        ours = _named(took, goal.ours, last=True)
        figure = ours.get(goal.key) if ours else None
        if figure is not None and goal.peer is None:
            now = _marked(figure, goal.most, f"{_short(figure)} {UNITS[goal.key]}")
        elif figure is not None and (peer := _named(took, goal.peer or "")) and peer.get(goal.key):
            ratio = figure / peer[goal.key]
            now = f"{_marked(ratio, goal.most, f'{ratio:.2f} x')}, {_short(figure)} {UNITS[goal.key]}"
            beside = f"{peer['what']}: {_short(peer[goal.key])} {UNITS[goal.key]}"
        asked = f"≤ {goal.most:g} {UNITS[goal.key]}" if goal.peer is None else f"≤ {goal.most:g} x"
        lines.append(f"| {goal.what} | {asked} | {now} | {beside} |")
    return lines


def inserted(page: str, results: Mapping[str, Any]) -> str:
    """A page with the table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([f"{before}{BEGIN}", "", *table(results), "", f"{END}{after}"])


def _named(took: Sequence[Mapping[str, Any]], start: str, *, last: bool = False) -> Mapping[str, Any] | None:
    named = [way for way in took if way["what"].startswith(start)]
    return named[-1 if last else 0] if named else None


def _marked(value: float, most: float, text: str) -> str:
    return text if value <= most else f"**{text}**"


def _short(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 10 else f"{figure:.2f}"
