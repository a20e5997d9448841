"""Fitting a model to rows of batches: one thread, the same bytes for the same rows in any order."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from lumbung.core.errors import LumbungError
from lumbung.models import clustering, prediction, recommendation
from lumbung.models.model_file import CLUSTERING, COMPLETION, KINDS, RATING, RECOMMENDATION, Header, Model
from lumbung.models.parameters import Parameters
from lumbung.models.rows import Rows, training_rows

__all__ = ["FIT_VERSION", "Parameters", "fit"]

# Part of a model's key, so that models are trained again by new rules. A test fails when it must be raised.
FIT_VERSION = 1
TRAINER = "arrow"


def fit(rows: pa.Table, parameters: Parameters, batches: list[str]) -> Model:
    """A model of all kinds that the rows have columns for.

    Args:
        rows: features of batches: student_id, course_id and, where they are known, strength, rating, minutes,
            hour_sin, hour_cos, device, completed; in any order.
        parameters: of the training.
        batches: sha256 of each batch's file, in order.

    Raises:
        LumbungError: there are no rows.
    """
    if not rows.num_rows:
        raise LumbungError(
            "there are no rows to train on", where=", ".join(batches), remedy="choose larger batches, by --by"
        )
    # The limit below holds for libraries that are loaded by then, so all of them are.
    importlib.import_module("sklearn.cluster")
    importlib.import_module("sklearn.linear_model")
    # Sums of threads depend on how many there are, and Spark runs a task on every core already.
    with threadpool_limits(limits=1):
        prepared = training_rows(rows)
        arrays, kinds = _arrays(prepared, parameters)
    header = Header(
        trainer=TRAINER,
        code=FIT_VERSION,
        parameters={name: float(value) for name, value in asdict(parameters).items()},
        batches=batches,
        rows=len(prepared),
        kinds=[kind for kind in KINDS if kind in kinds],
        devices=prepared.devices,
    )
    return Model(header, arrays)


def _arrays(rows: Rows, parameters: Parameters) -> tuple[dict[str, np.ndarray[Any, Any]], set[str]]:
    """The model's arrays and kinds."""
    kinds = {RECOMMENDATION}
    arrays = recommendation.fit(rows, parameters)
    rated = rows.known("rating")
    if rated.any():
        kinds.add(RATING)
        arrays |= prediction.rating(rows.take(rated), parameters)
    features = rows.features()
    if not np.isnan(features).all():
        scaler = clustering.scaler(features)
        space = clustering.scaled(features, scaler)
        arrays |= scaler | clustering.fit(space, parameters)
        kinds.add(CLUSTERING)
        known = rows.known("completed")
        if known.any():
            kinds.add(COMPLETION)
            arrays |= prediction.completion(space[known], rows.numbers["completed"][known], parameters)
    return arrays, kinds
