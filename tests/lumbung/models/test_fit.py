"""Fitting: the same bytes in any order, and every shape of data that a stream may bring."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lumbung.core.errors import LumbungError
from lumbung.models import model_file
from lumbung.models.fit import FIT_VERSION, Parameters, fit
from lumbung.models.predict import Features, Predictor
from support.tastes import Tastes

ROOT = Path(__file__).parents[3]
ALL = list(model_file.KINDS)
pytestmark = pytest.mark.filterwarnings("error")


def test_rows_in_any_order_give_the_same_bytes(activity, model):
    content = model_file.write(model)
    random = np.random.default_rng(5)
    for _ in range(3):
        shuffled = activity.take(random.permutation(activity.num_rows))
        assert model_file.write(fit(shuffled, Parameters(), ["0a"])) == content
    chunked = pa.concat_tables([activity.slice(1000), activity.slice(0, 1000)])
    assert model_file.write(fit(chunked, Parameters(), ["0a"])) == content


def test_repeated_rows_do_not_depend_on_their_order(activity):
    twice = pa.concat_tables([activity, activity.slice(0, 500)])
    shuffled = twice.take(np.random.default_rng(5).permutation(twice.num_rows))
    assert model_file.write(fit(twice, Parameters(), [])) == model_file.write(fit(shuffled, Parameters(), []))


def test_another_process_with_other_threads_gives_the_same_bytes(model):
    code = (
        "import hashlib; from support.tastes import Tastes; from lumbung.models import fit, model_file;"
        "rows = Tastes().draw(3000);"
        "model = fit.fit(rows, fit.Parameters(), ['0a']);"
        "print(hashlib.sha256(model_file.write(model)).hexdigest())"
    )
    threads = {"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "3"}
    environment = os.environ | threads | {"PYTHONPATH": f"{ROOT}/include:{ROOT}/tests"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == hashlib.sha256(model_file.write(model)).hexdigest()


def test_the_header_says_what_it_is(model):
    header = model.header
    assert (header.trainer, header.code, header.batches, header.rows) == ("arrow", FIT_VERSION, ["0a"], 3000)
    assert (header.kinds, header.devices) == (ALL, ["laptop", "phone", "tablet"])
    assert header.parameters["alpha"] == Parameters().alpha


def test_numbers_are_those_of_this_version(model):
    """If this fails the rules of training changed: raise FIT_VERSION, so that models are trained again."""
    arrays, predictor = model.arrays, Predictor(model)
    assert FIT_VERSION == 1
    values = [
        np.linalg.norm(arrays["course_factors"].astype(float)),
        np.linalg.norm(arrays["student_factors"].astype(float)),
        arrays["course_prior"].sum(),
        arrays["strength_by_rating"].sum(),
        arrays["feature_mean"].sum(),
        arrays["feature_scale"].sum(),
        np.linalg.norm(arrays["completion_weights"]),
        arrays["completion_bias"],
        arrays["completion_threshold"],
        arrays["rating_mean"],
        predictor.predict_rating("S00001", "C0001"),
        predictor.cluster(Features(30, 20, "phone", 4)).distance,
    ]
    assert values == pytest.approx(GOLDEN, rel=1e-3)


GOLDEN = [6.37416, 7.53098, 5.28391, 4.74916, 35.1329, 24.7432, 1.11271, 0.44608, 0.585008, 3.88467, 4.65505, 1.53644]


def without(table, *names):
    return table.drop_columns(list(names))


def nulled(table, *names):
    for name in names:
        position = table.column_names.index(name)
        table = table.set_column(position, name, pa.nulls(table.num_rows, table[name].type))
    return table


RECOMMENDATION, CLUSTERING, COMPLETION, RATING = ALL
LACKING = {
    "no rating": (["rating"], [RECOMMENDATION, CLUSTERING, COMPLETION]),
    "no completion": (["completed"], [RECOMMENDATION, CLUSTERING, RATING]),
    "no device": (["device"], ALL),
    "no strength": (["strength"], ALL),
    "only takes": (
        ["strength", "rating", "minutes", "hour_sin", "hour_cos", "device", "completed"],
        [RECOMMENDATION],
    ),
    "only completion": (["rating", "minutes", "hour_sin", "hour_cos", "device"], [RECOMMENDATION]),
}


@pytest.mark.parametrize("lack", [without, nulled])
@pytest.mark.parametrize("case", LACKING)
def test_a_kind_whose_columns_are_missing_is_left_out(activity, lack, case):
    columns, kinds = LACKING[case]
    assert served(lack(activity.slice(0, 200), *columns)) == kinds


def test_columns_without_a_type_are_missing(activity):
    rows = activity.slice(0, 100)
    for name in ("device", "rating", "completed"):
        rows = rows.set_column(rows.column_names.index(name), name, pa.nulls(100))
    assert served(rows) == [RECOMMENDATION, CLUSTERING]


def test_tastes_are_learned_where_many_students_took_few_of_many_courses():
    random, students, courses = np.random.default_rng(8), 20_000, 6_000
    student = np.repeat(np.arange(students), 4)
    course = student % 2 * (courses // 2) + random.integers(courses // 2, size=len(student))  # two tastes
    ids = {"student_id": [f"S{code:05}" for code in student], "course_id": [f"C{code:05}" for code in course]}
    predictor = Predictor(fit(pa.table(ids), Parameters(), []))
    for student in range(0, students, 500):
        items = predictor.recommend(student_id=f"S{student:05}", limit=20).items
        right = [predictor.courses[course] >= f"C{courses // 2:05}" for course, _ in items]
        assert np.mean(right if student % 2 else np.logical_not(right)) > 0.9


def test_no_rows_are_refused(activity):
    with pytest.raises(LumbungError, match="0a, 0b: there are no rows to train on"):
        fit(activity.slice(0, 0), Parameters(), ["0a", "0b"])


def constant(table, name, value):
    position = table.column_names.index(name)
    return table.set_column(position, name, pa.array([value] * table.num_rows, table[name].type))


def columns_of(values):
    return lambda table: constant(table, *values)


SHAPES = {
    "one row": lambda table: table.slice(0, 1),
    "two rows": lambda table: table.slice(0, 2),
    "one student": columns_of(("student_id", "S1")),
    "one course": columns_of(("course_id", "C1")),
    "one student, one course": lambda table: constant(constant(table, "student_id", "S1"), "course_id", "C1"),
    "the same minutes": columns_of(("minutes", 30.1)),
    "the same rating": columns_of(("rating", 4.0)),
    "one device": columns_of(("device", "phone")),
    "all completed": columns_of(("completed", True)),
    "none completed": columns_of(("completed", False)),
    "one row many times": lambda table: table.take([0] * 50),
    "one rating": lambda table: pa.concat_tables([nulled(table, "rating"), table.slice(0, 1)]),
    "one completion": lambda table: pa.concat_tables([nulled(table, "completed"), table.slice(0, 1)]),
    "numbers that are none": columns_of(("minutes", float("nan"))),
    "endless minutes": columns_of(("minutes", float("inf"))),
    "minutes of another world": columns_of(("minutes", 1e300)),
    "strengths that are none": columns_of(("strength", -1.0)),
    "a device for each row": lambda table: table.set_column(
        table.column_names.index("device"), "device", pa.array([f"device {row}" for row in range(table.num_rows)])
    ),
    "ids of all alphabets": lambda table: constant(constant(table, "student_id", "Ñandú \U0001f600"), "course_id", ""),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_the_rows_are_the_model_is_served_without_a_nan(shape):
    for seed in range(3):
        assert served(SHAPES[shape](Tastes(9, 7, seed).draw(40)))[0] == RECOMMENDATION


def served(rows):
    """The kinds of a model of these rows, after every kind of answer was finite and the order of rows meant nothing."""
    content = model_file.write(fit(rows, Parameters(), ["0a"]))
    shuffled = rows.take(np.random.default_rng(3).permutation(rows.num_rows))
    assert model_file.write(fit(shuffled, Parameters(), ["0a"])) == content
    predictor = Predictor(model_file.read(content, "m"))
    kinds = predictor.header.kinds
    students, courses = predictor.students, predictor.courses
    given = [Features(), Features(45, 20, "phone", 4.5), Features(1e6, 0, "an unseen device", 1)]
    numbers = []
    for basis in ("als", "popularity"):
        for answer in (
            predictor.recommend(student_id=students[0], basis=basis),
            predictor.recommend(ratings=[(courses[0], 5.0), ("none", 1.0)], basis=basis),
            predictor.recommend(student_id="nobody", basis=basis),
            predictor.recommend(basis=basis),
        ):
            numbers += [score for _, score in answer.items]
    numbers += [score for _, score in predictor.similar(courses[0])]
    if CLUSTERING in kinds:
        clusters = [predictor.cluster(features) for features in given]
        numbers += [value for cluster in clusters for value in (cluster.distance, *cluster.centre[:3])]
    if COMPLETION in kinds:
        numbers += [predictor.predict_completion(features).probability for features in given]
    if RATING in kinds:
        ratings = [predictor.predict_rating(student, courses[0]) for student in (students[0], "nobody")]
        assert all(1 <= rating <= 5 for rating in ratings)
    assert np.isfinite(numbers).all()
    return kinds
