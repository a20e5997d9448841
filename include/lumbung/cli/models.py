"""The commands of models: `lumbung models`."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

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
from lumbung.core.settings import NO_SOURCE, Settings
from lumbung.storage.lake import open_lake
from lumbung.systems.registry import by_dag

if TYPE_CHECKING:
    from lumbung.pipeline.run import Run
    from lumbung.storage.warehouse import Warehouse

SYSTEM = by_dag("models")
PORT = 8000

app = typer.Typer(
    no_args_is_help=True,
    help="Students' activity as a stream: replayed, cut into batches, models for each, served by an API.",
)

DayOption = Annotated[str | None, typer.Option(help="Business day, YYYY-MM-DD; default: today in Jakarta.")]
Dataset = Annotated[
    str | None, typer.Option(metavar="FILE", help="CSV, NDJSON or Parquet; none: replay nothing; default: synthetic.")
]
ContractOption = Annotated[Path | None, typer.Option("--contract", metavar="FILE", help="Maps the dataset's columns.")]
ByOption = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="WAY", help="count:5000, window:5m or event:5m; default: quarters of the first dataset."
    ),
]
SchemeOption = Annotated[
    Literal["a", "b", "both"], typer.Option("--scheme", help="a: each batch alone; b: all batches up to it; or both.")
]
DelayOption = Annotated[str, typer.Option("--delay", metavar="MS", help="Pause between rows: 20, or 5..50 at random.")]
TrainerOption = Annotated[
    Literal["arrow", "mllib"], typer.Option("--trainer", help="arrow, or mllib on a JVM's Spark.")
]
Forever = Annotated[bool, typer.Option("--forever", help="Go on until Ctrl-C.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")]


@app.command()
def generate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The NDJSON file; its truth goes beside it.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows of the dataset.")] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    start: Annotated[str, typer.Option(metavar="DAY", help="The first of its 16 days, YYYY-MM-DD.")] = "2026-09-01",
) -> None:
    """Write a synthetic dataset of activity, and the truth that it was drawn from."""
    with console.progress() as show:
        file, first = out.expanduser().resolve(), business_day.parse(start)
        made = SYSTEM.step("generate")(settings_module.load(), file, rows=rows, seed=seed, start=first, progress=show)
    console.table(
        "Generated",
        ("dataset", "rows", "students", "courses", "truth"),
        [(out, rows, made.students, made.courses, made.truth)],
        numbers=("rows", "students", "courses"),
    )


@app.command()
def run(
    day: DayOption = None,
    dataset: Dataset = None,
    contract: ContractOption = None,
    by: ByOption = None,
    scheme: SchemeOption = "both",
    delay: DelayOption = "0",
    trainer: TrainerOption = "arrow",
) -> None:
    """Run the whole path through Airflow, from the replay to the models that are served; print how good they are."""
    from lumbung.local import services

    settings, chosen = settings_module.load(), day_or_today(day)
    options = _options(dataset, contract, by, scheme, delay, trainer)
    check_kafka_of_up(settings)
    with services.starting(settings) as addresses, running_kafka(settings) as streaming:
        run_dag(streaming, addresses, SYSTEM.dag_id, chosen, {"day": f"{chosen}", **options})
        console.accounting(SYSTEM.accounting(open_lake(streaming), chosen))
        report = write_report(streaming, warehouse_at(streaming, addresses.emulator_host))
        console.out.print(f"Report: {report}\n", soft_wrap=True)
    console.show(SYSTEM.status(settings))
    _how_to_serve(settings)


@app.command()
def replay(
    dataset: Dataset = None,
    contract: ContractOption = None,
    delay: DelayOption = "0",
    give_up: Annotated[
        bool, typer.Option("--give-up", help="The last dataset's file is lost: its other rows become rejects.")
    ] = False,
) -> None:
    """Send a dataset to Kafka row by row, each once; the same file again sends nothing."""
    if give_up and dataset:
        raise LumbungError("it has no dataset", where="--give-up", remedy="give up first, then replay the dataset")
    options = _options(dataset, contract, delay=delay)
    with running_kafka(settings_module.load()) as settings, console.progress() as show:
        _step(_alone(settings, options), "give_up" if give_up else "replay", show)


@app.command()
def land(
    forever: Forever = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long a row waits at most before it is landed.")
    ] = None,
    skip_lost: Annotated[
        bool, typer.Option("--skip-lost", help="Go on where Kafka has deleted rows before they were landed.")
    ] = False,
) -> None:
    """Land in the lake what Kafka holds, exactly once."""
    from lumbung.stream.kafka import Cluster
    from lumbung.stream.land import BATCH_SECONDS, land
    from lumbung.stream.ticks import tick

    with running_kafka(settings_module.load()) as settings:
        feed = SYSTEM.feed(settings)
        if not forever:  # so that windows close that are over, though no row comes any more
            cluster = Cluster(settings, feed.topic, feed.config, sender=feed.sender)
            cluster.ensure_topics()
            tick(cluster, cluster.topic())
        landed = land(
            settings,
            open_lake(settings),
            feed,
            forever=forever,
            skip_lost=skip_lost,
            batch_seconds=seconds or BATCH_SECONDS,
        )
    console.table(
        "Landed",
        ("landings", "days", "rows", "rejected"),
        [(landed.landings, len(landed.days), landed.rows, landed.rejected)],
        numbers=("landings", "days", "rows", "rejected"),
    )


@app.command()
def batch(
    by: ByOption = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write each batch as CSV, too.")] = False,
) -> None:
    """Cut what is landed into batches."""
    settings = settings_module.load()
    _step(_alone(settings, {"by": by, "csv": csv}), "batch")
    console.show(SYSTEM.status(settings))


@app.command()
def train(by: ByOption = None, scheme: SchemeOption = "both", trainer: TrainerOption = "arrow") -> None:
    """Train the models of the newest batches that are not trained yet, and measure them; nothing is published."""
    settings = settings_module.load()
    alone = _alone(settings, _options(by=by, scheme=scheme, trainer=trainer))
    for name in _step(alone, "features")[1]:
        _step(alone, "train", name)
    _step(alone, "evaluate")
    console.show(SYSTEM.status(settings))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="I", help="A model, such as a-3 or b-latest.")],
    second: Annotated[str, typer.Argument(metavar="J", help="Another one.")],
) -> None:
    """Compare two models that are served, metric by metric."""
    from lumbung.models.evaluate import BETTER
    from lumbung.models.release import find, newest_release

    release = newest_release(open_lake(settings_module.load()))
    if release is None:
        raise LumbungError("nothing is served yet", remedy="train models: lumbung models run")
    models = [find(release, name) for name in (first, second)]
    for name, model in zip((first, second), models, strict=True):
        if model is None:
            ids = ", ".join(model.id for model in release.models)
            raise LumbungError("there is no such model", where=name, remedy=f"choose one of these: {ids}")
    one, other = (model for model in models if model)
    rows = []
    for metric, better in BETTER.items():
        values = [model.metrics.get(metric) for model in (one, other)]
        numbers = [value.value for value in values if value]
        ahead = ""
        if len(numbers) == len(values) and numbers[0] != numbers[1]:
            ahead = (one if (numbers[0] > numbers[1]) == (better == "higher") else other).id
        measured = [value.batch if value else None for value in values]
        same = measured[0] == measured[1]
        rows.append(
            (metric, better, *(value and f"{value.value:.4f}" for value in values), ahead, "" if same else "no")
        )
    console.table(
        "Compared; better on the same batch only",
        ("metric", "better is", one.id, other.id, "ahead", "same batch"),
        rows,
        numbers=(one.id, other.id),
    )


@app.command()
def rollback(name: Annotated[str, typer.Argument(metavar="ID", help="The model to serve again, such as b-2.")]) -> None:
    """Serve an earlier model as its scheme's latest; later ones stay aside until there is a new one."""
    from lumbung.models.release import rollback as back

    release = back(open_lake(settings_module.load()), name, datetime.now(UTC))
    console.out.print(f"Release {release.generation} serves {', '.join(release.latest.values())} as the latest")


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="Models of each scheme to keep.")], dry_run: DryRun = False
) -> None:
    """Delete the files of old models; the API says that they are gone, and they are not trained again."""
    gone = SYSTEM.step("prune_models")(open_lake(settings_module.load()), keep=keep, dry_run=dry_run)
    names = ", ".join(model.id for model in gone) or "nothing"
    console.out.print(f"{'Would delete' if dry_run else 'Deleted'}: {names}", soft_wrap=True)


