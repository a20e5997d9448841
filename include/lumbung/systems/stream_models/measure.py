"""How good the models of a run are: each measured on the batch after those it was trained on, once."""

from __future__ import annotations

import io

import pyarrow.parquet as pq

from lumbung.core.errors import LumbungError
from lumbung.models import model_file
from lumbung.models.evaluate import evaluate as measured
from lumbung.models.truth import Truth
from lumbung.pipeline.run import Run, Step
from lumbung.storage.lake import Lake
from lumbung.stream.replay import replays
from lumbung.systems.stream_models.activity_batch import ActivityBatch
from lumbung.systems.stream_models.training import (
    EVALUATIONS,
    SCHEMES,
    Candidate,
    Evaluation,
    features_path,
    keys,
    trained,
)
from lumbung.systems.stream_models.version import plan_of


def evaluate(run: Run) -> Step:
    """Measure the trained models of the run's batches, of both schemes, that have a next batch and no evaluation."""
    ended, with_file = keys(run.lake)
    models = [model for model in plan_of(run).models(SCHEMES) if model.key in ended]
    names = set(run.lake.names(EVALUATIONS))
    missing = [
        model
        for model in models
        if model.evaluation and model.evaluation.rpartition("/")[2] not in names and model.key in with_file
    ]
    truths = _Truths(run.lake)
    for model in missing:
        _evaluate(run.lake, model, truths)
    return Step(
        table=EVALUATIONS,
        rows_in=len(models),
        rows_out=len(missing),
        note=f"{len(missing)} of {len(models)} models measured now",
    )


def _evaluate(lake: Lake, candidate: Candidate, truths: _Truths) -> None:
    training, batch = trained(lake, candidate.key), candidate.next
    assert training and batch and candidate.evaluation
    test = pq.read_table(io.BytesIO(_content(lake, features_path(batch))))
    model = model_file.read(_content(lake, training.file.path), lake.address(training.file.path))
    metrics = measured(model, test, truths.of(batch), batch.number)
    document = Evaluation(key=candidate.key, sha256=batch.file.sha256, metrics=metrics)
    lake.create(candidate.evaluation, document.model_dump_json(indent=2).encode())


class _Truths:
    """What datasets were drawn with, each read once."""

    def __init__(self, lake: Lake) -> None:
        self._lake, self._replays = lake, replays(lake)
        self._read: dict[str, Truth] = {}

    def of(self, batch: ActivityBatch) -> Truth | None:
        """The truth of a batch whose rows are all of one dataset; None: it is not known."""
        if batch.first_seq is None or batch.last_seq is None:
            return None
        for replay in self._replays:
            if replay.first_seq <= batch.first_seq and batch.last_seq < replay.first_seq + replay.rows:
                return self._truth(replay.truth) if replay.truth else None
        return None

    def _truth(self, path: str) -> Truth:
        if path not in self._read:
            self._read[path] = Truth.read(_content(self._lake, path), self._lake.address(path))
        return self._read[path]


def _content(lake: Lake, path: str) -> bytes:
    content = lake.read(path)
    if content is None:
        raise LumbungError(
            "a file of the lake is gone", where=lake.address(path), remedy="put it back from a copy of the lake"
        )
    return content
