"""Features of batches and models of a run, by a Spark session here or by a job on Dataproc."""

from __future__ import annotations

import hashlib
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError
from lumbung.models import model_file
from lumbung.models.parameters import Parameters
from lumbung.pipeline.run import Run, Step
from lumbung.spark.files import readable
from lumbung.storage.manifest import DataFile
from lumbung.systems.stream_models.activity_batch import ActivityBatch, newest_batches
from lumbung.systems.stream_models.batches import default_by
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.record import note_reused, note_trained
from lumbung.systems.stream_models.training import (
    FEATURES,
    MODELS,
    Candidate,
    Trained,
    features_path,
    keys,
    model_path,
    parse_schemes,
    parse_trainer,
    trained,
)
from lumbung.systems.stream_models.version import Plan, plan_of, write_plan

if TYPE_CHECKING:
    from lumbung.spark.dataproc import Staged


def by_of(run: Run) -> By:
    """How the run cuts the stream: by its option `by`, or into quarters of the first replay."""
    text = run.options.get("by")
    return By.parse(text) if text else default_by(run.lake)


def features(run: Run) -> tuple[Step, list[str]]:
    """Make the features of batches that have none, and list the models that are not trained yet, by id."""
    from lumbung.spark.features import features as of_files
    from lumbung.spark.features import write
    from lumbung.spark.session import session

    seen = _see(run)
    missing, to_train = _without_features(run, seen), _to_train(run, seen)
    if missing:
        with session(run.settings) as spark, tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
            for batch in missing:
                file = Path(folder) / f"{batch.number}.parquet"
                with ExitStack() as copies:
                    write(of_files(spark, readable(run.settings, run.lake, [batch.file.path], copies)), file)
                run.lake.put(file, features_path(batch))
    return _step(seen, missing, to_train), [model.id for model in to_train]


def train(run: Run, name: str) -> Step:
    """Train a model of the run's plan, by Spark; nothing where another run has trained it meanwhile.

    Args:
        run: the run.
        name: the model's id.
    """
    seen = plan_of(run)
    model = next((model for model in seen.models() if model.id == name), None)
    if model is None:
        raise LumbungError("the run has no such model", where=name, remedy="run the day again")
    with run.lake.lease(f"train/{model.key}"):
        training, reused = trained(run.lake, model.key), True
        if training is None:
            training, reused = _train(run, seen, model), False
    note_trained(run, model, training, reused=reused)
    return Step(
        table=f"{MODELS}/{model.key}",
        rows_in=model.rows,
        rows_out=training.rows,
        bytes=training.file.bytes,
        seconds=training.seconds,
        note=f"{model.id}{', trained before' if reused else ''}",
    )


def plan(run: Run) -> tuple[Step, Staged | None]:
    """Put in the lake what Dataproc needs to make missing features and to train missing models, if any."""
    from lumbung.spark import dataproc

    seen = _see(run)
    missing, to_train = _without_features(run, seen), _to_train(run, seen)
    address = run.lake.address
    models = {model.key: model for model in to_train}  # a-1 and b-1 are the same model
    training = dataproc.Training(
        trainer=seen.trainer,
        parameters=asdict(Parameters()),
        features=[dataproc.Batch(address(batch.file.path), address(features_path(batch))) for batch in missing],
        models=[
            dataproc.Model(
                files=[address(features_path(batch)) for batch in model.batches],
                batches=[batch.file.sha256 for batch in model.batches],
                output=address(model_path(key)),
            )
            for key, model in models.items()
        ],
    )
    is_done = not (missing or to_train)
    return _step(seen, missing, to_train, skipped=is_done), None if is_done else dataproc.stage(run.lake, training)


def register(run: Run) -> Step:
    """Write down the models that a job on Dataproc has trained; each file is read, so that a broken one is refused."""
    seen = plan_of(run)
    registered = 0
    for model in seen.models():
        training, reused = trained(run.lake, model.key), True
        if training is None:
            content = run.lake.read(model_path(model.key))
            if content is None:
                raise LumbungError(
                    "the job has left no model",
                    where=run.lake.address(model_path(model.key)),
                    remedy="read the job's log, and clear the failed tasks",
                )
            with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
                file = Path(folder) / "model.npz"
                file.write_bytes(content)
                training = _write_down(run, seen, model, file, None)
            reused, registered = False, registered + 1
        note_trained(run, model, training, reused=reused)
    return Step(table=MODELS, rows_out=registered, note=f"{registered} models trained")


