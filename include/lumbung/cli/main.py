"""The command line: `lumbung`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumbung.cli.runs import Json, reading, run_dag, warehouse_at, write_report
from lumbung.cli.tweets import app as tweets_app
from lumbung.core import day as business_day
from lumbung.core import settings as settings_module
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings

if TYPE_CHECKING:
    from lumbung.local.services import Services
    from lumbung.orchestrator.api import Api

DAG_ID = "enrollment"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Lumbung: the daily warehouse of enrollments and tweets, on a laptop or on BigQuery.",
)

app.add_typer(tweets_app, name="tweets")


def main() -> None:
    """Run a command; an error is one paragraph on standard error and exit status 1."""
    debug = "--debug" in sys.argv
    arguments = [one for one in sys.argv[1:] if one != "--debug"]
    try:
        app(arguments)
    except LumbungError as error:
        if debug:
            raise
        from lumbung.cli.console import err

        err.print(str(error), style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `lumbung ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    del debug  # read in `main`, where it may stand anywhere


@app.command()
def run(
    day: Annotated[str | None, typer.Option(help="Business day, YYYY-MM-DD; default: today in Jakarta.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Take the sources again.")] = False,
) -> None:
    """Run the warehouse for a day, and print what came of it."""
    settings = settings_module.load()
    chosen = business_day.parse(day) if day else business_day.today()
    business_day.refuse_future(chosen)
    conf = {"day": f"{chosen}", "refresh": refresh}
    from lumbung.local import services

    with services.running(settings) as there:
        run_dag(settings, there, DAG_ID, chosen, conf)
        _show_answers(settings, there, chosen)


@app.command()
def backfill(
    first: Annotated[str, typer.Argument(metavar="FROM", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Argument(metavar="TO", help="Last day, included.")],
    reverse: Annotated[bool, typer.Option("--reverse", help="Newest day first.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Days at a time.")] = 2,
) -> None:
    """Run every day from FROM to TO through Airflow's backfill."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from lumbung.cli.console import err, table
    from lumbung.orchestrator.backfill import backfill as run_backfill

    settings = settings_module.load()
    start, end = business_day.parse(first), business_day.parse(last)
    days = (end - start).days + 1
    if days < 1:
        raise LumbungError(f"{start} is after {end}", where="backfill", remedy="give the first day first")
    business_day.refuse_future(end)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _airflow(settings) as (_, api), Progress(*columns, console=err) as bar:
        shown = bar.add_task("Backfill", total=days)

        def progress(done: int, waiting: str) -> None:
            bar.update(shown, completed=done, description=waiting.capitalize() or "Backfill")

        results = run_backfill(api, DAG_ID, start, end, reverse=reverse, parallel=parallel, progress=progress)
    table("Backfill", ("day", "state"), results.items())
    if failed := [f"{day}" for day, state in results.items() if state != "success"]:
        raise LumbungError(
            f"{len(failed)} of {days} days failed: {', '.join(failed)}",
            where="backfill",
            remedy="run such a day with `lumbung run --day` to see why",
        )


@app.command()
def answers(as_json: Json = False) -> None:
    """Print the answers to the three questions from what is published."""
    from lumbung.systems.pinter_skuy import answers as answering

    settings = settings_module.load()
    with reading(settings) as warehouse:
        found = answering.answers(warehouse)
    if as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False, indent=2))  # noqa: T201
        return
    from lumbung.cli import console

    console.answers(found)
    if settings.project:
        console.out.print(f"Looker Studio: {answering.looker_url(settings)}", soft_wrap=True)


@app.command()
def query(
    sql: Annotated[
        str, typer.Argument(help="A GoogleSQL query; data sets by plain name, such as datamart.top_mentor.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the bytes it would process, and do not run it.")
    ] = False,
) -> None:
    """Run a query on the warehouse."""
    from lumbung.cli import console

    if as_json + as_csv + dry_run > 1:
        raise LumbungError("only one of --json, --csv and --dry-run", where="lumbung query")
    with reading(settings_module.load()) as warehouse:
        if dry_run:
            console.out.print(f"{warehouse.dry_run(sql):,} bytes")
            return
        found = warehouse.rows(sql)
    if as_json:
        print(json.dumps(found.to_pylist(), ensure_ascii=False, indent=2, default=str))  # noqa: T201
    elif as_csv:
        found.to_pandas(types_mapper=_nullable).to_csv(sys.stdout, index=False)
    else:
        console.table(f"{found.num_rows:,} rows", found.column_names, (row.values() for row in found.to_pylist()))


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="Days of snapshots to keep, per system.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete old lake snapshots and staging partitions; never what is published."""
    from lumbung.cli import console
    from lumbung.pipeline.prune import prune as run_prune
    from lumbung.systems.registry import all_systems

    settings = settings_module.load()
    with reading(settings) as warehouse:
        pruned = run_prune(settings, warehouse, all_systems(), keep=keep, dry_run=dry_run)
    console.out.print(f"{'Would delete' if dry_run else 'Deleted'}: {pruned}")


