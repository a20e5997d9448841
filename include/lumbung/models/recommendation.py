"""Recommendation: implicit alternating least squares with a popularity prior.

Hu, Koren, Volinsky, Collaborative Filtering for Implicit Feedback Datasets (2008). The ridge grows with the weight
that a row has in the loss, as Rendle et al., Revisiting the Performance of iALS (2022), recommend; the weight of what
was taken grows with what was not. So one setting fits small and large batches: with a fixed alpha, the factors of
many students who took few of many courses are all 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumbung.models.als import Floats, Side
from lumbung.models.model_file import pack
from lumbung.models.parameters import Parameters

if TYPE_CHECKING:  # the API does without pyarrow and scipy: half of its memory
    from scipy import sparse

    from lumbung.models.rows import Rows

type Arrays = dict[str, np.ndarray[Any, Any]]

STARS = np.arange(1.0, 6.0)


def fit(rows: Rows, parameters: Parameters) -> Arrays:
    """The arrays of a recommendation model."""
    taken = strengths(rows)
    alpha = parameters.taken_weight * taken.shape[0] * taken.shape[1] / taken.sum()
    weights = alpha * taken
    targets = weights.copy()
    targets.data = 1 + weights.data
    by_student = Side(weights, targets)
    by_course = Side(weights.T.tocsr(), targets.T.tocsr())
    fold_in = np.array([alpha, parameters.regularization * len(rows.courses), parameters.regularization, 0])
    student_ridge = ridge(fold_in, weights.sum(axis=1), np.diff(weights.indptr))
    course_ridge = parameters.regularization * (len(rows.students) + weights.sum(axis=0))

    random = np.random.default_rng(int(parameters.seed))
    courses = 0.1 * random.standard_normal((len(rows.courses), int(parameters.rank)))
    for _ in range(int(parameters.iterations)):
        students = by_student.solve(courses, courses.T @ courses, student_ridge)
        courses = by_course.solve(students, students.T @ students, course_ridge)
    # Students are solved last, from what is stored: a fold-in of a student's own courses gives the same factors.
    stored = courses.astype(np.float32)
    courses = stored.astype(np.float64)
    students = by_student.solve(courses, courses.T @ courses, student_ridge)
    return {
        "course_factors": stored,
        "student_factors": students.astype(np.float32),
        "fold_in": fold_in,
        **around(rows, parameters.prior_weight),
    }


def around(rows: Rows, prior_weight: float) -> Arrays:
    """What a recommendation model holds besides factors, however these were trained.

    Args:
        rows: it was trained on.
        prior_weight: what the most popular course gets on top of its score.
    """
    popularity = np.bincount(rows.course, minlength=len(rows.courses)).astype(np.float64)
    seen = strengths(rows)
    return {
        **pack("course_ids", rows.courses),
        **pack("student_ids", rows.students),
        "course_prior": prior_weight * np.log1p(popularity) / np.log1p(popularity.max()),
        "popularity": popularity,
        "seen_ends": seen.indptr[1:].astype(np.int64),
        "seen_courses": seen.indices.astype(np.int32),
        "strength_by_rating": _strength_by_rating(rows),
    }


def strengths(rows: Rows) -> sparse.csr_array:
    """(students, courses): the sum of the strengths of a student's rows of a course; 1 where a row has none."""
    from scipy import sparse

    strength = rows.numbers["strength"]
    strength = np.where(strength > 0, strength, 1.0)
    shape = len(rows.students), len(rows.courses)
    matrix = sparse.coo_array((strength, (rows.student, rows.course)), shape=shape).tocsr()
    matrix.sort_indices()
    return matrix


def ridge(fold_in: Floats, weight: Any, entries: Any) -> Any:
    """What is added to the diagonal of a student's normal equations.

    Args:
        fold_in: alpha, and the ridge: a constant, per weight, per entry.
        weight: the sum of alpha times strength over the student's courses.
        entries: how many courses.
    """
    _, constant, per_weight, per_entry = fold_in
    return constant + per_weight * weight + per_entry * entries


def _strength_by_rating(rows: Rows) -> Floats:
    """The mean strength of rows with each number of stars (5,): the strength of a course that is only rated."""
    strength, rating = rows.numbers["strength"], rows.numbers["rating"]
    strength = np.where(strength > 0, strength, 1.0)
    mean = [strength[chosen].mean() if (chosen := rating == stars).any() else np.nan for stars in STARS]
    there = np.isfinite(mean)
    return np.interp(STARS, STARS[there], np.array(mean)[there]) if there.any() else np.full(5, strength.mean())