def _see(run: Run) -> Plan:
    """Write down what the run sees now: another run may add batches while this one trains."""
    trainer = parse_trainer(run.options.get("trainer") or "arrow")
    schemes = parse_schemes(run.options.get("scheme") or "both")
    by = by_of(run)
    seen = Plan(by=f"{by}", trainer=trainer, schemes=list(schemes), batches=newest_batches(run.lake, by))
    write_plan(run, seen)
    return seen


def _without_features(run: Run, seen: Plan) -> list[ActivityBatch]:
    names = set(run.lake.names(FEATURES))
    return [batch for batch in seen.batches if batch.rows and features_path(batch).rpartition("/")[2] not in names]


def _to_train(run: Run, seen: Plan) -> list[Candidate]:
    """The models that are not trained; of the others the run says that it reuses them."""
    ended, _ = keys(run.lake)
    trainings = [(model, trained(run.lake, model.key) if model.key in ended else None) for model in seen.models()]
    note_reused(run, [(model, training) for model, training in trainings if training])
    return [model for model, training in trainings if training is None]


def _step(seen: Plan, missing: list[ActivityBatch], to_train: list[Candidate], *, skipped: bool = False) -> Step:
    return Step(
        table=FEATURES,
        rows_in=sum(batch.rows for batch in seen.batches),
        rows_out=sum(batch.rows for batch in missing),
        note=f"features of {len(missing)} of {len(seen.batches)} batches;"
        f" {len(to_train)} of {len(seen.models())} models to train",
        skipped=skipped,
    )


def _train(run: Run, seen: Plan, model: Candidate) -> Trained:
    from lumbung.spark import mllib
    from lumbung.spark import train as arrow
    from lumbung.spark.session import session

    trainer = mllib.train if seen.trainer == mllib.TRAINER else arrow.train
    began = time.monotonic()
    paths = [features_path(batch) for batch in model.batches]
    with (
        session(run.settings) as spark,
        ExitStack() as copies,
        tempfile.TemporaryDirectory(prefix="lumbung-") as folder,
    ):
        files = readable(run.settings, run.lake, paths, copies)
        job = arrow.Job(1, files, [batch.file.sha256 for batch in model.batches])
        ((_, content),) = trainer(spark, [job], Parameters())
        file = Path(folder) / "model.npz"
        file.write_bytes(content)
        return _write_down(run, seen, model, file, round(time.monotonic() - began, 3))


def _write_down(run: Run, seen: Plan, model: Candidate, file: Path, seconds: float | None) -> Trained:
    """Put a model's file into the lake, and then the document that says so; a file that is there stays.

    It may be written down by another run already: by one that took a lost lease, or by another job on Dataproc.

    Args:
        run: the run.
        seen: its plan.
        model: the model.
        file: its file.
        seconds: how long the training took; None: not known.

    Raises:
        LumbungError: it is not a whole model file.
    """
    path, content = model_path(model.key), file.read_bytes()
    header = model_file.read(content, run.lake.address(path)).header
    if not run.lake.create(path, content):
        content = run.lake.read(path) or content
        header = model_file.read(content, run.lake.address(path)).header
    digest = hashlib.sha256(content).hexdigest()
    stored = DataFile(path=path, rows=header.rows, bytes=len(content), sha256=digest)
    training = Trained(
        key=model.key,
        file=stored,
        trainer=seen.trainer,
        engine=urlsplit(run.settings.spark.engine).hostname or run.settings.spark.engine,
        rows=header.rows,
        kinds=header.kinds,
        seconds=seconds,
        trained_at=datetime.now(UTC).replace(microsecond=0),
    )
    is_first = run.lake.create(f"{MODELS}/{model.key}.json", training.model_dump_json(indent=2).encode())
    return training if is_first else trained(run.lake, model.key) or training
