"""What commands print for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lumbung.report import Accounting
from lumbung.systems.cilvest.answers import TweetAnswers
from lumbung.systems.pinter_skuy.answers import Answers

PIPE_WIDTH = 160

out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

MARKS = {"success": "[green]ok[/]", "failed": "[red]failed[/]", "skipped": "[yellow]skipped[/]"}


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()) -> None:
    """Print rows; the columns in `numbers` are aligned right."""
    out.print(f"[bold]{escape(title)}[/]")
    drawn = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        drawn.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(value if column == "" else _cell(value) for column, value in zip(columns, row, strict=True)))
    out.print(drawn)
    out.print()


def tasks(instances: Iterable[dict[str, Any]], records: dict[str, dict[str, Any]]) -> None:
    """One line per task: state, rows, seconds."""
    rows = []
    for one in instances:
        step = records.get(one["task_id"], {})
        note = "" if step.get("note", "").startswith("failed: ") else step.get("note", "")
        rows.append(
            (
                MARKS.get(one["state"], escape(str(one["state"]).replace("_", " "))),
                one["task_id"],
                step.get("rows_out"),
                seconds(one["start"], one["end"]),
                note,
            )
        )
    table("Tasks", ("", "task", "rows", "seconds", "note"), rows, numbers=("rows", "seconds"))


def accounting(rows: Iterable[Accounting]) -> None:
    """Where each source's rows went."""
    table(
        "Rows: read = loaded + rejected",
        ("source", "day", "read", "loaded", "rejected"),
        [(one.source, one.day, one.rows_read, one.rows_loaded, one.rows_rejected) for one in rows],
        numbers=("read", "loaded", "rejected"),
    )


def answers(found: Answers) -> None:
    """The three questions, answered."""
    out.print(f"[bold]Published: {found.day}[/]\n")
    table(
        "1. Students with at least one course, per city",
        ("city", "students"),
        found.students_per_city.items(),
        numbers=("students",),
    )
    table(
        "2. Students per course category (a student counts once in each category; an enrollment always)",
        ("category", "students", "enrollments"),
        [
            (name, found.students_per_category.get(name, 0), count)
            for name, count in found.enrollments_per_category.items()
        ],
        numbers=("students", "enrollments"),
    )
    table(
        "3. Top 3 mentors by enrollments in their courses (all ties)",
        ("rank", "mentor", "enrollments"),
        [(one["rank"], one["mentor_name"], one["enrollments"]) for one in found.top_mentors],
        numbers=("rank", "enrollments"),
    )


def tweet_answers(found: TweetAnswers) -> None:
    """Cilvest's five questions, answered."""
    out.print(f"[bold]Tweets that name an instrument: {found.total_tweet:,}[/]\n")
    table(
        "Tweets per instrument (one that names several counts for each)",
        ("instrument", "tweets"),
        found.total_by_instrument.items(),
        numbers=("tweets",),
    )
    names = list(found.total_by_instrument)
    for title, key, rows in (
        ("Tweets per day", "date", found.daily_by_instrument),
        ("Tweets per hour of the day, Jakarta", "hour", found.hourly_by_instrument),
    ):
        counts: dict[Any, dict[str, int]] = {}
        for row in rows:
            counts.setdefault(row[key], dict.fromkeys(names, 0))[row["instrument"]] = row["tweets"]
        table(title, (key, *names), [(at, *by.values()) for at, by in counts.items()], numbers=names)
    table(
        "Most active authors (more than one tweet, ten ranks, all ties)",
        ("rank", "author", "tweets"),
        [tuple(row.values()) for row in found.most_active_authors],
        numbers=("rank", "tweets"),
    )


def seconds(start: str | None, end: str | None) -> str:
    """Seconds between two ISO 8601 times."""
    if not (start and end):
        return ""
    return f"{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.1f}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return escape(shown(f"{value:,}" if isinstance(value, int) else str(value)))


def shown(text: str) -> str:
    """A source's text without control characters: they must not reach the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
