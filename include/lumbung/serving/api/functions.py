"""What a model answers: a function for each path below `/v1/models/{id}/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from lumbung.models.model_file import CLUSTERING, COMPLETION, RATING, RECOMMENDATION
from lumbung.models.predict import Features, Predictor
from lumbung.models.release import ReleasedModel
from lumbung.serving.api import bodies
from lumbung.serving.api.decode import invalid
from lumbung.serving.api.served import Served


class Call(NamedTuple):
    """A request to a model.

    Attributes:
        served: what all of the answer is by.
        model: the model of it.
        predictor: answers for the model.
        body: what was sent.
    """

    served: Served
    model: ReleasedModel
    predictor: Predictor
    body: Any

    @property
    def by(self) -> dict[str, Any]:
        """What each answer says of who answered."""
        return {"model": self.model.id, "generation": self.served.release.generation}

    def items(self, scored: Iterable[tuple[int, float]]) -> list[bodies.Item]:
        """Courses with their titles, by their numbers in the model."""
        ids, titles = self.predictor.courses, self.served.titles
        return [bodies.Item(course, titles.get(course), score) for course, score in ((ids[i], s) for i, s in scored)]


def _recommend(call: Call) -> bodies.Recommendation:
    body: bodies.Taste = call.body
    if (body.ratings is msgspec.UNSET) == (body.student_id is msgspec.UNSET):
        raise invalid("Send either ratings or student_id.")
    ratings = None if body.ratings is msgspec.UNSET else [(item.course_id, item.rating) for item in body.ratings]
    student = None if body.student_id is msgspec.UNSET else body.student_id
    items, ignored, basis = call.predictor.recommend(ratings, student, body.limit, call.model.basis)
    return bodies.Recommendation(**call.by, basis=basis, items=call.items(items), ignored=ignored)


def _similar(call: Call) -> bodies.Similar:
    body: bodies.LikeCourse = call.body
    return bodies.Similar(**call.by, items=call.items(call.predictor.similar(body.course_id, body.limit)))


def _cluster(call: Call) -> bodies.Cluster:
    cluster = call.predictor.cluster(_features(call.body))
    return bodies.Cluster(
        **call.by,
        cluster=cluster.number,
        distance=cluster.distance,
        description=cluster.description,
        centre=bodies.Centre(**cluster.centre._asdict()),
    )


def _predict_completion(call: Call) -> bodies.Completion:
    probability, threshold, completed = call.predictor.predict_completion(_features(call.body))
    return bodies.Completion(**call.by, probability=probability, threshold=threshold, completed=completed)


def _predict_rating(call: Call) -> bodies.ExpectedRating:
    body: bodies.StudentCourse = call.body
    return bodies.ExpectedRating(**call.by, rating=call.predictor.predict_rating(body.student_id, body.course_id))


def _features(body: bodies.Activity) -> Features:
    return Features(body.minutes, body.hour, body.device, body.rating)


@dataclass(frozen=True)
class Function:
    """What models answer at a path.

    Attributes:
        summary: what it gives.
        kind: what of a model answers.
        run: makes the answer.
        body: type of what is sent.
        answer: type of the answer.
        example: a body.
        decoder: of the body.
    """

    summary: str
    kind: str
    run: Callable[[Call], Any]
    body: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    example: Mapping[str, Any]
    decoder: msgspec.json.Decoder[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decoder", msgspec.json.Decoder(self.body))


# Of the sample data, which synthetic activity is about: models of it know them.
_STUDENT, _COURSE = "B0049919-E956-1D88-AA12-F365FB1067AB", "72F49FC7-7414-77D9-105C-CD4C468249E0"
_ACTIVITY = {"minutes": 31.5, "hour": 20, "device": "phone", "rating": 4}

FUNCTIONS: Mapping[str, Function] = {
    "/v1/models/{id}/recommend": Function(
        "Courses for a student",
        RECOMMENDATION,
        _recommend,
        bodies.Taste,
        bodies.Recommendation,
        {"ratings": [{"course_id": _COURSE, "rating": 5}], "limit": 5},
    ),
    "/v1/models/{id}/similar": Function(
        "Courses like a course",
        RECOMMENDATION,
        _similar,
        bodies.LikeCourse,
        bodies.Similar,
        {"course_id": _COURSE, "limit": 5},
    ),
    "/v1/models/{id}/cluster": Function(
        "The group of an activity", CLUSTERING, _cluster, bodies.Activity, bodies.Cluster, _ACTIVITY
    ),
    "/v1/models/{id}/predict-completion": Function(
        "Whether a course will be completed",
        COMPLETION,
        _predict_completion,
        bodies.Activity,
        bodies.Completion,
        _ACTIVITY,
    ),
    "/v1/models/{id}/predict-rating": Function(
        "The rating that a student would give a course",
        RATING,
        _predict_rating,
        bodies.StudentCourse,
        bodies.ExpectedRating,
        {"student_id": _STUDENT, "course_id": _COURSE},
    ),
}
