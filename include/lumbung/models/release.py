"""Releases: which models are served; switching to another is one compare-and-swap in the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document, Manifest, newest

RELEASES = "releases/stream_models"

Scheme = Literal["a", "b"]

# Which of two values of a metric is the better one.
BETTER: dict[str, Literal["higher", "lower"]] = {
    "recall_at_20": "higher",
    "completion_log_loss": "lower",
    "completion_auc": "higher",
    "rating_rmse": "lower",
    "cluster_distance": "lower",
}


class Metric(Document):
    """How well a model did on the batch after those it was trained on.

    Attributes:
        value: the model's.
        baseline: that of what needs no model: popularity, the mean, the base rate, one cluster.
        truth: that of the generator's own probabilities; None: the data has no known truth.
        batch: number of the batch it was measured on.
        rows: how many rows or students it was measured on.
    """

    value: float
    baseline: float
    truth: float | None = None
    batch: int
    rows: int


class ReleasedModel(Document):
    """A model that is served.

    Attributes:
        id: `<scheme>-<number>`.
        scheme: `a`: each batch alone; `b`: all batches up to the number.
        number: of its last batch.
        key: names what it was made of, and its file.
        file: the file; its rows are those it was trained on.
        batches: numbers of the batches it was trained on.
        kinds: what it predicts.
        metrics: by name, such as `recall_at_20`; empty until the next batch exists.
        basis: whether recommendations come from the factors or from popularity, where factors did not beat it.
        pruned: whether its file was deleted.
    """

    id: str
    scheme: Scheme
    number: int
    key: str
    file: DataFile
    batches: list[int]
    kinds: list[str]
    metrics: dict[str, Metric] = Field(default_factory=dict)
    basis: Literal["als", "popularity"]
    pruned: bool = False


class Release(Manifest):
    """What is served from now on.

    Attributes:
        by: how the stream is cut into batches, such as `count:5000`.
        models: all of them, by scheme and number.
        latest: the id that `<scheme>-latest` stands for, by scheme.
        rolled_back: keys of models that a rollback has put aside: they do not become the latest again.
        titles: path in the lake of the courses' titles, a JSON object by course_id; None: there are none.
        drift: rows of `datamart.model_drift` as they were published.
        version: generation of the published version that it belongs to; an older one does not replace a newer one.
        created_at: when.
    """

    by: str
    models: list[ReleasedModel]
    latest: dict[Scheme, str]
    rolled_back: list[str] = Field(default_factory=list)
    titles: str | None = None
    drift: list[dict[str, Any]] = Field(default_factory=list)
    version: int = 0
    created_at: datetime


def newest_release(lake: Lake) -> Release | None:
    """What is served; None: nothing was released yet."""
    return newest(lake, RELEASES, Release, lambda _: True)


def find(release: Release, model_id: str) -> ReleasedModel | None:
    """A model of a release by its id, or by `<scheme>-latest`; None: there is no such model."""
    scheme, _, number = model_id.partition("-")
    wanted = (
        next((id_ for name, id_ in release.latest.items() if name == scheme), None) if number == "latest" else model_id
    )
    return next((model for model in release.models if model.id == wanted), None)


def basis(metrics: Mapping[str, Metric]) -> Literal["als", "popularity"] | None:
    """What to recommend by: factors where they beat popularity; None: that is not known yet."""
    recall = metrics.get("recall_at_20")
    return None if recall is None else "als" if recall.value > recall.baseline else "popularity"


def with_basis(models: Sequence[ReleasedModel]) -> list[ReleasedModel]:
    """The models by scheme and number, each with its basis.

    A model that is not evaluated yet takes the basis of the newest earlier one of its scheme that is; without one it
    is popularity.
    """
    known: dict[Scheme, Literal["als", "popularity"]] = {}
    ordered = []
    for model in sorted(models, key=lambda model: (model.scheme, model.number)):
        known[model.scheme] = basis(model.metrics) or known.get(model.scheme, "popularity")
        ordered.append(model.model_copy(update={"basis": known[model.scheme]}))
    return ordered


def activate(lake: Lake, release: Release) -> Release:
    """Serve a release, unless what is served already is the same, or newer.

    It is one compare-and-swap: what others changed meanwhile, such as a rollback, is taken into account.

    Args:
        lake: the lake.
        release: what to serve; its generation, `latest` and `rolled_back` are set here, and so is each model's basis.

    Returns:
        What is served.
    """

    def change(served: Release | None) -> Release | None:
        if served and served.version > release.version:
            return None
        rolled_back = served.rolled_back if served else []
        models = with_basis([*release.models, *_pruned(served, release)])
        update = {"models": models, "rolled_back": rolled_back, "latest": _latest(models, rolled_back)}
        proposed = release.model_copy(update=update)
        same = {"generation", "version", "created_at"}
        if served and served.model_dump(exclude=same) == proposed.model_dump(exclude=same):
            return None
        return proposed

    return _swap(lake, change)


def rollback(lake: Lake, model_id: str, at: datetime) -> Release:
    """Make a model its scheme's latest again, until there is a newer model with a new key.

    Args:
        lake: the lake.
        model_id: of a model that is served, such as `b-2`.
        at: now.

    Raises:
        LumbungError: nothing was released, there is no such model, or its file was pruned.
    """

    def change(served: Release | None) -> Release | None:
        if served is None:
            raise LumbungError("nothing is served yet", remedy="train models: lumbung models run")
        model = next((model for model in served.models if model.id == model_id), None)
        if model is None:
            ids = ", ".join(model.id for model in served.models)
            raise LumbungError("there is no such model", where=model_id, remedy=f"choose one of these: {ids}")
        if model.pruned:
            raise LumbungError("the file of this model was pruned", where=model_id, remedy="choose a newer model")
        scheme = [other for other in served.models if other.scheme == model.scheme]
        keys = {other.key for other in scheme}
        others = [key for key in served.rolled_back if key not in keys]
        rolled_back = sorted({*others, *(other.key for other in scheme if other.number > model.number)})
        update = {"rolled_back": rolled_back, "latest": served.latest | {model.scheme: model.id}, "created_at": at}
        return served.model_copy(update=update)

    return _swap(lake, change)


def mark_pruned(lake: Lake, ids: Sequence[str], at: datetime) -> Release:
    """Serve some models no longer; their files may be deleted after that. The latest ones stay.

    Args:
        lake: the lake.
        ids: of the models.
        at: now.

    Raises:
        LumbungError: nothing was released.
    """

    def change(served: Release | None) -> Release | None:
        if served is None:
            raise LumbungError("nothing is served yet", remedy="train models: lumbung models run")
        gone = set(ids) - set(served.latest.values())
        models = [model.model_copy(update={"pruned": True}) if model.id in gone else model for model in served.models]
        return None if models == served.models else served.model_copy(update={"models": models, "created_at": at})

    return _swap(lake, change)


def _latest(models: Sequence[ReleasedModel], rolled_back: Sequence[str]) -> dict[Scheme, str]:
    """Each scheme's newest model that is there and was not put aside; models are in order."""
    latest: dict[Scheme, str] = {}
    for put_aside in (True, False):  # if all of them were put aside, the newest one is better than none
        for model in models:
            if not model.pruned and (put_aside or model.key not in rolled_back):
                latest[model.scheme] = model.id
    return latest


def _pruned(served: Release | None, release: Release) -> list[ReleasedModel]:
    """Pruned models of what is served that the release does not name: a request for one still gets that answer."""
    ids = {model.id for model in release.models}
    earlier = served.models if served and served.by == release.by else []
    return [model for model in earlier if model.pruned and model.id not in ids]


def _swap(lake: Lake, change: Callable[[Release | None], Release | None]) -> Release:
    """Replace what is served by what `change` makes of it; None: it stays. Another's change in between is seen."""
    while True:
        served = newest_release(lake)
        proposed = change(served)
        if proposed is None:
            assert served is not None
            return served
        proposed = proposed.model_copy(update={"generation": served.generation + 1 if served else 1})
        path = f"{RELEASES}/manifest-{proposed.generation:06}.json"
        if lake.create(path, proposed.model_dump_json(indent=2).encode()):
            return proposed
