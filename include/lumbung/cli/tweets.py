"""The commands of the tweets: `lumbung tweets`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumbung.cli import console
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
from lumbung.core.settings import NO_SOURCE, Settings, TweetSource
from lumbung.systems.registry import by_dag

if TYPE_CHECKING:
    from lumbung.local.services import Services
    from lumbung.search.cluster import Cluster

SYSTEM = by_dag("tweets")

app = typer.Typer(
    no_args_is_help=True, help="Tweets about saham, reksadana and sukuk: collected, streamed, cleaned, counted."
)


DayOption = Annotated[str | None, typer.Option(help="Business day, YYYY-MM-DD; default: today in Jakarta.")]
SourceOption = Annotated[TweetSource, typer.Option(help="Where tweets come from.")]
PathOption = Annotated[Path | None, typer.Option(help="The archive's folder or file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")]
Forever = Annotated[bool, typer.Option("--forever", help="Go on until Ctrl-C.")]


@app.command()
def run(
    day: DayOption = None,
    source: SourceOption = "synthetic",
    path: PathOption = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Clean the day again.")] = False,
) -> None:
    """Run the whole path through Airflow: collect, ship, land, clean, build, publish, index; print the results."""
    chosen, archive = day_or_today(day), _archive(source, path)
    _run(chosen, {"refresh": refresh, "source": source, "path": archive and str(archive)})


@app.command()
def backfill(
    first: Annotated[str, typer.Argument(metavar="FROM", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Argument(metavar="TO", help="Last day, included.")],
) -> None:
    """Rebuild the days FROM to TO from the lake, in one run that collects nothing."""
    start, end = business_day.parse(first), day_or_today(last)
    if start > end:
        raise LumbungError(f"{start} is after {end}", where="backfill", remedy="give the first day first")
    _run(end, {"refresh": True, "refresh_from": f"{start}", "source": NO_SOURCE})


def _run(day: date, conf: dict[str, Any]) -> None:
    from lumbung.local import services

    settings = settings_module.load()
    check_kafka_of_up(settings)
    with services.starting(settings) as addresses, running_kafka(settings) as streaming:
        run_dag(streaming, addresses, SYSTEM.dag_id, day, {"day": f"{day}", **conf})
        _show(streaming, addresses, day)


@app.command()
def collect(
    source: SourceOption = "synthetic",
    path: PathOption = None,
    day: DayOption = None,
    every: Annotated[
        int | None, typer.Option(min=1, metavar="MINUTES", help="Collect again and again, until Ctrl-C.")
    ] = None,
) -> None:
    """Collect tweets into the spool."""
    settings, archive = settings_module.load(), _archive(source, path)
    _collect(settings, source, day, archive)
    while every:
        time.sleep(60 * every)
        _collect(settings, source, day, archive)


def _collect(settings: Settings, source: TweetSource, day: str | None, archive: Path | None) -> None:
    from lumbung.stream.collect import collect, open_source

    collected = collect(settings, open_source(settings, source, day=day_or_today(day), path=archive))
    console.table(
        "Collected",
        ("source", "files", "tweets", "not tweets", "requests", "US$"),
        [
            (
                collected.source,
                len(collected.files),
                collected.tweets,
                collected.refused,
                collected.requests,
                f"{collected.usd:.3f}",
            )
        ],
        numbers=("files", "tweets", "not tweets", "requests", "US$"),
    )
    for line in [*collected.notes, *(f"Lines that are not tweets: {file}" for file in collected.error_files)]:
        console.out.print(line, soft_wrap=True, markup=False)


@app.command()
def ship(forever: Forever = False) -> None:
    """Send the spool to Kafka, each line once."""
    from lumbung.stream.ship import ship

    with running_kafka(settings_module.load()) as settings:
        sent = ship(settings, forever=forever)
    console.table(
        "Shipped",
        ("topic", "files", "shipped before", "lines", "bad lines"),
        [(settings.kafka.topic, sent.files, sent.known, sent.lines, sent.bad)],
        numbers=("files", "shipped before", "lines", "bad lines"),
    )
    if sent.bad:
        console.out.print(f"Bad lines: {settings.spool / 'error'}", soft_wrap=True)


@app.command()
def land(
    forever: Forever = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long a message waits at most before it is landed.")
    ] = None,
    skip_lost: Annotated[
        bool, typer.Option("--skip-lost", help="Go on where Kafka has deleted messages before they were landed.")
    ] = False,
) -> None:
    """Land in the lake what Kafka holds, exactly once."""
    from lumbung.storage.lake import open_lake
    from lumbung.stream.land import BATCH_SECONDS, land

    with running_kafka(settings_module.load()) as settings:
        landed = land(
            settings,
            open_lake(settings),
            SYSTEM.feed(settings),
            forever=forever,
            skip_lost=skip_lost,
            batch_seconds=seconds or BATCH_SECONDS,
        )
    console.table(
        "Landed",
        ("landings", "days", "tweets", "rejected"),
        [(landed.landings, len(landed.days), landed.rows, landed.rejected)],
        numbers=("landings", "days", "tweets", "rejected"),
    )


@app.command()
def answers(as_json: Json = False, all_rows: All = False) -> None:
    """Print the answers to the five questions from what is published."""
    with reading(settings_module.load()) as warehouse:
        console.print_result(SYSTEM.answers(warehouse), as_json=as_json, all_rows=all_rows)


@app.command()
def status(as_json: Json = False) -> None:
    """Print where tweets are: spool, Kafka, lake, warehouse, and what X has cost."""
    settings = settings_module.load()
    with contextlib.ExitStack() as stack:
        if settings.kafka.servers or (settings.home / "kafka").exists():
            settings = stack.enter_context(running_kafka(settings))
        console.print_result(SYSTEM.status(settings), as_json=as_json)


@app.command()
def search(
    words: Annotated[str, typer.Argument(help='Words that must all be there; "…" a phrase, | or, - not.')],
    size: Annotated[int, typer.Option(min=1, max=100, help="Tweets to show.")] = 20,
) -> None:
    """Search the tweets that are indexed; what matched is highlighted."""
    from rich.text import Text

    from lumbung.search.search import search

    matches = search(_cluster(settings_module.load()), words, size)
    console.out.print(f"[bold]{matches.total:,} tweets[/]\n")
    for hit in matches.hits:
        at = hit.created_at.astimezone(business_day.JAKARTA)
        console.out.print(Text(f"{at:%Y-%m-%d %H:%M}  @{console.shown(hit.user_name or '')}  {hit.tweet_id}", "dim"))
        segments = ((console.shown(part), "bold yellow" if matched else "") for part, matched in hit.parts)
        console.out.print(Text.assemble(*segments))


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="Months to keep in the index.")],
    dry_run: DryRun = False,
) -> None:
    """Delete old months from the search index; lake and warehouse keep them."""
    from lumbung.search.retention import prune

    with _index() as cluster:
        _show_deleted(prune(cluster, keep=keep, dry_run=dry_run), dry_run)


@app.command()
def reindex() -> None:
    """Fill the search index of a new mapping version; readers stay on the old one until `move-alias`."""
    columns = ("day", "tweets", "deleted", "superseded")
    rows = []
    for indexed in SYSTEM.reindex(settings_module.load()):
        console.err.print(f"{indexed.day}: {indexed.rows:,} tweets")
        rows.append((indexed.day, indexed.rows, indexed.deleted, indexed.superseded))
    console.table("Re-indexed", columns, rows, numbers=columns[1:])


@app.command()
def move_alias(
    version: Annotated[int | None, typer.Option(min=1, help="Mapping version; default: the newest.")] = None,
) -> None:
    """Let readers use the search index of another mapping version, all at once; also back to an older one."""
    from lumbung.search.index import MAPPING_VERSION
    from lumbung.search.index import move_alias as move

    chosen = version or MAPPING_VERSION
    with _index() as cluster:
        before = move(cluster, chosen)
        console.out.print(f"Readers of {cluster.alias} use mapping version {chosen}; before: {before or 'none'}")


@app.command()
def drop_version(version: Annotated[int, typer.Argument(min=1)], dry_run: DryRun = False) -> None:
    """Delete the search indices of a mapping version that readers do not use."""
    from lumbung.search.retention import drop_version as drop

    with _index() as cluster:
        _show_deleted(drop(cluster, version, dry_run=dry_run), dry_run)


@app.command()
def import_kibana() -> None:
    """Import the data view and the dashboard into Kibana; earlier ones are overwritten."""
    from lumbung.search.kibana import import_saved_objects

    settings = settings_module.load()
    console.out.print(f"{import_saved_objects(settings)} saved objects in {settings.kibana}", soft_wrap=True)


def _show(settings: Settings, addresses: Services, day: date) -> None:
    from lumbung.storage.lake import open_lake

    lake = open_lake(settings)
    warehouse = warehouse_at(settings, addresses.emulator_host)
    console.tweet_accounting(SYSTEM.accounting(lake, day), SYSTEM.cleaning(lake))
    console.show(SYSTEM.answers(warehouse))
    console.out.print(f"Report: {write_report(settings, warehouse)}", soft_wrap=True)


def _archive(source: TweetSource, path: Path | None) -> Path | None:
    if (source == "archive") != (path is not None):
        raise LumbungError(
            "an archive needs a path, and only an archive has one",
            where=f"--source {source}",
            remedy="give both: --source archive --path FOLDER",
        )
    return path and path.expanduser().resolve()


@contextlib.contextmanager
def _index() -> Iterator[Cluster]:
    """The search server, under the lease that lets one process at a time change its indices."""
    from lumbung.search.index import LEASE
    from lumbung.storage.lake import open_lake

    settings = settings_module.load()
    cluster = _cluster(settings)
    with open_lake(settings).lease(LEASE):
        yield cluster


def _show_deleted(names: list[str], dry_run: bool) -> None:
    console.out.print(f"{'Would delete' if dry_run else 'Deleted'}: {', '.join(names) or 'nothing'}", soft_wrap=True)


def _cluster(settings: Settings) -> Cluster:
    from lumbung.search.cluster import connect

    return connect(settings)
