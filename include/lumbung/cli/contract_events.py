"""The commands of contract events: `lumbung contract-events`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumbung.cli import console
from lumbung.cli.contract_schema import app as schema_app
from lumbung.cli.runs import (
    All,
    Json,
    check_kafka_of_up,
    day_or_today,
    reading,
    run_dag,
    running_kafka,
    warehouse_at,
    write_report,
)
from lumbung.core import day as business_day
from lumbung.core import settings as settings_module
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake, open_lake
from lumbung.systems.registry import by_dag

if TYPE_CHECKING:
    from lumbung.local.services import Services

SYSTEM = by_dag("contract_events")
SAMPLES = 3
VERIFY_REMEDY = (
    "Foreign messages: find out who else writes to the topic. Messages that are missing or changed: delete the topic,"
    " if this lake alone sends to it, and run again: it gets all sendings again, in order."
)

app = typer.Typer(
    no_args_is_help=True, help="A bank's contracts: compared with what was sent last, and what changed sent to Kafka."
)
app.add_typer(schema_app, name="schema")

DayOption = Annotated[str | None, typer.Option(help="Business day, YYYY-MM-DD; default: today in Jakarta.")]
Source = Annotated[
    Path | None, typer.Option("--source", metavar="DIR", help="Folder of the three files; default: the setting.")
]


@app.command()
def run(
    day: DayOption = None,
    source: Source = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Take the sources again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
) -> None:
    """Run the whole path through Airflow, from the sources to Kafka and the marts; print events and three messages.

    With --source or --dry-run the sources are taken again, also where the day has a snapshot.
    """
    conf = {"source": _folder(source), "refresh": refresh or dry_run or source is not None, "dry_run": dry_run}
    _run([day_or_today(day)], conf)


@app.command()
def backfill(
    first: Annotated[str, typer.Argument(metavar="FROM", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Argument(metavar="TO", help="Last day, included.")],
    source: Source = None,
) -> None:
    """Run the days FROM to TO in order, one at a time; it ends at the first one that fails."""
    start, end = business_day.parse(first), day_or_today(last)
    if start > end:
        raise LumbungError(f"{start} is after {end}", where="backfill", remedy="give the first day first")
    days = [start + timedelta(days=number) for number in range((end - start).days + 1)]
    _run(days, {"source": _folder(source)})


@app.command()
def messages(as_json: Json = False) -> None:
    """Print the topic's messages that are committed, by partition and offset."""
    with running_kafka(settings_module.load()) as settings:
        found = SYSTEM.step("messages")(settings)
        if as_json:
            _print_list(message.to_json() for message in found)
            return
        for message in found:
            content = message.to_json()
            console.out.print(
                f"{message.partition}/{message.offset} {content['key']} {_operation(content['value'])}",
                soft_wrap=True,
                markup=False,
            )


@app.command()
def show(
    contract: Annotated[str, typer.Argument(metavar="ID", help="The contract: the account's number.")],
    as_json: Json = False,
) -> None:
    """Print a contract's history: its events, and its state after them."""
    history = SYSTEM.step("history")(open_lake(settings_module.load()), contract)
    if not history.events:
        raise LumbungError("nothing was ever sent of it", where=contract, remedy="check the number of the account")
    if as_json:
        console.print_json(history.to_json())
        return
    console.table(
        f"Events of {contract}",
        ("sending", "day", "generation", "operation", "payload"),
        [
            (
                event["sending"],
                event["day"],
                event["generation"],
                event["operation"],
                json.dumps(event["value"]["payload"], ensure_ascii=False) if event["value"] else "",
            )
            for event in history.events
        ],
        numbers=("sending", "generation"),
    )
    if history.contract is None:
        console.out.print("It is deleted")
        return
    state = {name: _yes_or_no(value) if isinstance(value, bool) else value for name, value in history.contract.items()}
    console.table("The contract as sent", ("column", "value"), state.items())
    if history.parties:
        columns = [name for name in history.parties[0] if name != "contract_id"]
        rows = [[party[name] for name in columns] for party in history.parties]
        console.table("Its parties as sent", columns, rows)


