"""The steps of a run that are the stream models' own; each task's id is its function's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import NO_SOURCE, Settings
from lumbung.pipeline.run import Run, Step
from lumbung.systems.stream_models.activate import activate as activate
from lumbung.systems.stream_models.batches import make_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.feed import RAW, feed
from lumbung.systems.stream_models.generate import DAYS
from lumbung.systems.stream_models.generate import generate as generate
from lumbung.systems.stream_models.load import load as load
from lumbung.systems.stream_models.measure import evaluate as evaluate
from lumbung.systems.stream_models.prune import prune_models as prune_models
from lumbung.systems.stream_models.record import model_run as model_run
from lumbung.systems.stream_models.train import by_of
from lumbung.systems.stream_models.train import features as features
from lumbung.systems.stream_models.train import plan as plan
from lumbung.systems.stream_models.train import register as register
from lumbung.systems.stream_models.train import train as train

SYNTHETIC_ROWS, SYNTHETIC_SEED = 20_000, 1
MOST_DELAY_MS = 60_000


def replay(run: Run, progress: Callable[[str, int, int], None] | None = None) -> Step:
    """Send a dataset row by row, each once; nothing where other processes do it.

    The run's option `dataset` is a file, `none`, or nothing, for the synthetic one; `contract` maps its columns, and
    `delay` is a pause between two rows in milliseconds, `MIN..MAX`.

    Args:
        run: the run.
        progress: is given the dataset's name, its rows in the topic, and all its rows.
    """
    from lumbung.systems.stream_models.activity import replay as send

    check_options(run.options)
    dataset, contract = run.options.get("dataset"), run.options.get("contract")
    topic = run.settings.activity.topic
    if dataset == NO_SOURCE:
        return Step(table=topic, note="dataset none: nothing is replayed here")
    file = Path(dataset) if dataset else synthetic(run.settings)
    replayed = send(
        run.settings,
        run.lake,
        file,
        Path(contract) if contract else None,
        delay=parse_delay(run.options.get("delay") or "0"),
        progress=progress,
    )
    note = f"replay {replayed.number}" + (f", {replayed.known:,} rows sent before" if replayed.known else "")
    return Step(table=topic, rows_in=replayed.rows, rows_out=replayed.sent, note=f"{file.name}: {note}")


def give_up(run: Run, progress: Callable[[str, int, int], None] | None = None) -> Step:
    """Send what is missing of the last dataset, whose file is lost, as refused rows."""
    from lumbung.systems.stream_models.activity import give_up as send

    done = send(run.settings, run.lake, progress)
    return Step(
        table=run.settings.activity.topic,
        rows_in=done.rows,
        rows_out=done.sent,
        note=f"replay {done.number}: {done.known:,} rows sent before, the others are rejects",
    )


def land(run: Run) -> Step:
    """Land what is in Kafka now; where batches are windows, up to this time, so that those close that are over."""
    from lumbung.stream.kafka import Cluster
    from lumbung.stream.land import land
    from lumbung.stream.ticks import tick

    topic = feed(run.settings)
    if (by := run.options.get("by")) and By.parse(by).kind != "count":
        cluster = Cluster(run.settings, topic.topic, topic.config, sender=topic.sender)
        cluster.ensure_topics()
        tick(cluster, cluster.topic())
    landed = land(run.settings, run.lake, topic)
    return Step(
        table=RAW,
        rows_in=landed.rows + landed.rejected,
        rows_out=landed.rows,
        rows_rejected=landed.rejected,
        note="1 day" if len(landed.days) == 1 else f"{len(landed.days)} days",
    )


def batch(run: Run) -> Step:
    """Cut what is landed into batches, by the run's option `by` or into quarters of the first replay."""
    from lumbung.stream.replay import end

    batches = make_batches(run.lake, by_of(run), csv=bool(run.options.get("csv")))
    rows = sum(each.rows + each.rejected for each in batches)
    missing = end(run.lake) - rows  # else a batch that waits for a lost row would wait without a word
    return Step(
        table="batches",
        rows_in=rows,
        rows_out=sum(each.rows for each in batches),
        rows_rejected=sum(each.rejected for each in batches),
        note=f"{len(batches)} batch{'' if len(batches) == 1 else 'es'}"
        + (f"; {missing:,} replayed rows are in none yet" if missing > 0 else ""),
        skipped=not batches,
    )


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options of a run that cannot work, before anything is started or sent.

    Args:
        options: as the DAG takes them; what is missing or None is the default.

    Raises:
        LumbungError: `by` or `delay` is none, the dataset or its contract cannot be read, or there is a contract alone.
    """
    from lumbung.stream.dataset import Dataset
    from lumbung.systems.stream_models.activity import COLUMNS

    if by := options.get("by"):
        By.parse(by)
    parse_delay(options.get("delay") or "0")
    dataset, contract = options.get("dataset"), options.get("contract")
    if dataset and dataset != NO_SOURCE:
        Dataset(Path(dataset), COLUMNS, Path(contract) if contract else None)
    elif contract:
        raise LumbungError(
            "it maps the columns of a dataset, and none is given", where="--contract", remedy="give --dataset FILE, too"
        )


def synthetic(settings: Settings) -> Path:
    """The synthetic dataset in the home; made where it is missing, of the days before, as sandboxes drop old days."""
    file = settings.home / "activity" / f"activity-{SYNTHETIC_ROWS}-{SYNTHETIC_SEED}.ndjson"
    if not file.exists():
        start = business_day.today() - timedelta(days=DAYS)
        generate(settings, file, rows=SYNTHETIC_ROWS, seed=SYNTHETIC_SEED, start=start)
    return file


def parse_delay(text: str) -> tuple[float, float]:
    """`MIN..MAX` or one number as milliseconds.

    Raises:
        LumbungError: it is neither.
    """
    least, _, most = text.partition("..")
    try:
        bounds = float(least), float(most or least)
    except ValueError:
        bounds = (-1.0, -1.0)
    if not 0 <= bounds[0] <= bounds[1] <= MOST_DELAY_MS:
        raise LumbungError(
            f"{text!r} is not a pause", where="--delay", remedy="give milliseconds, such as 20 or 5..50, up to 60000"
        )
    return bounds