@app.command()
def report() -> None:
    """Write the report page and print its path."""
    from lumbung.cli import console

    settings = settings_module.load()
    with reading(settings) as warehouse:
        path = write_report(settings, warehouse)
    console.out.print(f"Report: {path}", soft_wrap=True)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check what Lumbung needs, and say what is missing and what to do."""
    from lumbung.cli import console
    from lumbung.cli.doctor import checks

    findings = list(checks(settings_module.load()))
    if as_json:
        from dataclasses import asdict

        print(json.dumps([asdict(one) for one in findings], ensure_ascii=False, indent=2))  # noqa: T201
    else:
        marks = {True: "[green]ok[/]", False: "[red]missing[/]"}
        rows = [(marks[one.ok], one.name, one.found, "" if one.ok else one.remedy) for one in findings]
        console.table("Doctor", ("", "check", "found", "remedy"), rows)
    if not all(one.ok for one in findings):
        raise typer.Exit(1)


@app.command()
def budget(
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/budget.md.")] = False,
) -> None:
    """Print what the Cilvest service costs: the report's budget, the designs, the X API."""
    sys.path.append(str(settings_module.ROOT / "tools"))
    from budget import model, report

    figures = model.load()
    if as_json:
        print(json.dumps(report.to_json(figures), ensure_ascii=False, indent=2))  # noqa: T201
    elif as_markdown:
        print(report.markdown(figures), end="")  # noqa: T201
    else:
        from lumbung.cli import console

        for section in report.sections(figures):
            console.table(section.title, section.columns, section.rows, numbers=section.numbers)


@app.command()
def up() -> None:
    """Run Airflow's page, its scheduler and the local parts until Ctrl-C."""
    from lumbung.cli.console import out
    from lumbung.orchestrator.up import up as run_up

    run_up(settings_module.load(), lambda line: out.print(line, soft_wrap=True))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def airflow(context: typer.Context) -> None:
    """Run Airflow's own command line on this home: lumbung airflow dags test enrollment 2026-11-10."""
    import subprocess

    from lumbung.local import services
    from lumbung.local.airflow_database import prepare
    from lumbung.local.airflow_environment import program
    from lumbung.orchestrator.up import connect

    settings = settings_module.load()
    if settings.airflow_url:
        where = settings_module.variable("airflow_url")
        raise LumbungError("Airflow runs elsewhere", where=where, remedy="use its own command line, `airflow`")
    if context.args[:2] == ["dags", "test"] and connect(settings):
        raise LumbungError(
            "the scheduler of `lumbung up` would join in",
            where="airflow dags test",
            remedy="stop it, or use lumbung run --day",
        )
    with services.running(settings) as there:
        raise typer.Exit(subprocess.call([program(), *context.args], env=prepare(settings, there)))


@app.command()
def clean() -> None:
    """Delete all local state (LUMBUNG_HOME)."""
    import shutil

    from lumbung.local import kafka, services
    from lumbung.orchestrator.up import connect

    settings = settings_module.load()
    if connect(settings) or services.in_use(settings) or kafka.in_use(settings):
        raise LumbungError("a command uses it", where=str(settings.home), remedy="stop it first")
    if settings.home.exists():
        shutil.rmtree(settings.home)


@app.command()
def generate(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the five files.")],
    enrollments: Annotated[int, typer.Option(min=1, help="Enrollments; the other sources are in proportion.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Write synthetic sources of any size."""
    from rich.progress import Progress

    from lumbung.cli import console
    from lumbung.systems.pinter_skuy.generate import generate as run_generate

    with Progress(console=console.err) as bar:
        shown: dict[str, Any] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in shown:
                shown[name] = bar.add_task(name, total=total)
            bar.update(shown[name], completed=done)

        rows = run_generate(folder, enrollments=enrollments, seed=seed, progress=progress)
    console.table(f"{folder}", ("file", "rows"), rows.items(), numbers=("rows",))


def _show_answers(settings: Settings, there: Services, day: date) -> None:
    from lumbung.cli import console
    from lumbung.storage.lake import open_lake
    from lumbung.systems.pinter_skuy import answers as answering

    warehouse = warehouse_at(settings, there.emulator_host)
    console.accounting(answering.accounting(open_lake(settings), day))
    console.answers(answering.answers(warehouse))
    console.out.print(f"Report: {write_report(settings, warehouse)}", soft_wrap=True)


@contextlib.contextmanager
def _airflow(settings: Settings) -> Iterator[tuple[Services, Api]]:
    """A running Airflow: the one of `up`, or one of our own."""
    from lumbung.cli import console
    from lumbung.local import services
    from lumbung.orchestrator.up import connect, started

    with services.running(settings) as there:
        if api := connect(settings):
            yield there, api
            return
        console.err.print("Starting Airflow")
        with started(settings, there) as api:
            yield there, api


def _nullable(kind: Any) -> Any:
    """Whole numbers stay whole in pandas where some are missing."""
    import pandas as pd
    import pyarrow as pa

    return pd.Int64Dtype() if pa.types.is_integer(kind) else None
