"""The steps of a run that are the stream models' own; each task's id is its function's name."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError
from lumbung.core.settings import NO_SOURCE, Settings
from lumbung.pipeline.run import Run, Step
from lumbung.spark.files import readable
from lumbung.storage.lake import sha256
from lumbung.storage.manifest import DataFile
from lumbung.systems.stream_models.activate import activate as activate
from lumbung.systems.stream_models.activity_batch import newest_batches
from lumbung.systems.stream_models.batches import default_by, make_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.feed import RAW, feed
from lumbung.systems.stream_models.generate import generate as generate
from lumbung.systems.stream_models.load import load as load
from lumbung.systems.stream_models.measure import evaluate as evaluate
from lumbung.systems.stream_models.prune import prune_models as prune_models
from lumbung.systems.stream_models.record import model_run as model_run
from lumbung.systems.stream_models.record import note_training
from lumbung.systems.stream_models.training import (
    FEATURES,
    MODELS,
    Candidate,
    Trained,
    features_path,
    keys,
    parse_schemes,
    parse_trainer,
    trained,
)
from lumbung.systems.stream_models.version import Plan, plan_of, write_plan

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
    note = "sent before" if replayed.known else f"replay {replayed.number}"
    return Step(table=topic, rows_in=replayed.rows, rows_out=replayed.sent, note=f"{file.name}: {note}")


def land(run: Run) -> Step:
    """Land what is in Kafka now."""
    from lumbung.stream.land import land

    landed = land(run.settings, run.lake, feed(run.settings))
    return Step(
        table=RAW,
        rows_in=landed.rows + landed.rejected,
        rows_out=landed.rows,
        rows_rejected=landed.rejected,
        note=f"{len(landed.days)} days",
    )


def batch(run: Run) -> Step:
    """Cut what is landed into batches, by the run's option `by` or into quarters of the first replay."""
    batches = make_batches(run.lake, _by(run), csv=bool(run.options.get("csv")))
    return Step(
        table="batches",
        rows_in=sum(each.rows + each.rejected for each in batches),
        rows_out=sum(each.rows for each in batches),
        rows_rejected=sum(each.rejected for each in batches),
        note=f"{len(batches)} batches",
        skipped=not batches,
    )


def features(run: Run) -> tuple[Step, list[str]]:
    """Make the features of batches that have none, and list the models that are not trained yet, by id.

    What the batches are is kept for the run's later tasks, as another run may add some meanwhile.
    """
    from lumbung.spark.features import features as of_batches
    from lumbung.spark.features import write
    from lumbung.spark.session import session

    trainer = parse_trainer(run.options.get("trainer") or "arrow")
    schemes = parse_schemes(run.options.get("scheme") or "both")
    by = _by(run)
    batches = newest_batches(run.lake, by)
    plan = Plan(by=f"{by}", trainer=trainer, schemes=list(schemes), batches=batches)
    write_plan(run, plan)
    names = set(run.lake.names(FEATURES))
    missing = [each for each in batches if each.rows and features_path(each).rpartition("/")[2] not in names]
    if missing:
        with session(run.settings) as spark, tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
            for each in missing:
                file = Path(folder) / f"{each.number}.parquet"
                with ExitStack() as copies:
                    write(of_batches(spark, readable(run.settings, run.lake, [each.file.path], copies)), file)
                run.lake.put(file, features_path(each))
    models = plan.models()
    ended, _ = keys(run.lake)
    for model in models:
        if model.key in ended and (training := trained(run.lake, model.key)):
            note_training(run, model, training, reused=True)
    to_train = [model.id for model in models if model.key not in ended]
    step = Step(
        table=FEATURES,
        rows_in=sum(each.rows for each in batches),
        rows_out=sum(each.rows for each in missing),
        note=f"{len(missing)} of {len(batches)} batches; {len(to_train)} of {len(models)} models to train",
    )
    return step, to_train


def train(run: Run, name: str) -> Step:
    """Train a model of the run's plan, by Spark; nothing where another run has trained it meanwhile.

    Args:
        run: the run.
        name: the model's id.
    """
    plan = plan_of(run)
    model = next((model for model in plan.models() if model.id == name), None)
    if model is None:
        raise LumbungError("the run has no such model", where=name, remedy="run the day again")
    with run.lake.lease(f"train/{model.key}"):
        training, reused = trained(run.lake, model.key), True
        if training is None:
            training, reused = _train(run, plan, model), False
    note_training(run, model, training, reused=reused)
    return Step(
        table=f"{MODELS}/{model.key}",
        rows_in=model.rows,
        rows_out=training.rows,
        bytes=training.file.bytes,
        seconds=training.seconds,
        note=f"{model.id}{', trained before' if reused else ''}",
    )


def _train(run: Run, plan: Plan, model: Candidate) -> Trained:
    from lumbung.models import fit, model_file
    from lumbung.spark import mllib
    from lumbung.spark import train as arrow
    from lumbung.spark.session import session

    trainer = arrow.train if plan.trainer == "arrow" else mllib.train
    began = time.monotonic()
    paths = [features_path(batch) for batch in model.batches]
    with session(run.settings) as spark, ExitStack() as copies:
        files = readable(run.settings, run.lake, paths, copies)
        job = arrow.Job(1, files, [batch.file.sha256 for batch in model.batches])
        ((_, content),) = trainer(spark, [job], fit.Parameters())
    header = model_file.read(content, model.id).header
    seconds = round(time.monotonic() - began, 3)
    path = f"{MODELS}/{model.key}.npz"
    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file = Path(folder) / "model.npz"
        file.write_bytes(content)
        size, checksum = file.stat().st_size, sha256(file)
        run.lake.put(file, path)
    training = Trained(
        key=model.key,
        file=DataFile(path=path, rows=header.rows, bytes=size, sha256=checksum),
        trainer=plan.trainer,
        engine=urlsplit(run.settings.spark.engine).hostname or run.settings.spark.engine,
        rows=header.rows,
        kinds=header.kinds,
        seconds=seconds,
        trained_at=datetime.now(UTC).replace(microsecond=0),
    )
    run.lake.create(f"{MODELS}/{model.key}.json", training.model_dump_json(indent=2).encode())
    return training


def synthetic(settings: Settings) -> Path:
    """The synthetic dataset in the home, made where it is missing."""
    file = settings.home / "activity" / f"activity-{SYNTHETIC_ROWS}-{SYNTHETIC_SEED}.ndjson"
    if not file.exists():
        generate(settings, file, rows=SYNTHETIC_ROWS, seed=SYNTHETIC_SEED)
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
            f"{text!r} is no pause", where="--delay", remedy="give milliseconds, such as 20 or 5..50, up to 60000"
        )
    return bounds


def _by(run: Run) -> By:
    text = run.options.get("by")
    return By.parse(text) if text else default_by(run.lake)
