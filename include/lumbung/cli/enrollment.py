"""The commands of the enrollments: `lumbung run`, `backfill`, `answers`, `generate`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lumbung.cli import console
from lumbung.cli.runs import All, Json, reading, run_dag, warehouse_at, write_report
from lumbung.core import day as business_day
from lumbung.core import settings as settings_module
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.systems.registry import by_dag

if TYPE_CHECKING:
    from lumbung.local.services import Services
    from lumbung.orchestrator.api import Api

SYSTEM = by_dag("enrollment")


def run(
    day: Annotated[str | None, typer.Option(help="Business day, YYYY-MM-DD; default: today in Jakarta.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Take the sources again.")] = False,
    all_rows: All = False,
) -> None:
    """Run the warehouse for a day, and print the results."""
    from lumbung.local import services

    settings = settings_module.load()
    chosen = business_day.parse(day) if day else business_day.today()
    business_day.refuse_future(chosen)
    with services.starting(settings) as addresses:
        run_dag(settings, addresses, SYSTEM.dag_id, chosen, {"day": f"{chosen}", "refresh": refresh})
        _show(settings, addresses, chosen, all_rows=all_rows)


def backfill(
    first: Annotated[str, typer.Argument(metavar="FROM", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Argument(metavar="TO", help="Last day, included.")],
    reverse: Annotated[bool, typer.Option("--reverse", help="Newest day first.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Days at a time.")] = 2,
) -> None:
    """Run every day from FROM to TO through Airflow's backfill."""
    from lumbung.orchestrator.backfill import backfill as run_backfill

    settings = settings_module.load()
    start, end = business_day.parse(first), business_day.parse(last)
    days = (end - start).days + 1
    if days < 1:
        raise LumbungError(f"{start} is after {end}", where="backfill", remedy="give the first day first")
    business_day.refuse_future(end)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _airflow(settings) as api, Progress(*columns, console=console.err) as bar:
        task = bar.add_task("Backfill", total=days)

        def progress(done: int, waiting: str) -> None:
            bar.update(task, completed=done, description=waiting.capitalize() or "Backfill")

        results = run_backfill(api, SYSTEM.dag_id, start, end, reverse=reverse, parallel=parallel, progress=progress)
    console.table("Backfill", ("day", "state"), results.items())
    if failed := [f"{day}" for day, state in results.items() if state != "success"]:
        raise LumbungError(
            f"{len(failed)} of {days} days failed: {', '.join(failed)}",
            where="backfill",
            remedy="run such a day with `lumbung run --day` to see why",
        )


def answers(as_json: Json = False, all_rows: All = False) -> None:
    """Print the answers to the three questions from what is published."""
    settings = settings_module.load()
    with reading(settings) as warehouse:
        result = SYSTEM.answers(warehouse)
    console.print_result(result, as_json=as_json, all_rows=all_rows)
    if not as_json and (url := SYSTEM.looker_url(settings)):
        console.out.print(f"Looker Studio: {url}", soft_wrap=True)


def generate(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the six files.")],
    enrollments: Annotated[int, typer.Option(min=1, help="Enrollments; the other sources are in proportion.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Write synthetic sources of any size."""
    with console.progress() as show:
        rows = SYSTEM.generate(folder, rows=enrollments, seed=seed, progress=show)
    console.table(f"{folder}", ("file", "rows"), rows.items(), numbers=("rows",))


def _show(settings: Settings, addresses: Services, day: date, *, all_rows: bool) -> None:
    from lumbung.storage.lake import open_lake

    warehouse = warehouse_at(settings, addresses.emulator_host)
    console.accounting(SYSTEM.accounting(open_lake(settings), day))
    console.show(SYSTEM.answers(warehouse), all_rows=all_rows)
    console.out.print(f"Report: {write_report(settings, warehouse)}", soft_wrap=True)


@contextlib.contextmanager
def _airflow(settings: Settings) -> Iterator[Api]:
    """The API of a running Airflow: the one of `up`, or one of our own."""
    from lumbung.local import services
    from lumbung.orchestrator.up import connect, started

    with services.running(settings) as addresses:
        if api := connect(settings):
            yield api
            return
        console.err.print("Starting Airflow")
        with started(settings, addresses, console.err.print) as api:
            yield api