@app.command()
def answers(as_json: Json = False, all_rows: All = False) -> None:
    """Print how good the models are and how the batches differ, from what is published."""
    with reading(settings_module.load()) as warehouse:
        console.print_result(SYSTEM.answers(warehouse), as_json=as_json, all_rows=all_rows)


@app.command()
def status(as_json: Json = False) -> None:
    """Print the batches and the models that are trained on them."""
    console.print_result(SYSTEM.status(settings_module.load()), as_json=as_json)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0: any that is free.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
) -> None:
    """Serve the models over HTTP until Ctrl-C; it takes every new release."""
    from lumbung.serving.api.server import serve as run_server

    run_server(settings_module.load(), host, port, lambda line: console.err.print(line, markup=False))


def _how_to_serve(settings: Settings) -> None:
    """The commands that serve the models and ask the API: they work when they are pasted."""
    from lumbung.models import model_file
    from lumbung.models.predict import Predictor
    from lumbung.models.release import find, newest_release
    from lumbung.serving.api.keys import MADE, open_keys

    lake = open_lake(settings)
    release = newest_release(lake)
    models = [find(release, f"{scheme}-latest") for scheme in ("b", "a")] if release else []
    model = next((model for model in models if model), None)
    content = lake.read(model.file.path) if model else None
    if model is None or content is None:
        return
    student = Predictor(model_file.read(content, lake.address(model.file.path))).students[0]
    body = json.dumps({"student_id": student, "limit": 5}, ensure_ascii=False)
    open_keys(settings.api, settings.home, lambda _line: None)  # so that there is a key to send
    named = settings.api.keys or settings.api.keys_file
    key = "$KEY" if named else f"$(cat {shlex.quote(str(settings.home / MADE))})"
    lines = [
        "Serve them, and ask:",
        f"{_program()} models serve --port {PORT} &",
        f"curl -s --retry 20 --retry-delay 1 --retry-connrefused http://127.0.0.1:{PORT}/v1/models/{model.id}/recommend"
        f' -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d {shlex.quote(body)}',
    ]
    console.out.print("\n".join(lines), soft_wrap=True, markup=False)


