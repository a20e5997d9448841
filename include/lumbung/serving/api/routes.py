"""The paths that only read: the models of a release, their metrics, and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from lumbung.models.release import BETTER, Metric, ReleasedModel
from lumbung.serving.api import bodies
from lumbung.serving.api.served import Served

type Query = Mapping[str, str]


@dataclass(frozen=True)
class Read:
    """A path that is read.

    Attributes:
        summary: what it gives.
        answer: type of its answer.
        read: makes it from what is served, the path's id and the query.
        query: names of its query's parameters, all required, each a model's id.
    """

    summary: str
    answer: type[Struct]
    read: Callable[[Served, str, Query], Any]
    query: tuple[str, ...] = ()


def _models(served: Served, _id: str, _query: Query) -> bodies.Models:
    release = served.release
    return bodies.Models(
        release.generation,
        release.by,
        {str(scheme): name for scheme, name in release.latest.items()},
        [_summary(served, model) for model in release.models],
    )


def _model(served: Served, name: str, _query: Query) -> bodies.ModelAnswer:
    return bodies.ModelAnswer(served.release.generation, _summary(served, served.model(name)))


def _quality(served: Served, name: str, _query: Query) -> bodies.Quality:
    model = served.model(name)
    metrics = {name: _metric(name, metric) for name, metric in model.metrics.items()}
    return bodies.Quality(model.id, served.release.generation, metrics)


def _compare(served: Served, _id: str, query: Query) -> bodies.Comparison:
    left, right = served.model(query["left"]), served.model(query["right"])
    names = sorted(left.metrics.keys() | right.metrics.keys())
    return bodies.Comparison(
        served.release.generation,
        _summary(served, left),
        _summary(served, right),
        {name: _compared(name, left.metrics.get(name), right.metrics.get(name)) for name in names},
    )


def _drift(served: Served, _id: str, _query: Query) -> bodies.Drift:
    return bodies.Drift(served.release.generation, served.release.drift)


def _summary(served: Served, model: ReleasedModel) -> bodies.ModelSummary:
    return bodies.ModelSummary(
        id=model.id,
        scheme=model.scheme,
        number=model.number,
        rows=model.file.rows,
        batches=model.batches,
        kinds=model.kinds,
        basis=model.basis,
        latest=model.id in served.release.latest.values(),
        pruned=model.pruned,
    )


def _metric(name: str, metric: Metric) -> bodies.MetricValue:
    return bodies.MetricValue(metric.value, metric.baseline, metric.truth, BETTER[name], metric.batch, metric.rows)


def _compared(name: str, left: Metric | None, right: Metric | None) -> bodies.ComparedMetric:
    winner: Literal["left", "right", "same"] | None = None
    if left and right and left.batch == right.batch:
        ahead = (left.value - right.value) * (1 if BETTER[name] == "higher" else -1)
        winner = "same" if ahead == 0 else "left" if ahead > 0 else "right"
    return bodies.ComparedMetric(
        BETTER[name],
        _metric(name, left) if left else None,
        _metric(name, right) if right else None,
        winner,
    )


READS = {
    "/v1/models": Read("The models that are served", bodies.Models, _models),
    "/v1/models/{id}": Read("A model", bodies.ModelAnswer, _model),
    "/v1/models/{id}/quality": Read("How well a model did on the batch after its own", bodies.Quality, _quality),
    "/v1/compare": Read("Two models' metrics side by side", bodies.Comparison, _compare, ("left", "right")),
    "/v1/drift": Read("How the activity changes from batch to batch", bodies.Drift, _drift),
}
