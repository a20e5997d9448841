"""What each run trained, or found trained: kept in the lake for `ops.model_run`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from lumbung.pipeline.operations import load_rows
from lumbung.pipeline.run import Run, Step
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document
from lumbung.storage.warehouse import short
from lumbung.systems.stream_models.training import Candidate, Trained

TRAININGS = "trainings/stream_models"
TABLE = "ops.model_run"
REUSED = "reused.json"


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


class Trainings(Document):
    """What a task of a run trained, or found trained."""

    rows: list[Training]


def note_trained(run: Run, model: Candidate, training: Trained, *, reused: bool) -> None:
    """Keep that a run trained a model, or found it trained when its turn came; what the run said first stays.

    Args:
        run: the run.
        model: the model.
        training: its training.
        reused: whether another run, or a task for the same model, had trained it.
    """
    path = f"{_folder(run.day)}/{short(run.run_id)}/{model.id}-{model.key}.json"
    run.lake.create(path, _content([_row(run, model, training, reused=reused)]))


def note_reused(run: Run, models: Iterable[tuple[Candidate, Trained]]) -> None:
    """Keep which models a run found trained before it began to train."""
    rows = [_row(run, model, training, reused=True) for model, training in models]
    run.lake.write(f"{_folder(run.day)}/{short(run.run_id)}/{REUSED}", _content(rows))


def model_run(run: Run) -> Step:
    """Rebuild the day's partition of `ops.model_run` from what all of the day's runs have kept."""
    with run.lake.lease(f"load/{TABLE}"):
        folder = _folder(run.day)
        rows = [row for name in run.lake.names(folder) for row in _rows(run.lake, f"{folder}/{name}")]
        return load_rows(run, run.catalog[TABLE], [row.model_dump() for row in rows], run.day)


def _rows(lake: Lake, folder: str) -> list[Training]:
    """What a run kept, a row for each model."""
    rows: dict[str, Training] = {}
    # A run that was cleared found trained what it had trained itself: that it trained it is said last.
    for name in sorted(lake.names(folder), key=lambda name: (name != REUSED, name)):
        if content := lake.read(f"{folder}/{name}"):
            rows |= {row.model_id: row for row in Trainings.model_validate_json(content).rows}
    return [rows[model_id] for model_id in sorted(rows)]


def _row(run: Run, model: Candidate, training: Trained, *, reused: bool) -> Training:
    return Training(
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


def _content(rows: list[Training]) -> bytes:
    return Trainings(rows=rows).model_dump_json(indent=2).encode()


def _folder(day: date) -> str:
    return f"{TRAININGS}/dt={day}"
