"""The stream models' part of the report page."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np

from lumbung.models import model_file
from lumbung.models.predict import Predictor
from lumbung.models.release import newest_release
from lumbung.serving.schema import ModelAnswers, ModelDrift, ModelQuality, Section
from lumbung.storage.lake import Lake

HEADING = ("Laporan model", "Model report")
SHOWN = 5


class Course(NamedTuple):
    """A course by its title, and by its id where it has none."""

    id: str
    title: str

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or self.id


@dataclass(frozen=True)
class Sample:
    """What the recommender shows to a student: the one who took most courses.

    Attributes:
        model_id: the model that is served.
        basis: what the recommendations are made of: `als` or `popularity`.
        student_id: the student.
        taken: how many courses the student took.
        courses: what is recommended, the best first.
    """

    model_id: str
    basis: str
    student_id: str
    taken: int
    courses: list[Course]


class Point(NamedTuple):
    """Models a and b of one number: both are measured on the same batch."""

    number: int
    a: ModelQuality | None
    b: ModelQuality | None

    @property
    def baseline(self) -> float | None:
        """Without a model."""
        return next((row.baseline for row in (self.b, self.a) if row), None)

    @property
    def truth(self) -> float | None:
        """With the probabilities that the data were made from."""
        return next((row.truth for row in (self.b, self.a) if row), None)


@dataclass(frozen=True)
class Curve:
    """A metric of all models: how it changes with the batches.

    Attributes:
        kind: what the models predict there.
        metric: what was measured.
        better: `higher` or `lower`.
        points: one for each number that is measured.
    """

    kind: str
    metric: str
    better: str
    points: list[Point]

    @property
    def most(self) -> float:
        """The largest value, for the bars."""
        models = [model.value for point in self.points for model in (point.a, point.b) if model]
        others = [value for point in self.points for value in (point.baseline, point.truth)]
        return max((value for value in (*models, *others) if value is not None), default=0.0)


@dataclass(frozen=True)
class Learning:
    """What the part draws."""

    answers: ModelAnswers
    samples: list[Sample] = field(default_factory=list)

    @cached_property
    def curves(self) -> list[Curve]:
        """A curve for each metric that is measured, recommendations first."""
        measured = [row for row in self.answers.quality if row.value is not None]
        order = sorted(measured, key=lambda row: (row.kind != model_file.RECOMMENDATION, row.kind, row.metric))
        return [
            Curve(kind, metric, better, list(_points(list(rows))))
            for (kind, metric, better), rows in groupby(order, lambda row: (row.kind, row.metric, row.better))
        ]

    @cached_property
    def drifted(self) -> list[ModelDrift]:
        """What differs from the batch before more than by chance, the most first."""
        rows = [row for row in self.answers.drift if row.psi is not None and row.level != "stable"]
        return sorted(rows, key=lambda row: (-(row.psi or 0), row.batch, row.feature))


def _points(rows: list[ModelQuality]) -> list[Point]:
    by_place = {(row.number, row.scheme): row for row in rows}
    numbers = sorted({row.number for row in rows})
    return [Point(number, by_place.get((number, "a")), by_place.get((number, "b"))) for number in numbers]


def section(answers: ModelAnswers, lake: Lake, label: str) -> Section:
    """The part of the page.

    Args:
        answers: how good the models are, and how the batches differ.
        lake: where the models are that are served.
        label: what people call the system.
    """
    return Section(label, HEADING, "stream_models/report.html.j2", Learning(answers, samples(lake)))


def samples(lake: Lake) -> list[Sample]:
    """What the latest models recommend to one student, the most active one of the largest; empty: nothing is served."""
    release = newest_release(lake)
    if release is None:
        return []
    titles: dict[str, str] = (release.titles and lake.read_json(release.titles)) or {}
    latest = [model for model in release.models if model.id in release.latest.values()]
    read = [
        (model, model_file.read(content, lake.address(model.file.path)))
        for model in sorted(latest, key=lambda model: (-model.file.rows, model.id))
        if model_file.RECOMMENDATION in model.kinds and (content := lake.read(model.file.path))
    ]
    shown: list[Sample] = []
    student = ""
    for model, trained in read:
        predictor, taken = Predictor(trained), np.diff(trained.arrays["seen_ends"], prepend=0)
        student = student or predictor.students[int(taken.argmax())]
        if (index := predictor.students.find(student)) is not None:
            found = predictor.recommend(student_id=student, limit=SHOWN, basis=model.basis)
            ids = [predictor.courses[position] for position, _ in found.items]
            courses = [Course(course, titles.get(course, "")) for course in ids]
            shown.append(Sample(model.id, found.basis, student, int(taken[index]), courses))
    return shown
