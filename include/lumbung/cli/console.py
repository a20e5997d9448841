"""What commands print: results for people, and JSON for programs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import singledispatch
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from lumbung.core.settings import variable
from lumbung.serving.contract_schema import ContractAnswers
from lumbung.serving.schema import (
    FAILED,
    Accounting,
    CleanedDay,
    DailyCount,
    EnrollmentAnswers,
    Finding,
    HourlyCount,
    KafkaStatus,
    LakeStatus,
    ModelAnswers,
    ModelsStatus,
    Result,
    TweetAnswers,
    TweetStatus,
)

PIPE_WIDTH = 160
ROWS = 20  # of an answer's table, that people see: there may be thousands of cities

out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

MARKS = {"success": "[green]ok[/]", "failed": "[red]failed[/]", "skipped": "[yellow]skipped[/]"}


def print_json(value: Any) -> None:
    """Print JSON; what it does not know, such as dates, as text."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))  # noqa: T201


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numbers: Sequence[str] = (),
    limit: int | None = None,
    newest_last: bool = False,
) -> None:
    """Print rows; the columns in `numbers` are aligned right.

    Args:
        title: what the rows are.
        columns: their names.
        rows: the cells of each row, in the columns' order.
        numbers: names of the columns that hold numbers.
        limit: how many rows are printed, and how many more there are; None: all.
        newest_last: whether the last rows are those that are printed.
    """
    rows = list(rows)
    more = 0 if limit is None else max(0, len(rows) - limit)
    kept = rows[more:] if newest_last else rows[: len(rows) - more]
    out.print(f"[bold]{escape(title)}[/]")
    drawn = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        drawn.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in kept:
        drawn.add_row(*(value if column == "" else _cell(value) for column, value in zip(columns, row, strict=True)))
    out.print(drawn)
    if more:
        out.print(f"… and {more:,} {'earlier' if newest_last else 'more'} rows: answers --all", style="dim")
    out.print()


def tasks(instances: Iterable[dict[str, Any]], records: dict[str, dict[str, Any]]) -> None:
    """One line per task: state, rows, seconds."""
    rows = []
    for task in instances:
        step = records.get(task["task_id"], {})
        note = "" if step.get("note", "").startswith(FAILED) else step.get("note", "")
        rows.append(
            (
                MARKS.get(task["state"], escape(str(task["state"]).replace("_", " "))),
                task["task_id"],
                step.get("rows_out"),
                seconds(task["start"], task["end"]),
                note,
            )
        )
    table("Tasks", ("", "task", "rows", "seconds", "note"), rows, numbers=("rows", "seconds"))


def accounting(rows: Iterable[Accounting]) -> None:
    """Where each source's rows went."""
    table(
        "Rows: read = loaded + rejected",
        ("source", "day", "read", "loaded", "rejected"),
        [(row.source, row.day, row.rows_read, row.rows_loaded, row.rows_rejected) for row in rows],
        numbers=("read", "loaded", "rejected"),
    )


def tweet_accounting(rows: Iterable[Accounting], days: Iterable[CleanedDay]) -> None:
    """Where the messages of Kafka went, and the tweets of each day."""
    table(
        "Rows: read from Kafka = tweets + rejected",
        ("read", "tweets", "rejected"),
        [(row.rows_read, row.rows_loaded, row.rows_rejected) for row in rows],
        numbers=("read", "tweets", "rejected"),
    )
    table(
        "Tweets: landed = clean + dropped (repeats, edits, retweets, other languages)",
        ("day", "landed", "clean", "dropped"),
        [(day.day, day.rows_landed, day.rows_clean, day.rows_dropped) for day in days],
        numbers=("landed", "clean", "dropped"),
    )


def findings(rows: Iterable[Finding]) -> None:
    """What the doctor found."""
    marks = {True: "[green]ok[/]", False: "[red]missing[/]"}
    table(
        "Doctor",
        ("", "check", "found", "remedy"),
        [(marks[row.ok], row.name, row.found, "" if row.ok else row.remedy) for row in rows],
    )


