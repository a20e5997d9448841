"""Clustering of activities by k-means, and the features that clustering and completion share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from lumbung.models.als import Floats
from lumbung.models.model_file import NUMERIC_FEATURES
from lumbung.models.parameters import Parameters

type Arrays = dict[str, np.ndarray[Any, Any]]

PARTS_OF_DAY = (("night", 5), ("morning", 11), ("afternoon", 17), ("evening", 22), ("night", 24))
# A mean of hours on the circle that lies nearer to its middle than this says little.
LEAST_RADIUS = 0.25
SAMPLE_ROWS, STARTS = 20_000, 10


def scaler(features: Floats) -> Arrays:
    """Mean and standard deviation of what is there of each feature; one that is constant or missing is left as it is.

    Args:
        features: (n, F), NaN where a value is missing.
    """
    there = ~np.isnan(features)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, features, 0).sum(axis=0) / count
    deviation = np.sqrt((np.where(there, features - mean, 0) ** 2).sum(axis=0) / count)
    # A constant's deviation may come out as a rounding error.
    varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1)
    return {"feature_mean": mean, "feature_scale": np.where(varies, deviation, 1.0)}


def scaled(features: Floats, arrays: Arrays) -> Floats:
    """Features in scaled space; what is missing is the mean, 0."""
    space = (features - arrays["feature_mean"]) / arrays["feature_scale"]
    return np.nan_to_num(space, copy=False, nan=0.0)


def fit(space: Floats, parameters: Parameters) -> Arrays:
    """The arrays of a clustering model.

    Args:
        space: (n, F), scaled features.
        parameters: of the training.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    clusters = min(int(parameters.clusters), _distinct(space, int(parameters.clusters)))
    sample = space[:: -(-len(space) // SAMPLE_ROWS)]
    with warnings.catch_warnings():
        # Rows that differ by rounding only may give fewer clusters; empty ones are left out below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # The best of several starts, on a sample; all rows then move its centres but little.
        starts = KMeans(min(clusters, len(sample)), n_init=STARTS, random_state=int(parameters.seed)).fit(sample)
        means = KMeans(len(starts.cluster_centers_), init=starts.cluster_centers_, n_init=1)
        labels = means.fit_predict(space)
    sizes = np.bincount(labels, minlength=len(means.cluster_centers_))
    centres = means.cluster_centers_
    order = sorted(np.flatnonzero(sizes).tolist(), key=lambda cluster: (-sizes[cluster], *centres[cluster].tolist()))
    return {"cluster_centres": centres[order]}


def describe(centre: Floats, devices: Sequence[str]) -> str:
    """A cluster in plain English, such as "evening, phone, 45 min, rating 4.2".

    Args:
        centre: in the features' own units (F,).
        devices: labels of the device features.
    """
    minutes, sine, cosine, rating = centre[: len(NUMERIC_FEATURES)].tolist()
    shares = centre[len(NUMERIC_FEATURES) :]
    hour = math.atan2(sine, cosine) / (2 * math.pi) * 24 % 24
    part = next(part for part, end in PARTS_OF_DAY if hour < end)
    words = [part if math.hypot(sine, cosine) >= LEAST_RADIUS else "any time"]
    if len(shares):
        words.append(devices[int(shares.argmax())] if shares.max() > 0.5 else "any device")
    words.append(f"{max(minutes, 0):.0f} min")
    if rating > 0:
        words.append(f"rating {rating:.1f}")
    return ", ".join(words)


def _distinct(space: Floats, enough: int) -> int:
    """How many distinct rows there are, at most `enough`; the beginning often has enough, which is cheap."""
    for rows in (space[:1000], space):
        distinct = len(np.unique(rows, axis=0))
        if distinct >= enough:
            return enough
    return distinct
