"""The truth of a synthetic dataset: the probabilities it was drawn with, which no model can beat.

It is written beside the dataset by its generator and read where models are evaluated.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lumbung.core.errors import LumbungError
from lumbung.models.model_file import pack, unpack

FORMAT = 1
TEXTS = ("student_ids", "course_ids", "titles", "devices")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What a synthetic dataset was drawn with: S students, C courses, T dimensions of taste, D devices.

    Attributes:
        student_ids: all students (S).
        course_ids: all courses (C).
        titles: the courses' titles (C).
        devices: names of the devices (D).
        student_tastes: (S, T).
        course_tastes: (C, T); a student's taste for a course is the product of both.
        course_popularity: log odds of each course at the middle of the stream, the same for all students (C,).
        course_trend: by how much the log odds of each course grow from the first event to the last (C,).
        taste: log odds that one unit of taste gives.
        rating_mean: of a student and a course without bias, who do not match.
        rating_taste: stars that one unit of taste gives.
        rating_noise: standard deviation of a rating before it is rounded and clipped.
        student_bias: stars (S,).
        course_bias: stars (C,).
        completion_odds: log odds: base, one star above 4, 30 minutes above 30, sine and cosine of the hour (5,).
        device_odds: log odds of each device (D,).
    """

    student_ids: list[str]
    course_ids: list[str]
    titles: list[str]
    devices: list[str]
    student_tastes: Floats
    course_tastes: Floats
    course_popularity: Floats
    course_trend: Floats
    taste: Floats
    rating_mean: Floats
    rating_taste: Floats
    rating_noise: Floats
    student_bias: Floats
    course_bias: Floats
    completion_odds: Floats
    device_odds: Floats

    def write(self) -> bytes:
        """The content of its file; the same truth gives the same bytes."""
        arrays: dict[str, Any] = {"format": np.array(FORMAT)}
        for field in fields(self):
            value = getattr(self, field.name)
            arrays |= pack(field.name, value) if field.name in TEXTS else {field.name: value}
        sink = io.BytesIO()
        np.savez(sink, allow_pickle=False, **arrays)
        return sink.getvalue()

    @classmethod
    def read(cls, content: bytes, where: str = "") -> Truth:
        """The truth from its file's content.

        Args:
            content: of the file.
            where: the file, for the error.

        Raises:
            LumbungError: it is not a whole truth file of this release.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            is_known = int(arrays["format"]) == FORMAT
            values: dict[str, Any] = {
                field.name: unpack(field.name, arrays) if field.name in TEXTS else arrays[field.name]
                for field in fields(cls)
            }
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise _refusal(where) from error
        if not is_known:
            raise _refusal(where)
        return cls(**values)

    @cached_property
    def students(self) -> dict[str, int]:
        """The index of each student."""
        return {student: index for index, student in enumerate(self.student_ids)}

    @cached_property
    def courses(self) -> dict[str, int]:
        """The index of each course."""
        return {course: index for index, course in enumerate(self.course_ids)}

    def scores(self, student_id: str) -> Floats:
        """Log odds of each course (C,) that the student takes it next, at the middle of the stream.

        Raises:
            KeyError: there is no such student.
        """
        student = self.student_tastes[self.students[student_id]]
        return np.asarray(self.course_popularity + self.taste * (self.course_tastes @ student))

    def completion_probability(
        self, rating: Floats, minutes: Floats, hour_sin: Floats, hour_cos: Floats, device: NDArray[np.int64]
    ) -> Floats:
        """The probability that a course was completed, of each event.

        Args:
            rating: stars.
            minutes: watched.
            hour_sin: sine of the hour of the day as an angle.
            hour_cos: its cosine.
            device: index of the device; -1: unknown.
        """
        base, star, half_hour, sine, cosine = self.completion_odds
        devices = np.append(self.device_odds, 0.0)  # the last one is the unknown device's
        odds = base + star * (rating - 4) + half_hour * (minutes - 30) / 30
        odds = odds + sine * hour_sin + cosine * hour_cos + devices[device]
        return np.asarray(1 / (1 + np.exp(-odds)))

    def expected_rating(self, student: NDArray[np.int64], course: NDArray[np.int64]) -> Floats:
        """The expected rating, by indices of students and courses."""
        from scipy.special import ndtr

        mean = self.rating_location(student, course)
        # The sum of the probabilities that the rating is above 1, 2, 3 and 4.
        bounds = np.array([1.5, 2.5, 3.5, 4.5])
        return np.asarray(1 + ndtr((mean[:, None] - bounds) / self.rating_noise).sum(axis=1))

    def rating_location(self, student: NDArray[np.int64], course: NDArray[np.int64]) -> Floats:
        """The rating without noise, before it is rounded and clipped, by indices of students and courses."""
        match = np.einsum("nt,nt->n", self.student_tastes[student], self.course_tastes[course])
        bias = self.student_bias[student] + self.course_bias[course]
        return np.asarray(self.rating_mean + bias + self.rating_taste * match)

    def completion(self, rows: pa.Table) -> Floats:
        """The probability of completion of each row; a missing value counts as what it is measured from.

        Args:
            rows: with the columns rating, minutes, hour_sin, hour_cos and device.
        """
        index = {device: number for number, device in enumerate(self.devices)}
        device = np.array([index.get(name, -1) for name in rows["device"].to_pylist()], np.int64)
        rating, minutes, sine, cosine = (
            np.asarray(rows[name].cast(pa.float64()).fill_null(missing))
            for name, missing in (("rating", 4.0), ("minutes", 30.0), ("hour_sin", 0.0), ("hour_cos", 0.0))
        )
        return self.completion_probability(rating, minutes, sine, cosine, device)

    def rating(self, rows: pa.Table) -> Floats:
        """The expected rating of each row; NaN where the student or the course is not of the dataset.

        Args:
            rows: with the columns student_id and course_id.
        """
        student = np.array([self.students.get(name, -1) for name in rows["student_id"].to_pylist()], np.int64)
        course = np.array([self.courses.get(name, -1) for name in rows["course_id"].to_pylist()], np.int64)
        known = (student >= 0) & (course >= 0)
        ratings = np.full(len(student), np.nan)
        ratings[known] = self.expected_rating(student[known], course[known])
        return ratings


def _refusal(where: str) -> LumbungError:
    return LumbungError(
        "this is not a whole truth file of this release",
        where=where,
        remedy="generate the dataset again: lumbung models generate",
    )
