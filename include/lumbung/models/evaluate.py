"""How well a model does on the batch after those it was trained on, beside what needs no model, and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lumbung.models import clustering, prediction
from lumbung.models.als import Floats
from lumbung.models.labels import Labels
from lumbung.models.model_file import CLUSTERING, COMPLETION, RATING, RECOMMENDATION, Model
from lumbung.models.release import BETTER as BETTER
from lumbung.models.release import Metric
from lumbung.models.rows import Codes, Rows, encode

# Part of an evaluation's name, so that models are measured again by new rules. A test fails when it must be raised.
EVALUATE_VERSION = 1
TOP = 20
# Scores that are held at once, of some students times all courses: 16 MB.
SCORES = 4_000_000


class Truth(Protocol):
    """What evaluation asks of `lumbung.models.truth.Truth`."""

    @property
    def course_ids(self) -> list[str]:
        """All courses."""

    def scores(self, student_id: str) -> Floats:
        """Log odds of each course."""

    def completion(self, rows: pa.Table) -> Floats:
        """The probability of completion of each row."""

    def rating(self, rows: pa.Table) -> Floats:
        """The expected rating of each row; NaN where the student or the course is not known."""


def evaluate(model: Model, test: pa.Table, truth: Truth | None, batch: int) -> dict[str, Metric]:
    """The metrics that the model and the rows allow, by name; see `BETTER`.

    Args:
        model: the model.
        test: features of a batch that it was not trained on.
        truth: what the data was drawn with; None: not known. It is left out where it does not know all rows.
        batch: the batch's number.
    """
    students, courses = (
        pa.array(list(Labels(name, model.arrays)), pa.string()) for name in ("student_ids", "course_ids")
    )
    rows = encode(test, students, courses, pa.array(model.header.devices, pa.string()))
    if truth is not None and np.isnan(truth.rating(test)).any():
        truth = None  # rows of another dataset are among them
    metrics: dict[str, Metric] = {}

    def add(name: str, value: float, baseline: float, true: float | None, measured: int) -> None:
        metrics[name] = Metric(value=value, baseline=baseline, truth=true, batch=batch, rows=measured)

    if RECOMMENDATION in model.header.kinds and (recall := _recall(model, rows, test, truth)):
        add("recall_at_20", *recall)
    known = rows.known("completed")
    if COMPLETION in model.header.kinds and known.any():
        completed = rows.numbers["completed"][known]
        space = clustering.scaled(rows.take(known).features(), model.arrays)
        odds = space @ model.arrays["completion_weights"] + model.arrays["completion_bias"]
        predicted = prediction.sigmoid(odds)
        true = None if truth is None else truth.completion(test.filter(pa.array(known)))
        base = np.full(len(completed), float(model.arrays["completion_base"]))
        losses = [None if p is None else _log_loss(p, completed) for p in (predicted, base, true)]
        add("completion_log_loss", losses[0] or 0.0, losses[1] or 0.0, losses[2], len(completed))
        if 0 < completed.mean() < 1:
            true_auc = None if true is None else _auc(true, completed)
            add("completion_auc", _auc(predicted, completed), 0.5, true_auc, len(completed))
    rated = rows.known("rating")
    if RATING in model.header.kinds and rated.any():
        stars = rows.numbers["rating"][rated]
        predicted = prediction.predicted_ratings(rows.student[rated], rows.course[rated], model.arrays)
        true = None if truth is None else truth.rating(test.filter(pa.array(rated)))
        true_error = None if true is None else _rmse(true, stars)
        add("rating_rmse", _rmse(predicted, stars), _rmse(model.arrays["rating_mean"], stars), true_error, len(stars))
    features = rows.features()
    if CLUSTERING in model.header.kinds and not np.isnan(features).all():
        space = clustering.scaled(features, model.arrays)
        distances = [((space - centre) ** 2).sum(axis=1) for centre in model.arrays["cluster_centres"]]
        nearest = np.minimum.reduce(distances)
        add("cluster_distance", float(nearest.mean()), float((space**2).sum(axis=1).mean()), None, len(rows))
    return metrics


def _recall(
    model: Model, rows: Rows, test: pa.Table, truth: Truth | None
) -> tuple[float, float, float | None, int] | None:
    """Mean recall of the students that the model knows: by factors, by popularity, by the truth; how many students.

    A student's recall is the share of the courses that he took in the batch and had not taken before that are among
    the 20 best ranked ones of those that he had not taken. A course that the model has never seen is a miss.
    """
    arrays, known = model.arrays, rows.student >= 0
    # Courses of the model, then those that are new.
    column = test["course_id"].cast(pa.string())
    new = pc.drop_null(pc.unique(column.filter(pa.array(rows.course < 0)))).to_pylist()
    courses = [*rows.courses, *sorted(new)]
    course = np.asarray(pc.index_in(column.combine_chunks(), value_set=pa.array(courses)))
    seen_student = np.repeat(np.arange(len(rows.students)), np.diff(arrays["seen_ends"], prepend=0))
    seen_course = arrays["seen_courses"].astype(np.int64)
    taken = np.unique(rows.student[known] * len(courses) + course[known])
    wanted = taken[~np.isin(taken, seen_student * len(courses) + seen_course, kind="sort")]
    if not len(wanted):
        return None
    student, course = np.divmod(wanted, len(courses))
    by_factors, by_popularity, by_truth = (np.zeros(len(wanted), bool) for _ in range(3))
    among = np.arange(len(rows.courses))
    order = None if truth is None else _positions(courses, truth.course_ids)
    for part in _parts(student, max(SCORES // max(len(courses), 1), 1)):
        some, row = np.unique(student[part], return_inverse=True)
        between = slice(*np.searchsorted(seen_student, [some[0], some[-1] + 1]).tolist())
        held = np.isin(seen_student[between], some)
        seen = np.searchsorted(some, seen_student[between][held]), seen_course[between][held]
        scores = arrays["student_factors"][some] @ arrays["course_factors"].T + arrays["course_prior"].astype(
            np.float32
        )
        by_factors[part] = _hits(scores, seen, row, course[part], among, len(courses))
        popularity = np.tile(arrays["popularity"].astype(np.float32), (len(some), 1))
        by_popularity[part] = _hits(popularity, seen, row, course[part], among, len(courses))
        if truth is not None and order is not None:
            scores = np.array([truth.scores(rows.students[index]) for index in some], np.float32)
            by_truth[part] = _hits(scores, seen, row, course[part], order, len(courses))
    values = [_mean_by(student, hits) for hits in (by_factors, by_popularity, by_truth)]
    return values[0], values[1], None if order is None else values[2], len(np.unique(student))


def _positions(courses: Sequence[str], others: Sequence[str]) -> Codes | None:
    """For each of the others the position of that course among the courses; None: a course is not among the others."""
    index = {course: position for position, course in enumerate(courses)}
    positions = np.array([index.get(other, -1) for other in others])
    return positions if (positions >= 0).sum() == len(courses) else None


def _parts(student: Codes, most: int) -> Iterator[slice]:
    """Slices of the sorted student codes that hold at most so many students each, every student whole."""
    starts = np.flatnonzero(np.diff(student, prepend=-1))
    for first in range(0, len(starts), most):
        end = starts[first + most] if first + most < len(starts) else len(student)
        yield slice(int(starts[first]), int(end))


def _hits(
    scores: np.ndarray[Any, Any],
    seen: tuple[Codes, Codes],
    row: Codes,
    course: Codes,
    columns: Codes,
    courses: int,
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the courses are among the 20 best ones of their student; of equal scores the first courses are better.

    Args:
        scores: (students, columns), changed.
        seen: students' rows and courses that are not ranked.
        row: of each course, its student's.
        course: the courses.
        columns: which course each column of the scores is; -1: one that nobody took.
        courses: how many courses there are.
    """
    column = np.full(courses, -1)
    column[columns[columns >= 0]] = np.flatnonzero(columns >= 0)
    ranked = column[seen[1]] >= 0
    scores[seen[0][ranked], column[seen[1]][ranked]] = -np.inf
    top = min(TOP, scores.shape[1])
    least = np.partition(scores, scores.shape[1] - top, axis=1)[:, scores.shape[1] - top]
    position = column[course]
    score = np.where(position >= 0, scores[row, position], -np.inf)
    hits = np.asarray(score > least[row])
    for tied in np.flatnonzero((score == least[row]) & (score > -np.inf)):
        others = scores[row[tied]]
        better = (others > score[tied]).sum() + (others[: position[tied]] == score[tied]).sum()
        hits[tied] = better < top
    return hits


def _mean_by(student: Codes, hits: np.ndarray[Any, Any]) -> float:
    """The mean over students of the share of hits."""
    _, code = np.unique(student, return_inverse=True)
    return float((np.bincount(code, hits) / np.bincount(code)).mean())


def _log_loss(probability: Floats, completed: Floats) -> float:
    safe = np.clip(probability, 1e-15, 1 - 1e-15)
    return float(-np.where(completed == 1, np.log(safe), np.log1p(-safe)).mean())


def _auc(probability: Floats, completed: Floats) -> float:
    """The chance that a completed row has the higher probability, equal ones counted half (Mann, Whitney 1947)."""
    _, code, counts = np.unique(probability, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    positive = completed.sum()
    negative = len(completed) - positive
    return float((rank[code][completed == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _rmse(predicted: Floats, actual: Floats) -> float:
    return float(np.sqrt(((predicted - actual) ** 2).mean()))
