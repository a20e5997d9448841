"""The file of a model: what was written is read; what is damaged or contradicts itself is refused."""

import io
import random
from dataclasses import replace

import numpy as np
import pytest

from lumbung.core.errors import LumbungError
from lumbung.models import model_file
from lumbung.models.fit import Parameters, fit


def test_what_was_written_is_read(model):
    read = model_file.read(model_file.write(model), "m")
    assert read.header == model.header
    assert read.arrays.keys() == model.arrays.keys()
    for name, array in model.arrays.items():
        assert read.arrays[name].dtype == array.dtype
        assert np.array_equal(read.arrays[name], array)


def test_the_same_model_gives_the_same_bytes(model):
    backwards = replace(model, arrays=dict(reversed(model.arrays.items())))
    assert model_file.write(backwards) == model_file.write(model)


def test_texts_are_packed_and_unpacked():
    for texts in ([], [""], ["a", "", "日本", "b" * 1000]):
        assert model_file.unpack("ids", model_file.pack("ids", texts)) == texts


@pytest.fixture(scope="module")
def small(activity):
    return fit(activity.slice(0, 60), Parameters(rank=2), ["0a"])


@pytest.mark.filterwarnings("error")
def test_a_damaged_file_is_refused_or_means_the_same(small):
    content, draw = model_file.write(small), random.Random(1)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(content)
        match draw.randrange(3):
            case 0:
                del damaged[draw.randrange(len(damaged)) :]
            case 1:
                start = draw.randrange(len(damaged))
                del damaged[start : start + draw.randrange(1, 50)]
            case 2:
                for _ in range(draw.choice([1, 1, 3, 20])):
                    damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        try:
            read = model_file.read(bytes(damaged), "m")
        except LumbungError:
            refused += 1
        else:  # bytes of the archive that mean nothing, such as a member's time
            assert model_file.write(read) == content
    assert refused > 1200


def test_the_error_says_what_to_do():
    with pytest.raises(LumbungError, match=r"m\.npz: this is not a whole model file\. Delete it and the \.json"):
        model_file.read(b"", "m.npz")
    sink = io.BytesIO()
    np.savez(sink, header=np.array([{"a": 1}], object))  # needs pickle
    with pytest.raises(LumbungError, match="not a whole model file"):
        model_file.read(sink.getvalue(), "m.npz")


def test_another_format_is_refused(small):
    newer = replace(small, header=model_file.Header(**(vars(small.header) | {"format": 2})))
    with pytest.raises(LumbungError, match="has format 2, and this release reads 1"):
        model_file.read(model_file.write(newer), "m")


def changed(name, change):
    def apply(header, arrays):
        arrays[name] = change(arrays[name].copy())

    return apply


def put(position, value):
    def change(array):
        array[position] = value
        return array

    return change


def header(**update):
    return lambda header, arrays: header.update(update)


CONTRADICTIONS = {
    "unknown kind": (header(kinds=["oracle"]), "its kinds are oracle"),
    "kind named twice": (header(kinds=["rating", "rating"]), "its kinds are rating, rating"),
    "device named twice": (header(devices=["phone", "phone", "tablet"]), "a device is named twice"),
    "device too many": (header(devices=["a", "b", "c", "d"]), "cluster_centres has 7 features, not 8"),
    "array missing": (lambda _, arrays: arrays.pop("course_prior"), "it has no course_prior"),
    "ids missing": (lambda _, arrays: arrays.pop("student_ids_ends"), "it has no student_ids"),
    "ids cut": (changed("course_ids_bytes", lambda array: array[:-1]), "the ends of course_ids do not fit"),
    "ids unsorted": (changed("course_ids_bytes", put(1, 255)), "course_ids are no texts"),
    "ids equal": (
        lambda _, arrays: arrays.update(model_file.pack("course_ids", ["C"] * len(arrays["course_ids_ends"]))),
        "course_ids are not sorted, or not distinct",
    ),
    "course too few": (changed("course_factors", lambda array: array[1:]), "course_factors has"),
    "rank differs": (changed("student_factors", lambda array: array[:, 1:]), "student_factors has 1 rank, not 2"),
    "dimension missing": (changed("course_factors", lambda array: array[:, 0]), "course_factors has 1 dimensions"),
    "texts for numbers": (changed("course_prior", lambda array: array.astype(str)), "course_prior is of <U"),
    "whole numbers expected": (changed("seen_ends", lambda array: array * 1.0), "seen_ends is of float64"),
    "a NaN": (changed("student_factors", put((0, 0), np.nan)), "student_factors has a number that is not finite"),
    "endless": (changed("completion_bias", lambda _: np.array(np.inf)), "completion_bias has a number that is not"),
    "too large for sums": (changed("course_factors", put((0, 0), 1e30)), "course_factors has a number that is not"),
    "no scale": (changed("feature_scale", put(0, 0)), "feature_scale is not positive"),
    "no cluster": (changed("cluster_centres", lambda array: array[:0]), "there are no clusters"),
    "no probability": (changed("completion_threshold", lambda _: np.array(1.5)), "completion_threshold is not a prob"),
    "no ridge": (changed("fold_in", lambda array: array * 0), "fold_in gives no positive ridge"),
    "negative ridge": (changed("fold_in", put(2, -1)), "fold_in gives no positive ridge"),
    "no strength": (changed("strength_by_rating", put(0, -1)), "fold_in gives no positive ridge"),
    "seen ends fall": (changed("seen_ends", put(0, 10**6)), "seen_ends do not fit seen_courses"),
    "seen cut": (changed("seen_courses", lambda array: array[:-1]), "seen_ends do not fit seen_courses"),
    "seen unknown": (changed("seen_courses", put(-1, 10**6)), "seen_courses are not sorted courses of each student"),
    "seen negative": (changed("seen_courses", put(0, -1)), "seen_courses are not sorted courses of each student"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_file_that_contradicts_itself_is_refused(small, case):
    change, message = CONTRADICTIONS[case]
    parts, arrays = dict(vars(small.header)), dict(small.arrays)
    change(parts, arrays)
    content = model_file.write(model_file.Model(model_file.Header(**parts), arrays))
    with pytest.raises(LumbungError) as raised:
        model_file.read(content, "m")
    assert raised.value.what.startswith(f"the model file contradicts itself: {message}")


def test_seen_courses_are_distinct_for_each_student(activity):
    rows = activity.slice(0, 60)
    model = fit(rows, Parameters(rank=2), ["0a"])
    ends = model.arrays["seen_ends"]
    student = int(np.flatnonzero(np.diff(ends, prepend=0) > 1)[0])
    seen = model.arrays["seen_courses"].copy()
    seen[ends[student] - 2] = seen[ends[student] - 1]
    twice = model_file.Model(model.header, model.arrays | {"seen_courses": seen})
    with pytest.raises(LumbungError, match="seen_courses are not sorted courses"):
        model_file.read(model_file.write(twice), "m")
