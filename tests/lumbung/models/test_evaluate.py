"""Metrics, against brute force and scikit-learn."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from lumbung.models import evaluate as evaluation
from lumbung.models.evaluate import BETTER, evaluate
from lumbung.models.fit import Parameters, fit
from lumbung.models.predict import Features, Predictor
from support.tastes import Tastes


@pytest.fixture(scope="module")
def tastes():
    return Tastes(students=50, courses=90, seed=4)


@pytest.fixture(scope="module")
def stream(tastes):
    """The rows trained on, and those of the next batch, in which some students and courses are new."""
    rows = tastes.draw(1200)
    old = np.array([student < "S00045" for student in rows["student_id"].to_pylist()])
    old &= np.array([course < "C0085" for course in rows["course_id"].to_pylist()])
    return rows.slice(0, 800).filter(pa.array(old[:800])), rows.slice(800)


@pytest.fixture(scope="module")
def trained(stream):
    return fit(stream[0], Parameters(), ["0a"])


@pytest.fixture(scope="module")
def metrics(trained, stream, tastes):
    return evaluate(trained, stream[1], tastes, 2)


def recall(train, test, rank):
    """The mean share of what a student newly took among the 20 best courses by `rank(student)`, a list of all."""
    taken: dict[str, set[str]] = {}
    for student, course in zip(train["student_id"].to_pylist(), train["course_id"].to_pylist(), strict=True):
        taken.setdefault(student, set()).add(course)
    shares = []
    for student, before in taken.items():
        rows = test.filter(pa.compute.equal(test["student_id"], student))
        wanted = set(rows["course_id"].to_pylist()) - before
        if wanted:
            best = [course for course in rank(student) if course not in before][:20]
            shares.append(len(wanted & set(best)) / len(wanted))
    return np.mean(shares), len(shares)


@pytest.mark.parametrize("scores", [1, 200, evaluation.SCORES])
def test_recall_is_that_of_sorted_lists(monkeypatch, trained, stream, tastes, scores):
    monkeypatch.setattr(evaluation, "SCORES", scores)
    metric = evaluate(trained, stream[1], tastes, 2)["recall_at_20"]
    predictor = Predictor(trained)
    counts = stream[0]["course_id"].value_counts().to_pylist()
    popular = [row["values"] for row in sorted(counts, key=lambda row: (-row["counts"], row["values"]))]

    def by_factors(student):
        return [predictor.courses[course] for course, _ in predictor.recommend(student_id=student, limit=100).items]

    def by_truth(student):
        return [tastes.course_ids[course] for course in np.argsort(-tastes.scores(student)).tolist()]

    value, students = recall(*stream, by_factors)
    assert (metric.value, metric.rows, metric.batch) == (pytest.approx(value), students, 2)
    assert metric.baseline == pytest.approx(recall(*stream, lambda _: popular)[0])
    assert metric.truth == pytest.approx(recall(*stream, by_truth)[0])


def test_factors_beat_popularity_where_tastes_are_strong():
    tastes = Tastes(students=400, courses=120, seed=2)
    rows = tastes.draw(20000)
    model = fit(rows.slice(0, 15000), Parameters(), [])
    metric = evaluate(model, rows.slice(15000), tastes, 4)["recall_at_20"]
    assert metric.value >= 1.15 * metric.baseline
    assert metric.value >= 0.8 * metric.truth


def test_completion_is_measured_as_scikit_learn_does(trained, stream, tastes, metrics):
    test = stream[1]
    completed, truth = test["completed"].to_numpy(), tastes.completion(test)
    predictor = Predictor(trained)
    probabilities = []
    for row in test.to_pylist():
        hour = round(np.arctan2(row["hour_sin"], row["hour_cos"]) / (2 * np.pi) * 24 % 24) % 24
        features = Features(row["minutes"], hour, row["device"], row["rating"])
        probabilities.append(predictor.predict_completion(features).probability)
    base = np.full(len(completed), stream[0]["completed"].to_numpy().mean())
    loss, auc = metrics["completion_log_loss"], metrics["completion_auc"]
    assert loss.value == pytest.approx(oracle.log_loss(completed, probabilities))
    assert loss.baseline == pytest.approx(oracle.log_loss(completed, base))
    assert loss.truth == pytest.approx(oracle.log_loss(completed, truth))
    assert auc.value == pytest.approx(oracle.roc_auc_score(completed, probabilities))
    assert (auc.baseline, auc.truth) == (0.5, pytest.approx(oracle.roc_auc_score(completed, truth)))
    assert loss.rows == auc.rows == test.num_rows
    assert loss.truth < loss.value < loss.baseline


def test_equal_probabilities_count_half():
    probability, completed = np.array([0.5, 0.5, 0.2, 0.5, 0.9]), np.array([1.0, 0, 0, 0, 1])
    assert evaluation._auc(probability, completed) == oracle.roc_auc_score(completed, probability)


def test_ratings_are_measured_by_their_root_mean_square_error(trained, stream, tastes, metrics):
    test, predictor = stream[1], Predictor(trained)
    stars = test["rating"].to_numpy()
    known = set(predictor.courses)
    predicted = [
        predictor.predict_rating(student, course) if course in known else None
        for student, course in zip(test["student_id"].to_pylist(), test["course_id"].to_pylist(), strict=True)
    ]
    # A course that the model does not know rates as the average one of its student.
    arrays = trained.arrays
    for row, student in enumerate(test["student_id"].to_pylist()):
        if predicted[row] is None:
            code = predictor.students.find(student)
            bias = 0 if code is None else arrays["rating_student_bias"][code]
            predicted[row] = float(np.clip(arrays["rating_mean"] + bias, 1, 5))
    metric = metrics["rating_rmse"]
    assert metric.value == pytest.approx(oracle.root_mean_squared_error(stars, predicted))
    mean = stream[0]["rating"].to_numpy().mean()
    assert metric.baseline == pytest.approx(oracle.root_mean_squared_error(stars, np.full(len(stars), mean)))
    assert metric.truth == pytest.approx(oracle.root_mean_squared_error(stars, tastes.rating(test)))


def test_clusters_are_measured_by_the_distance_to_the_nearest_centre(trained, stream, metrics):
    predictor, distances = Predictor(trained), []
    for row in stream[1].to_pylist():
        hour = round(np.arctan2(row["hour_sin"], row["hour_cos"]) / (2 * np.pi) * 24 % 24) % 24
        features = Features(row["minutes"], hour, row["device"], row["rating"])
        distances.append(predictor.cluster(features).distance ** 2)
    metric = metrics["cluster_distance"]
    assert metric.value == pytest.approx(np.mean(distances))
    assert metric.truth is None
    assert metric.value < metric.baseline


def test_every_metric_has_a_direction_and_is_measured(metrics):
    assert list(metrics) == list(BETTER)


def test_the_rules_of_measuring_have_a_version(metrics):
    """If this fails the rules changed: raise EVALUATE_VERSION, so that models are measured again."""
    values = {name: (round(metric.value, 2), round(metric.baseline, 2)) for name, metric in metrics.items()}
    assert evaluation.EVALUATE_VERSION == 1
    assert values == {
        "recall_at_20": (0.54, 0.5),
        "completion_log_loss": (0.6, 0.69),
        "completion_auc": (0.74, 0.5),
        "rating_rmse": (0.79, 0.9),
        "cluster_distance": (3.5, 6.97),
    }


def test_without_a_truth_there_is_none(trained, stream):
    assert {metric.truth for metric in evaluate(trained, stream[1], None, 2).values()} == {None}


def test_a_truth_that_does_not_know_all_rows_is_left_out(trained, stream):
    stranger = stream[1].slice(0, 1).to_pylist()[0]
    for name in ("student_id", "course_id"):
        other = pa.Table.from_pylist([stranger | {name: "none"}], stream[1].schema)
        mixed = pa.concat_tables([stream[1], other])
        truth = Tastes(students=50, courses=90, seed=4)
        assert {metric.truth for metric in evaluate(trained, mixed, truth, 2).values()} == {None}


def test_a_model_of_courses_that_the_truth_does_not_know_has_no_true_recall(stream, tastes):
    other = pa.table({"student_id": ["S00001"], "course_id": ["another"]})
    model = fit(pa.concat_tables([stream[0].select(["student_id", "course_id"]), other]), Parameters(), [])
    assert evaluate(model, stream[1], tastes, 2)["recall_at_20"].truth is None


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_measured_is_left_out(trained, stream):
    test = stream[1]
    students = test.num_rows * ["nobody"]
    strangers = test.set_column(test.column_names.index("student_id"), "student_id", pa.array(students))
    assert "recall_at_20" not in evaluate(trained, strangers, None, 2)
    takes = test.select(["student_id", "course_id"])
    assert list(evaluate(trained, takes, None, 2)) == ["recall_at_20"]
    assert evaluate(trained, test.slice(0, 0), None, 2) == {}
    all_completed = test.filter(test["completed"])
    measured = evaluate(trained, all_completed, None, 2)
    assert "completion_auc" not in measured
    assert measured["completion_log_loss"].value > 0
    only_takes = fit(stream[0].select(["student_id", "course_id"]), Parameters(), [])
    assert list(evaluate(only_takes, stream[0], None, 2)) == []  # nothing was taken that was not taken before


def test_a_student_who_took_almost_everything_has_a_whole_recall():
    rows = pa.table({"student_id": ["a"] * 3 + ["b"], "course_id": ["1", "2", "3", "4"]})
    model = fit(rows, Parameters(), [])
    test = pa.table({"student_id": ["a", "a"], "course_id": ["4", "1"]})
    metric = evaluate(model, test, None, 2)["recall_at_20"]
    assert (metric.value, metric.baseline, metric.rows) == (1, 1, 1)
