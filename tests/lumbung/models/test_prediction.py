"""Completion and ratings."""

import numpy as np
import pyarrow as pa
import pytest

from lumbung.models import prediction
from lumbung.models.parameters import Parameters
from lumbung.models.rows import training_rows

PARAMETERS = Parameters()


def test_the_threshold_has_the_largest_difference_of_rates():
    random = np.random.default_rng(3)
    for _ in range(100):
        size = int(random.integers(2, 40))
        probability = random.choice([0.1, 0.3, 0.5, 0.5001, 0.9], size)
        completed = np.append([0.0, 1.0], random.integers(2, size=size - 2).astype(float))

        def gain(threshold, probability=probability, completed=completed):
            predicted = probability >= threshold
            return predicted[completed == 1].mean() - predicted[completed == 0].mean()

        best = prediction.best_threshold(probability, completed)
        assert gain(best) == pytest.approx(max(gain(threshold) for threshold in probability))


@pytest.mark.parametrize(("completed", "rows"), [(0.0, 1), (1.0, 1), (0.0, 99), (1.0, 99)])
def test_where_all_rows_are_alike_the_base_rate_is_not_certain(completed, rows):
    arrays = prediction.completion(np.ones((rows, 3)), np.full(rows, completed), PARAMETERS)
    probability = float(prediction.sigmoid(arrays["completion_bias"]))
    assert 0 < probability < 1
    assert probability == pytest.approx((completed * rows + 0.5) / (rows + 1))
    assert (probability >= arrays["completion_threshold"]) == bool(completed)


def test_log_odds_of_any_size_are_probabilities():
    assert prediction.sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0, 0.5, 1]


def rated(student, course, rating):
    names = pa.array([f"S{number:04}" for number in student]), pa.array([f"C{number:04}" for number in course])
    return pa.table({"student_id": names[0], "course_id": names[1], "rating": rating})


def drawn(kind, rows=8000, students=100, courses=80):
    random = np.random.default_rng(2)
    student, course = random.integers(students, size=rows), random.integers(courses, size=rows)
    biases = random.normal(0, 0.5, students)[student] + random.normal(0, 0.5, courses)[course]
    match = (random.normal(size=(students, 2))[student] * random.normal(size=(courses, 2))[course]).sum(axis=1)
    rating = 3 + {"noise": 0, "biases": biases, "factors": biases + 0.6 * match}[kind] + random.normal(0, 0.4, rows)
    return rated(student, course, np.clip(np.rint(rating), 1, 5))


def error(arrays, rows):
    predicted = prediction.predicted_ratings(rows.student, rows.course, arrays)
    return np.sqrt(((predicted - rows.numbers["rating"]) ** 2).mean())


@pytest.mark.parametrize(("kind", "biases", "factors"), [("noise", 0, 0), ("biases", 1, 0), ("factors", 1, 1)])
def test_only_what_predicts_held_out_ratings_better_is_kept(kind, biases, factors):
    rows = training_rows(drawn(kind))
    chosen = np.random.default_rng(9).random(len(rows)) < 0.8
    arrays = prediction.rating(rows.take(chosen), PARAMETERS)
    assert bool(arrays["rating_student_bias"].any()) == bool(biases)
    assert bool(arrays["rating_course_factors"].any()) == bool(factors)
    test = rows.take(~chosen)
    mean = np.sqrt(((rows.numbers["rating"][chosen].mean() - test.numbers["rating"]) ** 2).mean())
    assert error(arrays, test) <= mean
    if factors:
        assert error(arrays, test) < 0.95 * error(prediction._rating(rows.take(chosen), PARAMETERS, True, False), test)


def test_biases_are_drawn_towards_zero():
    one = prediction._bias(np.array([0, 1, 1, 1]), np.array([1.0, 1, 1, 1]), 3, 1.0)
    assert one.tolist() == [0.5, 0.75, 0]


def test_the_mean_is_that_of_the_ratings():
    rows = training_rows(drawn("biases", 50))
    assert prediction.rating(rows, PARAMETERS)["rating_mean"] == pytest.approx(rows.numbers["rating"].mean())


def test_what_is_not_known_has_no_bias():
    rows = training_rows(drawn("biases"))
    arrays = prediction.rating(rows, PARAMETERS)
    student, course = np.array([-1, 0, -1]), np.array([-1, -1, 0])
    mean = float(arrays["rating_mean"])
    expected = [mean, mean + arrays["rating_student_bias"][0], mean + arrays["rating_course_bias"][0]]
    assert prediction.predicted_ratings(student, course, arrays) == pytest.approx(np.array(expected))


def test_ratings_are_clipped():
    arrays = {
        "rating_mean": np.array(3.0),
        "rating_student_bias": np.array([9.0, -9.0]),
        "rating_course_bias": np.array([0.0]),
        "rating_student_factors": np.zeros((2, 0)),
        "rating_course_factors": np.zeros((1, 0)),
    }
    assert prediction.predicted_ratings(np.array([0, 1]), np.array([0, 0]), arrays).tolist() == [5, 1]
