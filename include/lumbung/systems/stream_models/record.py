"""What each run trained, or found trained: kept in the lake for `ops.model_run`."""

from __future__ import annotations

from datetime import date

from lumbung.pipeline.operations import load_rows
from lumbung.pipeline.run import Run, Step
from lumbung.storage.manifest import Document
from lumbung.storage.warehouse import short
from lumbung.systems.stream_models.training import Candidate, Trained

TRAININGS = "trainings/stream_models"
TABLE = "ops.model_run"


class Training(Document):
    """A row of `ops.model_run`; the columns are described there."""

    day: date
    run_id: str
    model_id: str
    model_key: str
    trainer: str
    engine: str
    row_count: int
    seconds: float | None
    reused: bool
    sha256: str


def note_training(run: Run, model: Candidate, training: Trained, *, reused: bool) -> None:
    """Keep that a run trained a model or found it trained; what the run said first stays.

    Args:
        run: the run.
        model: the model.
        training: its training.
        reused: whether an earlier run had trained it.
    """
    row = Training(
        day=run.day,
        run_id=run.run_id,
        model_id=model.id,
        model_key=model.key,
        trainer=training.trainer,
        engine=training.engine,
        row_count=training.rows,
        seconds=training.seconds,
        reused=reused,
        sha256=training.file.sha256,
    )
    path = f"{_folder(run.day)}/{short(run.run_id)}/{model.id}-{model.key}.json"
    run.lake.create(path, row.model_dump_json(indent=2).encode())


def model_run(run: Run) -> Step:
    """Rebuild the day's partition of `ops.model_run` from what all of the day's runs have kept."""
    with run.lake.lease(f"load/{TABLE}"):
        folder = _folder(run.day)
        paths = [
            f"{folder}/{name}/{file}" for name in run.lake.names(folder) for file in run.lake.names(f"{folder}/{name}")
        ]
        rows = [
            Training.model_validate_json(content).model_dump() for path in paths if (content := run.lake.read(path))
        ]
        return load_rows(run, run.catalog[TABLE], rows, run.day)


def _folder(day: date) -> str:
    return f"{TRAININGS}/dt={day}"
