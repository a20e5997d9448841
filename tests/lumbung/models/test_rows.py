"""Rows to train on."""

import numpy as np
import pyarrow as pa
import pytest

from lumbung.models.rows import MOST_DEVICES, encode, training_rows


def table(**columns):
    return pa.table({"student_id": ["b", "a", "a"], "course_id": ["y", "z", "y"]} | columns)


def test_rows_are_ordered_by_their_content():
    rows = training_rows(
        table(rating=[1.0, 2.0, None], device=["phone", None, "laptop"], completed=[True, None, False])
    )
    assert (rows.students, rows.courses, rows.devices) == (["a", "b"], ["y", "z"], ["laptop", "phone"])
    assert rows.student.tolist() == [0, 0, 1]
    assert rows.course.tolist() == [0, 1, 0]
    assert rows.device.tolist() == [0, -1, 1]
    assert rows.numbers["rating"].tolist() == pytest.approx([np.nan, 2, 1], nan_ok=True)
    assert rows.numbers["completed"].tolist() == pytest.approx([0, np.nan, 1], nan_ok=True)
    assert not rows.known("minutes").any()


@pytest.mark.parametrize(
    "text", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_texts_of_every_arrow_type_are_the_same(text):
    plain = table(device=["phone", None, "laptop"])
    typed = pa.table({name: plain[name].cast(text) for name in plain.column_names})
    rows, expected = training_rows(typed), training_rows(plain)
    assert (rows.students, rows.courses, rows.devices) == (expected.students, expected.courses, expected.devices)
    for name in ("student", "course", "device"):
        assert getattr(rows, name).tolist() == getattr(expected, name).tolist()


@pytest.mark.parametrize("number", [pa.int64(), pa.float32(), pa.int8(), pa.decimal128(30, 2)])
def test_numbers_of_every_arrow_type_are_the_same(number):
    rows = training_rows(table(rating=pa.array([1, 2, None]).cast(number)))
    assert rows.numbers["rating"].tolist() == pytest.approx([np.nan, 2, 1], nan_ok=True)


def test_numbers_that_are_none_are_missing():
    rows = training_rows(table(minutes=[float("inf"), float("nan"), 1e12], rating=[1.0, -1e300, 1e9]))
    assert not rows.known("minutes").any()
    assert rows.known("rating").sum() == 2


def test_ids_are_sorted_by_their_bytes():
    ids = ["é", "Z", "a", "\U0001f600", "日", ""]
    rows = training_rows(pa.table({"student_id": ids, "course_id": ids}))
    assert rows.students == rows.courses == sorted(ids, key=str.encode)


def test_rare_devices_are_unknown():
    names = [f"device {number:02}" for number in range(MOST_DEVICES + 3)]
    devices = names + names[3:]  # the first three are there once
    rows = training_rows(
        pa.table({"student_id": ["a"] * len(devices), "course_id": ["y"] * len(devices), "device": devices})
    )
    assert rows.devices == names[3:]
    assert (rows.device < 0).sum() == 3
    assert np.isnan(rows.features()[:, 4:]).sum() == 3 * MOST_DEVICES


def test_what_is_not_known_has_no_code():
    known = pa.array(["a"]), pa.array(["z"]), pa.array(["phone"])
    rows = encode(table(device=["phone", "laptop", None]), *known)
    assert rows.student.tolist() == [-1, 0, 0]
    assert rows.course.tolist() == [-1, 0, -1]
    assert rows.device.tolist() == [0, -1, -1]


def test_features_are_in_their_order():
    given = {"minutes": [5.0, None, 7.0], "hour_sin": [0.0, 1.0, 0.5], "hour_cos": [1.0, 0.0, 0.5], "rating": [3, 4, 5]}
    rows = encode(table(**given, device=["a", "b", None]), pa.array(["a"]), pa.array(["z"]), pa.array(["a", "b"]))
    expected = [[5, 0, 1, 3, 1, 0], [np.nan, 1, 0, 4, 0, 1], [7, 0.5, 0.5, 5, np.nan, np.nan]]
    assert rows.features() == pytest.approx(np.array(expected), nan_ok=True)
