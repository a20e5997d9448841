"""The commands for authors of tables, sources and systems: `lumbung new`, `check`, `schema`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from lumbung.catalog import analysis
from lumbung.catalog import check as checks
from lumbung.catalog.contract import SCHEMA, SQL_ROOT, Catalog, Kind, json_schema
from lumbung.cli import console
from lumbung.core import settings as settings_module
from lumbung.core.errors import LumbungError
from lumbung.core.settings import ROOT
from lumbung.pipeline.system import SnapshotSystem
from lumbung.systems import registry

if TYPE_CHECKING:
    from lumbung.cli.new.files import Files

new = typer.Typer(no_args_is_help=True, help="Write the files of a new table, source or system; nothing is replaced.")


@new.command()
def table(
    address: Annotated[str, typer.Argument(metavar="DATASET.TABLE", help="Such as datamart.student_count_by_country.")],
    origin: Annotated[
        str | None,
        typer.Option("--from", help="The table that it reads; default: the one with the most similar name."),
    ] = None,
) -> None:
    """Write a table: contract, query, and a test case with a row that the query throws out."""
    from lumbung.cli.new import table as tables

    read = tables.origin_of(address, origin, Catalog().contracts)
    _write(
        tables.files(address, read),
        f"It reads {read.address}; make the query, its contract and the case say what you want.",
        *_steps(address),
    )


@new.command()
def source(
    address: Annotated[str, typer.Argument(metavar="SYSTEM.TABLE", help="The system, and the table in staging.")],
    kind: Annotated[Kind, typer.Option(help="What it is read from.")],
) -> None:
    """Write a source: its contract, and a small sample; or the contract of the CSV file TABLE.csv that is there."""
    from lumbung.cli.new import source as sources

    name, _, entity = address.partition(".")
    owner = registry.system(name)
    if not isinstance(owner, SnapshotSystem):
        raise LumbungError(
            f"the sources of {name} are not taken as snapshots",
            where=address,
            remedy=f"add it to a system that takes snapshots, or to the steps of {name}",
        )
    files = sources.files(name, entity, kind, settings_module.load().data_source)
    advice = (
        f"The sample seeds the embedded PostgreSQL; another one is the Airflow connection {name}."
        if kind == "postgres"
        else "Put your own file where the sample is."
    )
    columns = (
        "Correct what the contract guesses from your file: the key, each column's name and what it means."
        if len(files) == 1
        else f"Name your source's columns in the contract. {advice}"
    )
    _write(
        files,
        columns,
        f"Check it: lumbung check staging.{entity}",
        f"Add a table that reads it: lumbung new table dwh.dim_{entity} --from staging.{entity}",
    )


@new.command()
def system(name: Annotated[str, typer.Argument(help="The system, such as a school or a shop; also its DAG.")]) -> None:
    """Write a system that runs: its folder, its DAG, a source with a sample, and a table."""
    from lumbung.cli.new import system as systems

    _write(
        systems.files(name, registry.all_systems(), settings_module.load().data_source),
        f"Run it: lumbung airflow dags test {name} YYYY-MM-DD; then: lumbung report",
        f"Add its sources and tables: lumbung new source {name}.…, lumbung new table …",
        *_steps(f"dwh.dim_{name}_item"),
    )


def check(
    address: Annotated[
        str | None, typer.Argument(metavar="[DATASET.TABLE]", help="One table; default: everything.")
    ] = None,
) -> None:
    """Check contracts, queries and test cases, without a server."""
    path = address and SQL_ROOT / f"{address.replace('.', '/')}"
    if path and not any(path.with_suffix(suffix).exists() for suffix in (".yaml", ".sql")):
        raise LumbungError(f"no table {address}", where=f"{path}.yaml", remedy="correct the name, or add the file")
    messages = checks.faults([known.name for known in registry.all_systems()])
    faults = [message for message in messages if not isinstance(message, analysis.UnjudgedError)]
    shown = [fault for fault in faults if address is None or checks.concerns(fault, address)]
    if reason := analysis.unavailable():
        console.err.print(f"SQL is only parsed, not analysed as BigQuery does: {reason}.", markup=False)
    for message in messages:
        if message not in faults and (address is None or checks.concerns(message, address)):
            console.err.print(str(message), markup=False)
    for fault in shown:
        console.err.print(str(fault), style="red", markup=False)
    if len(shown) < len(faults):
        console.err.print(f"{_count(len(faults) - len(shown))} of other tables: lumbung check")
    if shown:
        console.err.print(_count(len(shown)))
        raise typer.Exit(1)
    console.out.print(f"{address or 'All tables'}: no fault")


def schema(
    write: Annotated[bool, typer.Option("--write", help="Write it to include/sql/contract.schema.json.")] = False,
) -> None:
    """Print the JSON Schema of contracts, which editors check them with."""
    if write:
        SCHEMA.write_text(json_schema(), encoding="utf-8")
        console.out.print(f"Written: {SCHEMA}", soft_wrap=True)
    else:
        print(json_schema(), end="")  # noqa: T201


def _steps(address: str) -> Iterable[str]:
    yield f"Check it: lumbung check {address}"
    yield f"Try its query on a real server: .venv/bin/pytest tests/sql -k {address.partition('.')[2]}"
    yield "Draw the tables again: make erd"


def _write(files: Files, *steps: str) -> None:
    from lumbung.cli.new.files import write

    write(files)
    console.out.print("[bold]Written[/]")
    for path in files:
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        console.out.print(f"  {shown}", soft_wrap=True, markup=False)
    console.out.print("[bold]Next[/]")
    for step in steps:
        console.out.print(f"  {step}", soft_wrap=True, markup=False)


def _count(faults: int) -> str:
    return f"{faults} fault{'' if faults == 1 else 's'}"