def print_result(result: Result, *, as_json: bool, all_rows: bool = False) -> None:
    """Print a result for programs, which get all of it, or for people."""
    if as_json:
        print_json(result.to_json())
    else:
        show(result, all_rows=all_rows)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each name: gives a function of a name, what is done of it, and all of it."""
    with Progress(console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done)

        yield report


def show(result: Result, *, all_rows: bool = False) -> None:
    """Print a result for people: of the answers' tables at most `ROWS` rows, or all."""
    _print(result, None if all_rows else ROWS)


@singledispatch
def _print(result: Result, _limit: int | None) -> None:
    """Each type in its own way."""
    raise TypeError(f"{type(result).__name__} has no table")


@_print.register
def _enrollment_answers(answers: EnrollmentAnswers, limit: int | None) -> None:
    out.print(f"[bold]Published: {answers.day}[/]\n")
    table(
        "1. Students with at least one course, per city",
        ("city", "students"),
        answers.students_per_city.items(),
        numbers=("students",),
        limit=limit,
    )
    table(
        "2. Students per course category (a student counts once in each category; an enrollment always)",
        ("category", "students", "enrollments"),
        [
            (name, answers.students_per_category.get(name, 0), count)
            for name, count in answers.enrollments_per_category.items()
        ],
        numbers=("students", "enrollments"),
        limit=limit,
    )
    table(
        "3. Top 3 mentors by enrollments in their courses (all ties)",
        ("rank", "mentor", "enrollments"),
        [(mentor.rank, mentor.mentor_name, mentor.enrollments) for mentor in answers.top_mentors],
        numbers=("rank", "enrollments"),
        limit=limit,
    )
    if answers.branches_per_city:
        table(
            "Campus branches per city, beside the students of question 1",
            ("city", "students", "branches", "seats"),
            [(count.city, count.students, count.branches, count.seats) for count in answers.branches_per_city],
            numbers=("students", "branches", "seats"),
            limit=limit,
        )


@_print.register
def _tweet_answers(answers: TweetAnswers, limit: int | None) -> None:
    out.print(f"[bold]Tweets that name an instrument: {answers.total_tweet:,}[/]\n")
    table(
        "Tweets per instrument (one that names several counts for each)",
        ("instrument", "tweets"),
        answers.total_by_instrument.items(),
        numbers=("tweets",),
        limit=limit,
    )
    names = list(answers.total_by_instrument)
    daily = ((row.date, row) for row in answers.daily_by_instrument)
    _by_instrument("Tweets per day", "date", names, daily, limit)
    hourly = ((row.hour, row) for row in answers.hourly_by_instrument)
    _by_instrument("Tweets per hour of the day, Jakarta", "hour", names, hourly, limit)
    table(
        "Most active authors (more than one tweet, ten ranks, all ties)",
        ("rank", "author", "tweets"),
        [(author.rank, author.user_name, author.tweets) for author in answers.most_active_authors],
        numbers=("rank", "tweets"),
        limit=limit,
    )


def _by_instrument(
    title: str,
    key: str,
    names: list[str],
    rows: Iterable[tuple[date | int, DailyCount | HourlyCount]],
    limit: int | None,
) -> None:
    """A row for each day or hour, a column for each instrument."""
    counts: dict[date | int, dict[str, int]] = {}
    for at, row in rows:
        counts.setdefault(at, dict.fromkeys(names, 0))[row.instrument] = row.tweets
    cells = [(at, *by_name.values()) for at, by_name in counts.items()]
    table(title, (key, *names), cells, numbers=names, limit=limit, newest_last=key == "date")


@_print.register
def _tweet_status(status: TweetStatus, _limit: int | None) -> None:
    spool, x = status.spool, status.x
    published = [
        (f"published in run {row.run_id}", f"version {row.version}, {row.published_at.isoformat()}")
        for row in status.warehouse
    ]
    rows_by_place: dict[str, list[tuple[str, Any]]] = {
        "spool": [
            ("files to ship", spool.files_to_ship),
            ("files shipped", spool.files_shipped),
            ("error files", spool.error_files),
        ],
        "kafka": _kafka_rows(status.kafka),
        "lake": _lake_rows(status.lake),
        "warehouse": published or [("published", "nothing yet")],
        "x": [
            ("token", "set" if x.has_token else "not set"),
            (f"US$ spent in {x.month}", x.usd_spent),
            ("US$ allowed", x.usd_allowed),
            ("collected up to", x.collected_up_to),
            ("search", "complete" if x.is_complete else "cut short; the next one goes on"),
        ],
    }
    table("Tweets", ("place", "what", "now"), [(place, *row) for place, rows in rows_by_place.items() for row in rows])


