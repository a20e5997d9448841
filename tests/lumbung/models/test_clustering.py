"""Clusters, their scaling and their descriptions."""

import numpy as np
import pytest

from lumbung.models import clustering
from lumbung.models.parameters import Parameters

DEVICES = ["laptop", "phone"]


def test_features_are_scaled_to_mean_0_and_deviation_1_and_what_is_missing_is_the_mean():
    features = np.array([[1.0, 5, np.nan], [3, 5, np.nan], [np.nan, 5, np.nan]])
    arrays = clustering.scaler(features)
    assert arrays["feature_mean"].tolist() == [2, 5, 0]
    assert arrays["feature_scale"].tolist() == [1, 1, 1]
    assert clustering.scaled(features, arrays).tolist() == [[-1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_a_constant_that_is_no_binary_fraction_is_not_scaled_up():
    features = np.full((1000, 1), 30.1)
    arrays = clustering.scaler(features)
    assert arrays["feature_scale"].tolist() == [1]
    assert np.abs(clustering.scaled(features, arrays)).max() < 1e-9


def blobs(sizes):
    random = np.random.default_rng(1)
    centres = np.arange(len(sizes)) * 10.0
    points = [random.normal(centre, 0.1, (size, 2)) for centre, size in zip(centres, sizes, strict=True)]
    return random.permutation(np.concatenate(points))


def test_clusters_are_numbered_by_size():
    centres = clustering.fit(blobs([20, 500, 100]), Parameters(clusters=3))["cluster_centres"]
    assert centres.round().tolist() == [[10, 10], [20, 20], [0, 0]]


def test_clusters_of_one_size_are_numbered_by_their_centres():
    space = np.repeat([[3.0], [1.0], [2.0]], 5, axis=0)
    assert clustering.fit(space, Parameters(clusters=3))["cluster_centres"].tolist() == [[1], [2], [3]]


def test_a_sample_finds_the_clusters_of_all_rows(monkeypatch):
    space = blobs([30, 500, 100, 70])
    all_rows = clustering.fit(space, Parameters(clusters=4))["cluster_centres"]
    monkeypatch.setattr(clustering, "SAMPLE_ROWS", 150)
    assert clustering.fit(space, Parameters(clusters=4))["cluster_centres"] == pytest.approx(all_rows)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("distinct", [1, 2, 3, 7])
def test_there_are_no_more_clusters_than_distinct_rows(distinct):
    space = np.repeat(np.arange(distinct, dtype=float)[:, None], 400, axis=0)
    assert len(clustering.fit(space, Parameters(clusters=5))["cluster_centres"]) == min(distinct, 5)


@pytest.mark.parametrize(
    ("centre", "description"),
    [
        ((45, np.sin(5.2), np.cos(5.2), 4.2, 0.1, 0.9), "evening, phone, 45 min, rating 4.2"),
        ((18.4, 1, 0, 3, 0.8, 0.2), "morning, laptop, 18 min, rating 3.0"),
        ((18.6, 0, -1, 3, 0.5, 0.5), "afternoon, any device, 19 min, rating 3.0"),
        ((0, 0, 1, 5, 0, 1), "night, phone, 0 min, rating 5.0"),
        ((30, -0.26, 0.97, 5, 0, 1), "night, phone, 30 min, rating 5.0"),
        ((30, 0.1, 0.1, 0, 0, 1), "any time, phone, 30 min"),
    ],
)
def test_a_centre_is_described_in_words(centre, description):
    assert clustering.describe(np.array(centre), DEVICES) == description


def test_no_device_is_described_where_none_is_known():
    assert clustering.describe(np.array([30.0, 0, -1, 4]), []) == "afternoon, 30 min, rating 4.0"
