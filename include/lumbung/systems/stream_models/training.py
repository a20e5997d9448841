"""What is trained: the models of a run's batches, each named by what it is made of, and their files in the lake."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, get_args

from lumbung.core.errors import LumbungError
from lumbung.models import fit
from lumbung.models.evaluate import EVALUATE_VERSION
from lumbung.models.release import Metric, Scheme
from lumbung.spark.features import FEATURES_VERSION
from lumbung.spark.mllib import MLLIB_VERSION
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document
from lumbung.systems.stream_models.activity_batch import ActivityBatch

MODELS = "models/stream_models"
FEATURES = "features/stream_models"
EVALUATIONS = "evaluations/stream_models"
SCHEMES: tuple[Scheme, ...] = ("a", "b")
Trainer = Literal["arrow", "mllib"]
VERSIONS: dict[Trainer, int] = {"arrow": fit.FIT_VERSION, "mllib": MLLIB_VERSION}


class Trained(Document):
    """A training that has ended; it stays when the model's file is pruned.

    Attributes:
        key: names what the model was made of.
        file: the model's file.
        trainer: what trained it: `arrow` or `mllib`.
        engine: the Spark it was trained on.
        rows: rows it was trained on.
        kinds: what it predicts.
        seconds: how long the training took; None: a job on Dataproc trained several.
        trained_at: when it ended.
    """

    key: str
    file: DataFile
    trainer: Trainer
    engine: str
    rows: int
    kinds: list[str]
    seconds: float | None
    trained_at: datetime


class Evaluation(Document):
    """How well a model did on a batch.

    Attributes:
        key: of the model.
        sha256: of the batch's file.
        metrics: by name.
    """

    key: str
    sha256: str
    metrics: dict[str, Metric]


@dataclass(frozen=True)
class Candidate:
    """A model that the batches call for.

    Attributes:
        id: `<scheme>-<number>`.
        scheme: `a`: the batch alone; `b`: all batches up to it.
        number: of its last batch.
        key: names what it is made of.
        batches: what it is trained on, in order.
        next: the batch that it is measured on; None: there is none yet.
    """

    id: str
    scheme: Scheme
    number: int
    key: str
    batches: list[ActivityBatch]
    next: ActivityBatch | None

    @property
    def rows(self) -> int:
        """How many rows it is trained on."""
        return sum(batch.rows for batch in self.batches)

    @property
    def evaluation(self) -> str | None:
        """Where its evaluation lies in the lake; None: there is no next batch."""
        if self.next is None:
            return None
        return f"{EVALUATIONS}/{self.key}-{self.next.file.sha256[:12]}-{EVALUATE_VERSION}.json"


def parse_trainer(text: str) -> Trainer:
    """A trainer by its name.

    Raises:
        LumbungError: there is none of that name.
    """
    for name in get_args(Trainer):
        if text == name:
            return name  # type: ignore[no-any-return]
    raise LumbungError(f"there is no trainer {text}", where="--trainer", remedy=f"use {' or '.join(get_args(Trainer))}")


def parse_schemes(text: str) -> tuple[Scheme, ...]:
    """`a`, `b` or `both` as schemes.

    Raises:
        LumbungError: it is none of them.
    """
    if text == "both":
        return SCHEMES
    for scheme in SCHEMES:
        if text == scheme:
            return (scheme,)
    raise LumbungError(f"there is no scheme {text}", where="--scheme", remedy="use a, b or both")


def candidates(batches: Sequence[ActivityBatch], schemes: Iterable[Scheme], trainer: Trainer) -> list[Candidate]:
    """The models that batches call for, by scheme and number; those without a row are left out.

    Args:
        batches: the newest generation of each, in order.
        schemes: `a`, `b` or both.
        trainer: what trains them.
    """
    models = []
    for scheme in schemes:
        for index, batch in enumerate(batches):
            used = [each for each in batches[: index + 1] if each.rows] if scheme == "b" else [batch]
            if not any(each.rows for each in used):
                continue
            following = batches[index + 1] if index + 1 < len(batches) else None
            models.append(
                Candidate(
                    id=f"{scheme}-{batch.number}",
                    scheme=scheme,
                    number=batch.number,
                    key=key_of(trainer, [each.file.sha256 for each in used]),
                    batches=used,
                    next=following if following and following.rows else None,
                )
            )
    return models


def key_of(trainer: Trainer, batches: Sequence[str]) -> str:
    """Names a model by what it is made of: trainer, code, parameters and the batches' files.

    Args:
        trainer: what trains it.
        batches: sha256 of each batch's file, in order.
    """
    parameters = json.dumps(asdict(fit.Parameters()), sort_keys=True)
    code = f"{trainer} {VERSIONS[trainer]} {FEATURES_VERSION}"
    return hashlib.sha256("\n".join([code, parameters, *batches]).encode()).hexdigest()[:16]


def trained(lake: Lake, key: str) -> Trained | None:
    """The training of a key; None: there was none."""
    content = lake.read(f"{MODELS}/{key}.json")
    return Trained.model_validate_json(content) if content else None


def keys(lake: Lake) -> tuple[set[str], set[str]]:
    """The keys that are trained, and those of them whose file is there: prune deletes files only."""
    names = lake.names(MODELS)
    ended, files = ({name.removesuffix(end) for name in names if name.endswith(end)} for end in (".json", ".npz"))
    return ended, files & ended


def evaluation(lake: Lake, candidate: Candidate) -> Evaluation | None:
    """How well a model did on the batch after those it was trained on; None: it is not measured."""
    content = lake.read(candidate.evaluation) if candidate.evaluation else None
    if content is None or candidate.next is None:
        return None
    evaluation, batch = Evaluation.model_validate_json(content), candidate.next.number
    # Where another way to cut has the same two batches, it is the same evaluation, under another number.
    metrics = {name: metric.model_copy(update={"batch": batch}) for name, metric in evaluation.metrics.items()}
    return evaluation.model_copy(update={"metrics": metrics})


def model_path(key: str) -> str:
    """Where a model's file lies in the lake."""
    return f"{MODELS}/{key}.npz"


def features_path(batch: ActivityBatch) -> str:
    """Where a batch's features lie in the lake."""
    return f"{FEATURES}/{batch.file.sha256[:12]}-{FEATURES_VERSION}.parquet"