def _kafka_rows(kafka: KafkaStatus) -> list[tuple[str, Any]]:
    if kafka.address is None:
        return [("address", f"none yet; the first run starts one, or set {variable('kafka')}")]
    if kafka.lag is None:
        return [("address", kafka.address), ("lag", f"unknown: {kafka.problem}")]
    return [("address", kafka.address), ("topic", kafka.topic), ("lag (offsets not landed)", kafka.lag)]


def _lake_rows(lake: LakeStatus) -> list[tuple[str, Any]]:
    if lake.last_landed is None:
        return [("tweets", lake.tweets)]
    return [
        ("read from Kafka", lake.rows_read),
        ("tweets", lake.tweets),
        ("rejected", lake.rejected),
        ("days", lake.days),
        ("last landed", lake.last_landed.isoformat()),
        ("version", lake.version),
    ]


@_print.register
def _model_answers(answers: ModelAnswers, limit: int | None) -> None:
    table(
        "Models, measured on the batch after theirs; a: each batch alone, b: all batches up to it",
        ("model", "metric", "value", "without a model", "truth", "better is", "beats it", "served"),
        [
            (
                *(row.model_id, row.metric, *map(_number, (row.value, row.baseline, row.truth)), row.better),
                *({True: "yes", False: "no", None: ""}[row.beats_baseline], row.served),
            )
            for row in answers.quality
        ],
        numbers=("value", "without a model", "truth"),
        limit=limit,
    )
    moving = [row for row in answers.drift if row.level not in (None, "stable")]
    table(
        "Drift: features that differ from the batch before (PSI from 0.1)",
        ("batch", "feature", "PSI", "mean", "mean before", "level"),
        [
            (f"{row.batch}", row.feature, *map(_number, (row.psi, row.mean, row.mean_before)), row.level)
            for row in moving
        ],
        numbers=("PSI", "mean", "mean before"),
        limit=limit,
    )


@_print.register
def _contract_answers(answers: ContractAnswers, limit: int | None) -> None:
    columns = ("contracts", "held", "without a party", "relations", "parties")
    table(
        "Contracts per country, as they were sent last (a party with contracts in two countries counts in both)",
        ("country", *columns),
        [
            (
                *(row.country, row.contract_count, row.held_count),
                *(row.without_party_count, row.relation_count, row.party_count),
            )
            for row in answers.contracts_by_country
        ],
        numbers=columns,
        limit=limit,
    )
    by_day: dict[date, dict[str, int]] = {}
    for row in answers.events_by_day:
        by_day.setdefault(row.event_date, {})[row.operation] = row.event_count
    operations = list(answers.events_by_operation)
    days = [(f"{day}", *(counts[operation] for operation in operations)) for day, counts in by_day.items()]
    table(
        "Events by operation and day",
        ("day", *operations),
        [*days, ("all days", *answers.events_by_operation.values())],
        numbers=operations,
        limit=limit,
        newest_last=True,
    )


@_print.register
def _models_status(status: ModelsStatus, _limit: int | None) -> None:
    table(
        "Batches",
        ("batch", "rows", "rejected", "first seq", "last seq"),
        [(f"{row.number}", row.rows, row.rejected, row.first_seq, row.last_seq) for row in status.batches],
        numbers=("rows", "rejected", "first seq", "last seq"),
    )
    metrics = list(dict.fromkeys(name for model in status.models for name in model.metrics))
    table(
        "Models: each metric beside the same without a model, and the truth's",
        ("model", "rows", *metrics),
        [(row.id, row.rows, *(_beside(row.metrics.get(name)) for name in metrics)) for row in status.models],
        numbers=("rows", *metrics),
    )


def _beside(metric: dict[str, Any] | None) -> str:
    """A metric as value / baseline / truth; empty where it is not measured."""
    return " / ".join(_number(metric[name]) or "-" for name in ("value", "baseline", "truth")) if metric else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


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
