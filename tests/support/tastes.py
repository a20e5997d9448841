"""Features of synthetic activity, as Spark makes them of batches, of students whose tastes are known."""

import numpy as np
import pyarrow as pa

TASTES = 3


class Tastes:
    """Students, courses and their tastes; its methods are those that evaluation asks of the truth."""

    def __init__(self, students=60, courses=40, seed=1):
        self.random = np.random.default_rng(seed)
        self.student_ids = [f"S{number:05d}" for number in range(students)]
        self.course_ids = [f"C{number:04d}" for number in range(courses)]
        self.student_tastes = self.random.normal(size=(students, TASTES))
        self.course_tastes = self.random.normal(size=(courses, TASTES)) / np.sqrt(TASTES)
        self.popularity = self.random.normal(0, 1, courses)

    def draw(self, rows):
        """So many rows of features, in the order of the stream."""
        random, courses = self.random, len(self.course_ids)
        student = random.integers(len(self.student_ids), size=rows)
        odds = self.popularity + 1.6 * self.student_tastes[student] @ self.course_tastes.T
        course = (odds + random.gumbel(size=(rows, courses))).argmax(axis=1)
        hour = random.integers(24, size=rows)
        rating = np.clip(np.rint(self._rating(student, course) + random.normal(0, 0.6, rows)), 1, 5)
        minutes = np.round(random.gamma(2, 15, rows), 1)
        completed = random.random(rows) < self._completion(rating, minutes)
        return pa.table(
            {
                "seq": np.arange(rows),
                "student_id": np.array(self.student_ids, object)[student],
                "course_id": np.array(self.course_ids, object)[course],
                "strength": 0.25 + 0.15 * rating + 0.5 * completed,
                "rating": rating,
                "minutes": minutes,
                "hour_sin": np.sin(hour * np.pi / 12),
                "hour_cos": np.cos(hour * np.pi / 12),
                "device": np.array(["laptop", "phone", "tablet"], object)[random.integers(3, size=rows)],
                "completed": completed,
            }
        )

    def scores(self, student_id):
        return self.popularity + 1.6 * self.course_tastes @ self.student_tastes[self.student_ids.index(student_id)]

    def completion(self, rows):
        return self._completion(rows["rating"].to_numpy(), rows["minutes"].to_numpy())

    def rating(self, rows):
        student, course = (
            np.array([ids.index(name) if name in ids else -1 for name in rows[column].to_pylist()], int)
            for ids, column in ((self.student_ids, "student_id"), (self.course_ids, "course_id"))
        )
        ratings = np.clip(self._rating(student, course), 1, 5)
        return np.where((student < 0) | (course < 0), np.nan, ratings)

    def _rating(self, student, course):
        return 3.2 + 0.8 * (self.student_tastes[student] * self.course_tastes[course]).sum(axis=1)

    def _completion(self, rating, minutes):
        return 1 / (1 + np.exp(-(0.5 * (rating - 3) + 0.05 * (minutes - 30))))
