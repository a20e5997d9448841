"""Predictions, against brute force over the model's arrays, and scikit-learn."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from sklearn.linear_model import LogisticRegression

from lumbung.models import model_file, recommendation
from lumbung.models.fit import Parameters, fit
from lumbung.models.predict import MOST_ITEMS, Features, MissingKindError, Predictor, UnknownCourseError
from lumbung.models.rows import training_rows
from support.tastes import Tastes


@pytest.fixture(scope="module")
def predictor(model):
    return Predictor(model_file.read(model_file.write(model), "m"))


def brute_force(model, student, limit):
    """The best courses that a student has not taken, from a sorted list of all of them."""
    arrays = model.arrays
    ends = arrays["seen_ends"].tolist()
    seen = set(arrays["seen_courses"][ends[student - 1] if student else 0 : ends[student]].tolist())
    scores = arrays["course_factors"] @ arrays["student_factors"][student] + arrays["course_prior"].astype(np.float32)
    unseen = [(-score, course) for course, score in enumerate(scores.tolist()) if course not in seen]
    return [(course, -score) for score, course in sorted(unseen)[:limit]]


def test_every_student_gets_the_best_courses_of_a_sorted_list(model, predictor):
    for student in range(len(predictor.students)):
        for limit in (1, 5, 100):
            answer = predictor.recommend(student_id=predictor.students[student], limit=limit)
            assert answer.items == brute_force(model, student, limit)
            assert (answer.basis, answer.ignored) == ("als", [])


def test_equal_scores_are_in_the_order_of_courses(model):
    nothing = {name: np.zeros_like(model.arrays[name]) for name in ("course_factors", "student_factors")}
    prior = np.where(np.arange(len(model.arrays["course_prior"])) % 3 == 0, 1.0, 0.5)
    tied = Predictor(replace(model, arrays=model.arrays | nothing | {"course_prior": prior}))
    courses = len(tied.courses)
    order = [*range(0, courses, 3), *(course for course in range(courses) if course % 3)]
    for limit in range(1, courses):
        items = tied.recommend(ratings=[(tied.courses[0], 5.0)], limit=limit).items
        assert [course for course, _ in items] == order[1 : limit + 1]


def test_a_fold_in_of_a_students_own_courses_gives_the_stored_factors(activity, model, predictor):
    strengths = recommendation.strengths(training_rows(activity))
    for student in range(len(predictor.students)):
        row = strengths[[student]]
        folded = predictor.fold_in(row.indices, row.data)
        assert folded == pytest.approx(model.arrays["student_factors"][student], rel=1e-5, abs=1e-6)


def test_training_solves_the_normal_equations_of_hu_koren_and_volinsky(activity, model):
    parameters, arrays = Parameters(), model.arrays
    strengths = recommendation.strengths(training_rows(activity)).toarray()
    courses = arrays["course_factors"].astype(np.float64)
    alpha = arrays["fold_in"][0]
    assert alpha * strengths.sum() == pytest.approx(parameters.taken_weight * strengths.size)
    for student, row in enumerate(strengths):
        confidence = 1 + alpha * row
        ridge = parameters.regularization * confidence.sum()
        equations = courses.T @ np.diag(confidence) @ courses + ridge * np.eye(courses.shape[1])
        solved = np.linalg.solve(equations, courses.T @ (confidence * (row > 0)))
        assert arrays["student_factors"][student] == pytest.approx(solved, rel=1e-4, abs=1e-6)


def test_ratings_rank_by_taste_and_leave_out_what_was_rated(predictor):
    liked = predictor.similar(predictor.courses[0], 3)
    ratings = [(predictor.courses[0], 5.0), *((predictor.courses[course], 4.0) for course, _ in liked)]
    answer = predictor.recommend(ratings=[*ratings, ("none", 1.0), ("", 2.0)], limit=100)
    recommended = [course for course, _ in answer.items]
    assert answer.ignored == ["none", ""]
    assert set(recommended) == set(range(len(predictor.courses))) - {0, *(course for course, _ in liked)}
    other = predictor.recommend(ratings=[(predictor.courses[recommended[-1]], 5.0)], limit=100)
    assert [course for course, _ in other.items] != recommended


def test_the_last_rating_of_a_course_counts(predictor):
    course, other = predictor.courses[0], predictor.courses[1]
    ratings = [(course, 1.0), (other, 3.0), (course, 5.0)]
    assert predictor.recommend(ratings) == predictor.recommend([(course, 5.0), (other, 3.0)])


def test_who_is_not_known_gets_the_most_popular_courses(activity, predictor):
    counts = activity["course_id"].value_counts().to_pylist()
    popular = sorted(counts, key=lambda course: (-course["counts"], course["values"]))
    for answer in (
        predictor.recommend(),
        predictor.recommend([]),
        predictor.recommend([("none", 5.0)]),
        predictor.recommend(student_id="nobody"),
        predictor.recommend(student_id="\ud800"),
    ):
        assert [predictor.courses[course] for course, _ in answer.items] == [row["values"] for row in popular[:10]]
        assert answer.basis == "popularity"


def test_popularity_leaves_out_what_the_student_took(predictor):
    student = predictor.students[0]
    by_taste = predictor.recommend(student_id=student, limit=100)
    by_popularity = predictor.recommend(student_id=student, limit=100, basis="popularity")
    assert by_popularity.basis == "popularity"
    assert {course for course, _ in by_taste.items} == {course for course, _ in by_popularity.items}
    scores = [score for _, score in by_popularity.items]
    assert scores == sorted(scores, reverse=True)


def test_the_limit_is_bounded(predictor):
    assert predictor.recommend(limit=0).items == predictor.recommend(limit=-3).items == []
    assert len(predictor.recommend(limit=10**9).items) == min(MOST_ITEMS, len(predictor.courses))
    everything = [(course, 3.0) for course in predictor.courses]
    assert predictor.recommend(everything, limit=5).items == []
    assert len(predictor.recommend(everything[:-2], limit=5).items) == 2


def test_similar_courses_are_those_of_a_sorted_list_of_cosines(model, predictor):
    factors = model.arrays["course_factors"].astype(np.float64)
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    for course in range(len(predictor.courses)):
        cosines = unit @ unit[course]
        expected = [other for other in np.argsort(-cosines).tolist() if other != course][:7]
        items = predictor.similar(predictor.courses[course], 7)
        assert [other for other, _ in items] == expected
        assert [score for _, score in items] == pytest.approx(cosines[expected].tolist(), abs=1e-6)


def test_a_course_without_factors_is_like_no_other(model):
    factors = model.arrays["course_factors"].copy()
    factors[2] = 0
    predictor = Predictor(replace(model, arrays=model.arrays | {"course_factors": factors}))
    assert [score for _, score in predictor.similar(predictor.courses[2], 3)] == [0, 0, 0]


def test_a_course_that_is_not_known_is_named(predictor):
    with pytest.raises(UnknownCourseError, match="does not know the course 'none'"):
        predictor.similar("none")
    with pytest.raises(UnknownCourseError, match="does not know the course 'none'"):
        predictor.predict_rating(predictor.students[0], "none")


def test_the_nearest_centre_is_the_cluster(model, predictor):
    centres = model.arrays["cluster_centres"]
    mean, scale = model.arrays["feature_mean"], model.arrays["feature_scale"]
    features = Features(50, 6, "phone", 2)
    raw = np.array([50, 1, 0, 2, 0, 1, 0])
    distances = np.sqrt(((centres - (raw - mean) / scale) ** 2).sum(axis=1))
    cluster = predictor.cluster(features)
    assert (cluster.number, cluster.distance) == (distances.argmin(), pytest.approx(distances.min()))
    centre = centres[cluster.number] * scale + mean
    assert (cluster.centre.minutes, cluster.centre.rating) == pytest.approx((centre[0], centre[3]))
    assert list(cluster.centre.devices) == model.header.devices
    assert sum(cluster.centre.devices.values()) == pytest.approx(1)
    assert 0 <= cluster.centre.hour < 24


def test_what_is_missing_counts_as_average(model, predictor):
    mean = model.arrays["feature_mean"]
    bias = model.arrays["completion_bias"]
    average = 1 / (1 + np.exp(-bias))
    unseen = Features(minutes=mean[0], rating=mean[3], device="a fridge")
    assert predictor.predict_completion(Features()).probability == pytest.approx(average)
    assert predictor.predict_completion(unseen).probability == pytest.approx(average)


def test_numbers_that_are_none_count_as_missing(predictor):
    for number in (float("nan"), float("inf"), -float("inf"), 1e300):
        features = Features(number, number, "phone", number)
        assert predictor.cluster(features) == predictor.cluster(Features(device="phone"))
        assert predictor.predict_completion(features) == predictor.predict_completion(Features(device="phone"))
    courses = predictor.courses
    for number in (float("nan"), float("inf"), -1e300):
        answer = predictor.recommend([(courses[0], number), (courses[1], 4.0)])
        assert np.isfinite([score for _, score in answer.items]).all()


def test_the_prior_helps_who_has_rated_one_course():
    tastes = Tastes(students=300, courses=200, seed=6)
    rows = tastes.draw(12000)
    trained = fit(rows.filter(pc.less(rows["student_id"], "S00200")), Parameters(), [])
    without = replace(trained, arrays=trained.arrays | {"course_prior": trained.arrays["course_prior"] * 0})
    hits = {}
    for name, predictor in (("with", Predictor(trained)), ("without", Predictor(without))):
        hits[name] = 0
        for student in tastes.student_ids[200:]:
            taken = rows.filter(pc.equal(rows["student_id"], student))
            first, *others = taken["course_id"].to_pylist()
            items = predictor.recommend([(first, taken["rating"][0].as_py())], limit=20).items
            hits[name] += len({predictor.courses[course] for course, _ in items} & set(others))
    assert hits["with"] > 1.02 * hits["without"], hits


def test_completion_is_scikit_learns(activity, model, predictor):
    rows = activity.to_pylist()
    raw = np.array(
        [
            [row["minutes"], row["hour_sin"], row["hour_cos"], row["rating"]]
            + [row["device"] == device for device in model.header.devices]
            for row in rows
        ]
    )
    space = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    oracle = LogisticRegression(max_iter=1000, tol=1e-8).fit(space, activity["completed"].to_numpy())
    probabilities = oracle.predict_proba(space)[:, 1]
    for number in range(0, len(rows), 50):
        row = rows[number]
        hour = round(np.arctan2(row["hour_sin"], row["hour_cos"]) / (2 * np.pi) * 24 % 24) % 24
        answer = predictor.predict_completion(Features(row["minutes"], hour, row["device"], row["rating"]))
        assert answer.probability == pytest.approx(probabilities[number], abs=1e-3)
        assert answer.completed == (answer.probability >= answer.threshold)


def test_a_rating_is_the_sum_of_its_parts(model, predictor):
    arrays = model.arrays
    for student, course in ((0, 0), (5, 7), (11, 3)):
        expected = arrays["rating_mean"] + arrays["rating_student_bias"][student] + arrays["rating_course_bias"][course]
        expected += arrays["rating_student_factors"][student] @ arrays["rating_course_factors"][course]
        rating = predictor.predict_rating(predictor.students[student], predictor.courses[course])
        assert rating == pytest.approx(min(max(expected, 1), 5), abs=1e-6)
    unknown = arrays["rating_mean"] + arrays["rating_course_bias"][3]
    assert predictor.predict_rating("nobody", predictor.courses[3]) == pytest.approx(unknown)


def test_a_kind_that_the_model_lacks_is_named(activity):
    rows = activity.slice(0, 50).select(["student_id", "course_id"])
    predictor = Predictor(fit(rows, Parameters(), []))
    for kind, predict in {
        "clustering": lambda: predictor.cluster(Features()),
        "completion": lambda: predictor.predict_completion(Features()),
        "rating": lambda: predictor.predict_rating("S00001", predictor.courses[0]),
    }.items():
        with pytest.raises(MissingKindError, match=f"the model has no {kind}"):
            predict()


def test_requests_at_the_same_time_are_answered_as_alone(predictor):
    def ask(number):
        student = predictor.students[number % len(predictor.students)]
        course = predictor.courses[number % len(predictor.courses)]
        return (
            predictor.recommend(student_id=student),
            predictor.recommend([(course, 4.0)], basis="popularity"),
            predictor.similar(course),
            predictor.cluster(Features(number, number % 24)),
            predictor.predict_rating(student, course),
        )

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(2000))) == [ask(number) for number in range(2000)]
