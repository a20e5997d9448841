"""Predictions by one model: prepared once, then many at the same time, in arrays that nobody changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from lumbung.core.errors import LumbungError
from lumbung.models import clustering, prediction
from lumbung.models.als import Floats
from lumbung.models.labels import Labels
from lumbung.models.model_file import CLUSTERING, COMPLETION, LARGEST, RATING, RECOMMENDATION, Model
from lumbung.models.recommendation import STARS, ridge

MOST_ITEMS = 100

type Basis = Literal["als", "popularity"]


class MissingKindError(LumbungError):
    """The model does not predict this: its data lacked the columns."""


class UnknownCourseError(LumbungError):
    """The model does not know the course."""


class Recommendations(NamedTuple):
    """What is recommended.

    Attributes:
        items: index in `Predictor.courses` and score, the best one first.
        ignored: rated courses that the model does not know.
        basis: what the scores are made of.
    """

    items: list[tuple[int, float]]
    ignored: list[str]
    basis: Basis


class Features(NamedTuple):
    """What is known of an activity.

    Attributes:
        minutes: watched.
        hour: of the day, 0 to 24.
        device: its name.
        rating: stars.
    """

    minutes: float | None = None
    hour: float | None = None
    device: str | None = None
    rating: float | None = None


class Centre(NamedTuple):
    """The middle of a cluster in the features' own units.

    Attributes:
        minutes: watched.
        hour: of the day, 0 to 24.
        rating: stars.
        devices: share of each device.
    """

    minutes: float
    hour: float
    rating: float
    devices: dict[str, float]


class Cluster(NamedTuple):
    """The cluster that an activity belongs to.

    Attributes:
        number: from 0, the largest one first.
        distance: to its centre, in standard deviations of the features.
        description: in words.
        centre: the middle.
    """

    number: int
    distance: float
    description: str
    centre: Centre


class Completion(NamedTuple):
    """Whether a course will be completed."""

    probability: float
    threshold: float
    completed: bool


class Predictor:
    """Predictions by one model.

    The process that serves should limit BLAS to one thread (`OPENBLAS_NUM_THREADS=1`): a request is too small for more.
    """

    def __init__(self, model: Model) -> None:
        """Prepare.

        Args:
            model: as `model_file.read` checked it.
        """
        self.header, arrays = model.header, model.arrays
        self._arrays = arrays
        self.courses, self.students = Labels("course_ids", arrays), Labels("student_ids", arrays)
        if RECOMMENDATION in self.header.kinds:
            factors = arrays["course_factors"].astype(np.float64)
            self._gram = factors.T @ factors
            self._prior = arrays["course_prior"].astype(np.float32)
            length = np.linalg.norm(factors, axis=1)
            self._inverse_length = np.divide(1, length, out=np.zeros_like(length), where=length > 0).astype(np.float32)
            self._popularity = arrays["popularity"].astype(np.float32)
        if CLUSTERING in self.header.kinds:
            centres = arrays["cluster_centres"] * arrays["feature_scale"] + arrays["feature_mean"]
            self._centres = [self._named(centre) for centre in centres]
            self._descriptions = [clustering.describe(centre, self.header.devices) for centre in centres]

    def recommend(
        self,
        ratings: Sequence[tuple[str, float]] | None = None,
        student_id: str | None = None,
        limit: int = 10,
        basis: Basis = "als",
    ) -> Recommendations:
        """Courses that a student has not taken.

        Args:
            ratings: course and stars; the last rating of a course counts.
            student_id: whose courses the model knows, in place of ratings.
            limit: how many at most; never more than `MOST_ITEMS`.
            basis: what to rank by. A student that the model does not know gets the most popular courses, as does one
                without ratings.

        Raises:
            MissingKindError: the model recommends nothing.
        """
        self._require(RECOMMENDATION)
        rated: dict[int, float] = {}
        ignored = []
        for course_id, stars in ratings or ():
            if (course := self.courses.find(course_id)) is None:
                ignored.append(course_id)
            else:
                rated[course] = stars
        student = None if student_id is None or rated else self.students.find(student_id)
        seen = np.fromiter(rated, np.int32, len(rated)) if student is None else self._seen(student)
        if basis == "popularity" or (student is None and not rated):
            return Recommendations(self._best(self._popularity.copy(), seen, limit), ignored, "popularity")
        if student is None:
            by_rating = self._arrays["strength_by_rating"]
            strengths = np.interp(list(rated.values()), STARS, by_rating)
            strengths = np.nan_to_num(strengths, copy=False, nan=by_rating.mean())
            factors = self.fold_in(seen, strengths)
        else:
            factors = self._arrays["student_factors"][student]
        scores = self._arrays["course_factors"] @ factors
        scores += self._prior
        return Recommendations(self._best(scores, seen, limit), ignored, "als")

    def fold_in(self, courses: np.ndarray[Any, Any], strengths: Floats) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The factors that training would give a student.

        Args:
            courses: indices of distinct courses, (n,).
            strengths: of each, (n,).
        """
        factors = self._arrays["course_factors"][courses].astype(np.float64)
        weights = self._arrays["fold_in"][0] * strengths
        equations = self._gram + (factors.T * weights) @ factors
        np.einsum("ii->i", equations)[:] += ridge(self._arrays["fold_in"], weights.sum(), len(courses))
        return np.asarray(np.linalg.solve(equations, (1 + weights) @ factors), np.float32)

    def similar(self, course_id: str, limit: int = 10) -> list[tuple[int, float]]:
        """The courses whose factors point the same way: index and cosine, the most similar one first.

        Args:
            course_id: the course.
            limit: how many at most; never more than `MOST_ITEMS`.

        Raises:
            MissingKindError: the model recommends nothing.
            UnknownCourseError: the model does not know the course.
        """
        self._require(RECOMMENDATION)
        course = self._course(course_id)
        factors = self._arrays["course_factors"]
        cosines = factors @ (factors[course] * self._inverse_length[course])
        cosines *= self._inverse_length
        np.clip(cosines, -1, 1, out=cosines)
        return self._best(cosines, np.array([course]), limit)

    def cluster(self, features: Features) -> Cluster:
        """The cluster of an activity.

        Raises:
            MissingKindError: the model has no clusters.
        """
        self._require(CLUSTERING)
        distances = np.linalg.norm(self._arrays["cluster_centres"] - self._scaled(features), axis=1)
        number = int(distances.argmin())
        return Cluster(number, float(distances[number]), self._descriptions[number], self._centres[number])

    def predict_completion(self, features: Features) -> Completion:
        """Whether an activity ends with the course completed.

        Raises:
            MissingKindError: the model does not predict completion.
        """
        self._require(COMPLETION)
        odds = self._arrays["completion_weights"] @ self._scaled(features) + self._arrays["completion_bias"]
        probability, threshold = float(prediction.sigmoid(odds)), float(self._arrays["completion_threshold"])
        return Completion(probability, threshold, probability >= threshold)

    def predict_rating(self, student_id: str, course_id: str) -> float:
        """The stars that a student would give a course; one that the model does not know rates as the average one.

        Raises:
            MissingKindError: the model does not predict ratings.
            UnknownCourseError: the model does not know the course.
        """
        self._require(RATING)
        course, student = self._course(course_id), self.students.find(student_id)
        codes = np.array([-1 if student is None else student]), np.array([course])
        return float(prediction.predicted_ratings(*codes, self._arrays)[0])

    def _best(
        self, scores: np.ndarray[Any, np.dtype[np.float32]], seen: np.ndarray[Any, Any], limit: int
    ) -> list[tuple[int, float]]:
        """Index and score of the highest scores; of equal ones the first courses. Changes `scores`."""
        scores[seen] = -np.inf
        limit = min(max(limit, 0), MOST_ITEMS, len(scores) - len(seen))
        if limit == 0:
            return []
        least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        candidates = np.flatnonzero(scores >= least)
        best = candidates[np.argsort(-scores[candidates], kind="stable")[:limit]]
        return list(zip(best.tolist(), scores[best].tolist(), strict=True))

    def _seen(self, student: int) -> np.ndarray[Any, Any]:
        ends = self._arrays["seen_ends"]
        return self._arrays["seen_courses"][ends[student - 1] if student else 0 : ends[student]]

    def _scaled(self, features: Features) -> Floats:
        """An activity in scaled space (F,)."""
        angle = _number(features.hour) * 2 * math.pi / 24
        known = features.device in self.header.devices
        raw = [
            _number(features.minutes),
            math.sin(angle),
            math.cos(angle),
            _number(features.rating),
            *(float(device == features.device) if known else None for device in self.header.devices),
        ]
        return clustering.scaled(np.array(raw, np.float64), self._arrays)

    def _named(self, centre: Floats) -> Centre:
        minutes, sine, cosine, rating, *devices = centre.tolist()
        hour = math.atan2(sine, cosine) / (2 * math.pi) * 24 % 24
        shares = (min(max(share, 0.0), 1.0) for share in devices)  # without the rounding errors of the scaling
        return Centre(minutes, hour, rating, dict(zip(self.header.devices, shares, strict=True)))

    def _course(self, course_id: str) -> int:
        course = self.courses.find(course_id)
        if course is None:
            raise UnknownCourseError(f"the model does not know the course {course_id!r}")
        return course

    def _require(self, kind: str) -> None:
        if kind not in self.header.kinds:
            raise MissingKindError(f"the model has no {kind}: the data that it was trained on lacks the columns")


def _number(value: float | None) -> float:
    """A value, or NaN where it is missing or too large to be one; training does the same."""
    return value if value is not None and abs(value) <= LARGEST else math.nan
