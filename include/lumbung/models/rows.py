"""The rows that models are fitted to: ids as sorted codes, numbers with NaN for what is missing, in one order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lumbung.models.als import Floats
from lumbung.models.model_file import LARGEST, NUMERIC_FEATURES

type Codes = np.ndarray[Any, np.dtype[np.int64]]

# Of devices that differ in every row no model learns anything; the rarer ones count as unknown.
MOST_DEVICES = 16
NUMBERS = ("strength", "minutes", "hour_sin", "hour_cos", "rating", "completed")


@dataclass(frozen=True)
class Rows:
    """Activities as arrays of n numbers.

    Attributes:
        students: ids, sorted.
        courses: ids, sorted.
        devices: names of the known devices, sorted.
        student: index in `students`; -1: none of them.
        course: index in `courses`; -1: none of them.
        device: index in `devices`; -1: missing, or none of them.
        numbers: those of `NUMBERS` by name; NaN: missing.
    """

    students: list[str]
    courses: list[str]
    devices: list[str]
    student: Codes
    course: Codes
    device: Codes
    numbers: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.student)

    def take(self, chosen: Any) -> Rows:
        """Those rows, by their indices or a mask."""
        return replace(
            self,
            student=self.student[chosen],
            course=self.course[chosen],
            device=self.device[chosen],
            numbers={name: values[chosen] for name, values in self.numbers.items()},
        )

    def known(self, name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows have the number."""
        return ~np.isnan(self.numbers[name])

    def features(self) -> Floats:
        """(n, 4 + devices), NaN where a value is missing; see `model_file.NUMERIC_FEATURES`."""
        features = np.empty((len(self), len(NUMERIC_FEATURES) + len(self.devices)))
        for position, name in enumerate(NUMERIC_FEATURES):
            features[:, position] = self.numbers[name]
        for device in range(len(self.devices)):
            features[:, len(NUMERIC_FEATURES) + device] = self.device == device
        features[self.device < 0, len(NUMERIC_FEATURES) :] = np.nan
        return features


def training_rows(table: pa.Table) -> Rows:
    """Rows to train on, in an order that depends on their content only.

    Args:
        table: features of batches; a column that is not there is missing in every row.
    """
    students, courses = _distinct(table, "student_id"), _distinct(table, "course_id")
    rows = encode(table, students, courses, _frequent(table, "device"))
    keys = [*(rows.numbers[name] for name in NUMBERS), rows.device, rows.course, rows.student]
    return rows.take(np.lexsort(keys))


def encode(table: pa.Table, students: pa.Array, courses: pa.Array, devices: pa.Array) -> Rows:
    """Rows as arrays.

    Args:
        table: features of batches.
        students: ids of the known students, sorted.
        courses: ids of the known courses, sorted.
        devices: names of the known devices, sorted.
    """
    return Rows(
        students.to_pylist(),
        courses.to_pylist(),
        devices.to_pylist(),
        _codes(table, "student_id", students),
        _codes(table, "course_id", courses),
        _codes(table, "device", devices),
        {name: _numbers(table, name) for name in NUMBERS},
    )


def _distinct(table: pa.Table, name: str) -> pa.Array:
    values = pc.drop_null(pc.unique(table[name].cast(pa.string())))
    return values.take(pc.sort_indices(values))


def _frequent(table: pa.Table, name: str) -> pa.Array:
    """The most frequent texts of a column, sorted; of equally frequent ones the first by name."""
    if name not in table.column_names or pa.types.is_null(table[name].type):
        return pa.array([], pa.string())
    counts = {
        item["values"]: item["counts"]
        for item in pc.value_counts(pc.drop_null(table[name].cast(pa.string()))).to_pylist()
    }
    frequent = sorted(counts, key=lambda text: (-counts[text], text))[:MOST_DEVICES]
    return pa.array(sorted(frequent), pa.string())


def _codes(table: pa.Table, name: str, values: pa.Array) -> Codes:
    if name not in table.column_names or pa.types.is_null(table[name].type) or not len(values):
        return np.full(table.num_rows, -1)
    column = table[name].cast(pa.string()).combine_chunks()
    codes = pc.index_in(column, value_set=values, skip_nulls=True)
    return np.asarray(pc.fill_null(codes, -1).cast(pa.int64()).to_numpy(zero_copy_only=False))


def _numbers(table: pa.Table, name: str) -> Floats:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table[name]
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    numbers = column.cast(pa.float64()).to_numpy()
    # A number that no sum of squares would hold does not count; false for NaN, too.
    return np.where(np.abs(numbers) <= LARGEST, numbers, np.nan)
