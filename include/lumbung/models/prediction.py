"""Prediction: completion by logistic regression; ratings by biases and factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumbung.models.als import Floats, Side
from lumbung.models.parameters import Parameters

if TYPE_CHECKING:  # the API does without pyarrow and scipy: half of its memory
    from lumbung.models.rows import Codes, Rows

type Arrays = dict[str, np.ndarray[Any, Any]]

LEAST_RATING, MOST_RATING = 1.0, 5.0
# Every so manieth rating is held out to see whether biases and factors help.
HELD_OUT = 10
BIAS_ROUNDS = 3


def completion(space: Floats, completed: Floats, parameters: Parameters) -> Arrays:
    """The arrays of a completion model.

    Args:
        space: (n, F), scaled features of rows whose completion is known.
        completed: (n,), 0 or 1.
        parameters: of the training.
    """
    base = completed.mean()
    if base in (0, 1):
        # All the same: no more than that is learned, and it is not certain (Krichevsky, Trofimov 1981).
        share = (completed.sum() + 0.5) / (len(completed) + 1)
        weights, bias, threshold = np.zeros(space.shape[1]), np.log(share / (1 - share)), 0.5
    else:
        from sklearn.linear_model import LogisticRegression

        regression = LogisticRegression(C=1 / parameters.completion_regularization, max_iter=1000)
        regression.fit(space, completed.astype(np.int64))
        weights, bias = regression.coef_[0], regression.intercept_[0]
        threshold = best_threshold(sigmoid(space @ weights + bias), completed)
    return {
        "completion_weights": np.asarray(weights, np.float64),
        "completion_bias": np.array(bias, np.float64),
        "completion_threshold": np.array(threshold, np.float64),
        "completion_base": np.array(base, np.float64),
    }


def sigmoid(odds: Floats) -> Floats:
    """Probabilities of log odds."""
    return np.asarray(np.exp(-np.logaddexp(0, -odds)))


def best_threshold(probability: Floats, completed: Floats) -> float:
    """The probability from which on completion is predicted: true less false positive rate is largest (Youden 1950)."""
    order = np.argsort(-probability, kind="stable")
    ordered, positive = probability[order], completed[order]
    gain = np.cumsum(positive) / positive.sum() - np.cumsum(1 - positive) / (1 - positive).sum()
    # Equal probabilities are predicted alike: a threshold lies only where the next one is lower.
    ends = np.append(ordered[1:] < ordered[:-1], True)
    return float(ordered[np.where(ends, gain, -np.inf).argmax()])


def rating(rows: Rows, parameters: Parameters) -> Arrays:
    """The arrays of a rating model: mean, biases, factors; the latter two only if they predict held-out ratings better.

    Args:
        rows: whose rating is known.
        parameters: of the training.
    """
    stars = rows.numbers["rating"]
    held_out = np.zeros(len(stars), bool)
    chosen = np.random.default_rng(int(parameters.seed)).permutation(len(stars))[: len(stars) // HELD_OUT]
    held_out[chosen] = True
    biases = factors = False
    if held_out.any():
        tried = rows.take(~held_out)
        errors = {
            choice: _squared_error(rows.take(held_out), _rating(tried, parameters, *choice))
            for choice in ((False, False), (True, False), (True, True))
        }
        biases, factors = min(errors, key=lambda choice: errors[choice])
    return _rating(rows, parameters, biases, factors)


def predicted_ratings(student: Codes, course: Codes, arrays: Arrays) -> Floats:
    """Ratings, clipped to 1 to 5, of students and courses by their indices; -1: not known to the model."""
    rating = np.full(len(student), float(arrays["rating_mean"]))
    rating += np.where(student >= 0, arrays["rating_student_bias"][student], 0)
    rating += np.where(course >= 0, arrays["rating_course_bias"][course], 0)
    known = (student >= 0) & (course >= 0)
    students, courses = arrays["rating_student_factors"][student[known]], arrays["rating_course_factors"][course[known]]
    rating[known] += np.einsum("nr,nr->n", students, courses, dtype=np.float64)
    return np.asarray(np.clip(rating, LEAST_RATING, MOST_RATING))


def _squared_error(rows: Rows, arrays: Arrays) -> float:
    return float(((predicted_ratings(rows.student, rows.course, arrays) - rows.numbers["rating"]) ** 2).mean())


def _rating(rows: Rows, parameters: Parameters, biases: bool, factors: bool) -> Arrays:
    """A rating model with or without biases and factors."""
    stars = rows.numbers["rating"]
    mean = stars.mean()
    students, courses = len(rows.students), len(rows.courses)
    by_student, by_course = np.zeros(students), np.zeros(courses)
    for _ in range(BIAS_ROUNDS if biases else 0):
        by_course = _bias(rows.course, stars - mean - by_student[rows.student], courses, parameters.rating_shrinkage)
        by_student = _bias(rows.student, stars - mean - by_course[rows.course], students, parameters.rating_shrinkage)
    rank = int(parameters.rating_rank) if factors else 0
    left, right = np.zeros((students, rank), np.float32), np.zeros((courses, rank), np.float32)
    if rank:
        left, right = _factors(rows, stars - mean - by_student[rows.student] - by_course[rows.course], parameters)
    return {
        "rating_mean": np.array(mean, np.float64),
        "rating_student_bias": by_student,
        "rating_course_bias": by_course,
        "rating_student_factors": left,
        "rating_course_factors": right,
    }


def _bias(code: Codes, residual: Floats, groups: int, shrinkage: float) -> Floats:
    """The mean residual of each group, drawn towards zero (Koren 2010)."""
    count = np.bincount(code, minlength=groups)
    return np.asarray(np.bincount(code, residual, minlength=groups) / (count + shrinkage))


def _factors(rows: Rows, residual: Floats, parameters: Parameters) -> tuple[Any, Any]:
    """Factors of residuals, (S, R) and (C, R), by explicit alternating least squares (Zhou et al. 2008)."""
    from scipy import sparse

    rank = int(parameters.rating_rank)
    shape = len(rows.students), len(rows.courses)
    entries = sparse.coo_array((np.ones(len(residual)), (rows.student, rows.course)), shape=shape).tocsr()
    targets = sparse.coo_array((residual, (rows.student, rows.course)), shape=shape).tocsr()
    by_student, by_course = Side(entries, targets), Side(entries.T.tocsr(), targets.T.tocsr())
    ridge = parameters.rating_regularization * np.eye(rank)
    courses = np.random.default_rng(int(parameters.seed)).standard_normal((shape[1], rank))
    for _ in range(int(parameters.rating_iterations)):
        students = by_student.solve(courses, ridge)
        courses = by_course.solve(students, ridge)
    return students.astype(np.float32), courses.astype(np.float32)
