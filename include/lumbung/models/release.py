"""Releases: which models are served; switching to another is one compare-and-swap in the lake."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document, Manifest, newest

RELEASES = "releases/stream_models"

Scheme = Literal["a", "b"]


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
        created_at: when.
    """

    by: str
    models: list[ReleasedModel]
    latest: dict[Scheme, str]
    rolled_back: list[str] = Field(default_factory=list)
    titles: str | None = None
    drift: list[dict[str, Any]] = Field(default_factory=list)
    created_at: datetime


def newest_release(lake: Lake) -> Release | None:
    """What is served; None: nothing was released yet."""
    return newest(lake, RELEASES, Release, lambda _: True)