@app.command()
def answers(as_json: Json = False, all_rows: All = False) -> None:
    """Print contracts by country, and events by operation and day, from what is published."""
    with reading(settings_module.load()) as warehouse:
        console.print_result(SYSTEM.answers(warehouse), as_json=as_json, all_rows=all_rows)


@app.command()
def verify(as_json: Json = False) -> None:
    """Compare the topic with the lake, message by message; exit status 1 where they differ."""
    with running_kafka(settings_module.load()) as settings:
        verified = SYSTEM.step("verify")(settings, open_lake(settings))
    differences = [difference._asdict() for difference in verified.differences]
    if as_json:
        console.print_json({"messages": verified.messages, "counts": verified.counts, "differences": differences})
    else:
        found = ", ".join(f"{count:,} {kind}" for kind, count in verified.counts.items())
        console.out.print(f"{verified.messages:,} messages in the lake; {found or 'the topic has the same'}")
        if differences:
            console.table("The first differences", list(differences[0]), [list(row.values()) for row in differences])
            console.out.print(VERIFY_REMEDY, soft_wrap=True)
    if differences:
        raise typer.Exit(1)


@app.command()
def generate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the three files.")],
    contracts: Annotated[int, typer.Option(min=1, help="Accounts; parties and addresses are in proportion.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    step: Annotated[int, typer.Option(min=0, metavar="DAYS", help="The state so many days later.")] = 0,
) -> None:
    """Write synthetic accounts, parties and addresses."""
    with console.progress() as progress:
        rows = SYSTEM.step("generate")(folder, contracts=contracts, seed=seed, step=step, progress=progress)
    console.table(f"{folder}", ("file", "rows"), rows.items(), numbers=("rows",))


def _run(days: Sequence[date], conf: dict[str, Any]) -> None:
    from lumbung.local import services

    settings = settings_module.load()
    check_kafka_of_up(settings)
    lake = open_lake(settings)
    before = _sent(lake, days)
    with services.starting(settings) as addresses, running_kafka(settings) as streaming:
        for day in days:
            run_dag(streaming, addresses, SYSTEM.dag_id, day, {"day": f"{day}", **conf})
        if not conf.get("dry_run"):
            sent = {name: count - before[name] for name, count in _sent(lake, days).items()}
            _show(streaming, addresses, days[-1], sent)


def _show(settings: Settings, addresses: Services, day: date, sent: dict[str, int]) -> None:
    lake, warehouse = open_lake(settings), warehouse_at(settings, addresses.emulator_host)
    console.accounting(SYSTEM.accounting(lake, day))
    console.show(SYSTEM.answers(warehouse))
    console.out.print(f"Report: {write_report(settings, warehouse)}\n", soft_wrap=True)
    console.table("Events sent by this command", ("operation", "events"), sent.items(), numbers=("events",))
    samples = list(islice(SYSTEM.step("samples")(lake), SAMPLES))
    if samples:
        console.out.print("[bold]Messages, the newest sending first[/]")
        console.out.print("\n".join(samples), soft_wrap=True, markup=False)


def _sent(lake: Lake, days: Sequence[date]) -> dict[str, int]:
    """How many messages of each operation the days' runs have sent, of any version: also what others had left."""
    found: dict[str, int] = SYSTEM.step("sent")(lake, days)
    return found


def _folder(source: Path | None) -> str | None:
    """The folder of the sources, from the folder that the command was given in.

    Raises:
        LumbungError: there is no such folder.
    """
    if source is None:
        return None
    folder = source.expanduser().resolve()
    if not folder.is_dir():
        raise LumbungError("there is no such folder", where=f"{source}", remedy="give the folder of accounts.csv")
    return f"{folder}"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _operation(event: Any) -> str:
    """What a message is, in one word."""
    if event is None:
        return "TOMBSTONE"
    try:
        return f"{event['payload']['contractIdentifier']['operation']}"
    except (KeyError, TypeError):
        return "not an event"


def _print_list(items: Any) -> None:
    """Print a JSON list, an item at a time: there may be millions."""
    print("[", end="")  # noqa: T201
    for number, item in enumerate(items):
        print("," if number else "", json.dumps(item, ensure_ascii=False), sep="\n", end="")  # noqa: T201
    print("\n]")  # noqa: T201
