"""The truth of a synthetic dataset."""

import numpy as np
import pyarrow as pa
import pytest

from lumbung.core.errors import LumbungError
from lumbung.models.truth import Truth

TRUTH = Truth(
    student_ids=["s1", "s2"],
    course_ids=["c1", "c2", "c3"],
    titles=["Satu", "Dua", "Tiga: é"],
    devices=["phone", "laptop"],
    student_tastes=np.array([[1.0, 0.0], [0.0, -1.0]]),
    course_tastes=np.array([[1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]]),
    course_popularity=np.array([0.1, 0.2, 0.3]),
    course_trend=np.zeros(3),
    taste=np.array(2.0),
    rating_mean=np.array(3.0),
    rating_taste=np.array(0.5),
    rating_noise=np.array(0.5),
    student_bias=np.array([0.5, -0.5]),
    course_bias=np.array([0.0, 0.2, 0.0]),
    completion_odds=np.array([0.1, 0.5, 1.0, 0.2, -0.3]),
    device_odds=np.array([-0.4, 0.4]),
)


def test_a_file_gives_the_same_truth_and_the_same_bytes():
    content = TRUTH.write()
    again = Truth.read(content)
    assert again.write() == content == TRUTH.write()
    assert again.titles == TRUTH.titles
    assert again.scores("s2").tolist() == TRUTH.scores("s2").tolist()


@pytest.mark.parametrize("content", [b"", b"no file", TRUTH.write()[:-300]])
def test_what_is_no_truth_is_refused(content):
    with pytest.raises(LumbungError, match=r"^a\.truth\.npz: this is not a whole truth file .*models generate\.$"):
        Truth.read(content, "a.truth.npz")


def test_scores_are_popularity_and_taste():
    assert TRUTH.scores("s1").tolist() == pytest.approx([0.1 + 2, 0.2, 0.3 - 2])
    assert TRUTH.scores("s2").tolist() == pytest.approx([0.1 - 2, 0.2 - 4, 0.3])
    with pytest.raises(KeyError):
        TRUTH.scores("nobody")


def test_completion_by_hand_and_with_missing_values():
    rows = pa.table(
        {
            "rating": pa.array([5, None, None], pa.int64()),
            "minutes": pa.array([60.0, None, 30.0]),
            "hour_sin": [1.0, None, 0.0],
            "hour_cos": [0.0, None, 0.0],
            "device": ["laptop", "watch", None],
        }
    )
    odds = np.array([0.1 + 0.5 + 1.0 + 0.2 + 0.4, 0.1, 0.1])
    assert TRUTH.completion(rows) == pytest.approx(1 / (1 + np.exp(-odds)))


def test_the_expected_rating_is_that_of_the_rounded_and_clipped_one():
    rows = pa.table({"student_id": ["s1", "s2", "nobody"], "course_id": ["c1", "c2", "c1"]})
    expected = TRUTH.rating(rows)
    noise = np.random.default_rng(1).normal(0, 0.5, 200_000)
    for row, location in enumerate([3 + 0.5 + 0.5, 3 - 0.5 + 0.2 - 1.0]):
        assert expected[row] == pytest.approx(np.clip(np.rint(location + noise), 1, 5).mean(), abs=0.01)
    assert np.isnan(expected[2])