def _program() -> str:
    """How this program was called."""
    module = Path(sys.argv[0]).name == "__main__.py"
    return f"{shlex.quote(sys.executable)} -m lumbung" if module else shlex.quote(sys.argv[0])


def _options(
    dataset: str | None = None,
    contract: Path | None = None,
    by: str | None = None,
    scheme: str = "both",
    delay: str = "0",
    trainer: str = "arrow",
) -> dict[str, Any]:
    """The options of a run, as the DAG takes them; paths from the folder that the command was given in.

    Raises:
        LumbungError: one of them cannot work.
    """
    file = dataset and (dataset if dataset == NO_SOURCE else f"{Path(dataset).expanduser().resolve()}")
    options = {
        "dataset": file,
        "contract": contract and f"{contract.expanduser().resolve()}",
        "by": by,
        "scheme": scheme,
        "delay": delay,
        "trainer": trainer,
    }
    SYSTEM.step("check_options")(options)
    return options


def _alone(settings: Settings, options: dict[str, Any]) -> Run:
    """A run without Airflow, for the steps before the version: they know the lake only."""
    from lumbung.pipeline.run import Run

    now = datetime.now(UTC)
    return Run(
        settings=settings,
        warehouse=cast("Warehouse", None),
        system=SYSTEM.name,
        run_id=f"command__{now.isoformat()}",
        day=business_day.today(now),
        started_at=now,
        options=options,
    )


def _step(run: Run, name: str, *arguments: Any) -> Any:
    """Do a step of the DAG here and print what it did; gives what the step's function does."""
    done = SYSTEM.step(name)(run, *arguments)
    step = done[0] if isinstance(done, tuple) else done
    counts = [(step.rows_in, "rows in"), (step.rows_out, "rows out"), (step.rows_rejected, "rejected")]
    counted = ", ".join(f"{count:,} {what}" for count, what in counts if count is not None)
    console.err.print(f"{name}: {counted}{f' ({step.note})' if step.note else ''}", markup=False)
    return done
