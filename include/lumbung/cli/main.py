"""The command line: `lumbung`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lumbung.cli import author, console, enrollment
from lumbung.cli.contract_events import app as contract_events_app
from lumbung.cli.models import app as models_app
from lumbung.cli.runs import Json, reading, write_report
from lumbung.cli.tweets import app as tweets_app
from lumbung.core import settings as settings_module
from lumbung.core.errors import LumbungError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Lumbung: the daily warehouse of enrollments, tweets, models and contracts, on a laptop or on BigQuery.",
)

app.add_typer(tweets_app, name="tweets")
app.add_typer(models_app, name="models")
app.add_typer(contract_events_app, name="contract-events")


def main() -> None:
    """Run a command; an error is one paragraph on standard error and exit status 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        _check_environment()
        app(arguments)
    except LumbungError as error:
        if debug:
            raise
        console.err.print(str(error), style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `lumbung ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _check_environment() -> None:
    """Refuse the script of a copied checkout: it starts the original's code, which reads and writes its home."""
    script = Path(sys.argv[0]).resolve()
    environment = script.parent.parent
    if (environment / "pyvenv.cfg").exists() and environment != Path(sys.prefix).resolve():
        raise LumbungError(
            f"this environment was copied from {sys.prefix}, whose code it starts",
            where=str(environment),
            remedy="run make install in the copied checkout",
        )


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    del debug  # read in `main`, where it may stand anywhere


app.command()(enrollment.run)
app.command()(enrollment.backfill)
app.command()(enrollment.answers)


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
    if as_json + as_csv + dry_run > 1:
        raise LumbungError("only one of --json, --csv and --dry-run", where="lumbung query")
    with reading(settings_module.load()) as warehouse:
        if dry_run:
            console.out.print(f"{warehouse.dry_run(sql):,} bytes")
            return
        rows = warehouse.rows(sql)
    if as_json:
        console.print_json(rows.to_pylist())
    elif as_csv:
        rows.to_pandas(types_mapper=_nullable).to_csv(sys.stdout, index=False)
    else:
        console.table(f"{rows.num_rows:,} rows", rows.column_names, (row.values() for row in rows.to_pylist()))


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="Days of snapshots to keep, per system.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")] = False,
) -> None:
    """Delete old lake snapshots and staging partitions; never what is published."""
    from lumbung.pipeline.prune import prune as run_prune
    from lumbung.systems.registry import all_systems

    settings = settings_module.load()
    with reading(settings) as warehouse:
        pruned = run_prune(settings, warehouse, all_systems(), keep=keep, dry_run=dry_run)
    console.out.print(f"{'Would delete' if dry_run else 'Deleted'}: {pruned}")


@app.command()
def report() -> None:
    """Write the report page and print its path."""
    settings = settings_module.load()
    with reading(settings) as warehouse:
        path = write_report(settings, warehouse)
    console.out.print(f"Report: {path}", soft_wrap=True)


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    no_warehouse: Annotated[
        bool, typer.Option("--no-warehouse", help="Only what contracts and queries say; ask no warehouse.")
    ] = False,
) -> None:
    """Write the catalogue: a page for each table, which opens without a server, and contracts for programs."""
    from lumbung import catalogue

    settings = settings_module.load()
    with contextlib.ExitStack() as stack:
        warehouse = None if no_warehouse else stack.enter_context(reading(settings))
        entries = catalogue.write(out, warehouse, settings)
    console.out.print(f"Catalogue: {out / 'index.html'}, {len(entries.tables)} tables", soft_wrap=True)
    if entries.absent:
        console.err.print(f"Without figures of the warehouse: {entries.absent}", soft_wrap=True, markup=False)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check what Lumbung needs, and say what is missing and what to do."""
    from lumbung.cli.doctor.checks import checks

    findings = list(checks(settings_module.load()))
    if as_json:
        console.print_json([finding.to_json() for finding in findings])
    else:
        console.findings(findings)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def budget(
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the pages docs/reference/budget*.md.")] = False,
) -> None:
    """Print what the service of tweets costs: the report's budget, the designs, the X API."""
    tools = settings_module.ROOT / "tools"
    if not (tools / "budget").is_dir():
        raise LumbungError(
            "the budget's figures are in a checkout, not in what is installed here",
            where=str(tools),
            remedy="run lumbung budget in a checkout",
        )
    sys.path.append(str(tools))
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
    """Run Airflow's page, its scheduler and the local services until Ctrl-C."""
    from lumbung.orchestrator.up import up as run_up

    run_up(settings_module.load(), lambda line: console.out.print(line, soft_wrap=True))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def airflow(context: typer.Context) -> None:
    """Run Airflow's own command line on this home: lumbung airflow dags test enrollment 2026-11-10."""
    import subprocess

    from lumbung.local import services
    from lumbung.local.airflow_database import prepare
    from lumbung.local.airflow_environment import program
    from lumbung.local.airflow_stack import without_scheduler
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
    with services.running(settings) as addresses, contextlib.ExitStack() as stack:
        if context.args[:2] == ["dags", "test"]:
            stack.enter_context(without_scheduler(settings.home))
        raise typer.Exit(subprocess.call([program(), *context.args], env=prepare(settings, addresses)))


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


# After the others, as help lists them in this order.
app.command()(enrollment.generate)
app.add_typer(author.new, name="new")
app.command()(author.check)
app.command()(author.schema)


def _nullable(kind: Any) -> Any:
    """Whole numbers stay whole in pandas where some are missing."""
    import pandas as pd
    import pyarrow as pa

    return pd.Int64Dtype() if pa.types.is_integer(kind) else None
