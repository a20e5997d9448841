"""Training by Spark's machine learning on a JVM Spark Connect server: what is served is what Spark predicts."""

import gc

import numpy as np
import pyarrow.parquet as pq
import pytest

from lumbung.core.errors import LumbungError
from lumbung.models import model_file
from lumbung.models.parameters import Parameters
from lumbung.models.predict import Features, Predictor
from lumbung.spark import features, mllib, train
from support import batches

pytestmark = pytest.mark.filterwarnings("ignore:.*No Partition Defined")
ROWS = 1500
# Spark knows no prior.
PARAMETERS = Parameters(rank=4, iterations=2, rating_iterations=2, prior_weight=0.0)


@pytest.fixture(scope="module", autouse=True)
def _uncollected():
    """Models are not collected during a call; see `mllib._collected_between_calls`."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def file(sail, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    batch = batches.write(batches.rows(0, ROWS), folder / "batch.parquet")
    features.write(features.features(sail, [batch]), folder / "features.parquet")
    return f"{folder}/features.parquet"


@pytest.fixture(scope="module")
def fitted(jvm, file):
    return mllib.fit(jvm.read.parquet(file), PARAMETERS, ["a batch"])


@pytest.fixture(scope="module")
def predictor(fitted):
    return Predictor(model_file.read(model_file.write(fitted.model), "model"))


def test_the_model_has_all_kinds_and_names_its_trainer(fitted):
    header = fitted.model.header
    assert (header.trainer, header.rows, header.batches) == ("mllib", ROWS, ["a batch"])
    assert header.kinds == list(model_file.KINDS)
    assert header.devices == ["laptop", "phone", "tablet"]


def test_recommendations_are_spark_s(jvm, fitted, predictor, file):
    taken = {}
    for row in pq.read_table(file).to_pylist():
        taken.setdefault(row["student_id"], set()).add(row["course_id"])
    lists = fitted.recommender.recommendForAllUsers(len(predictor.courses)).collect()
    assert len(lists) == len(taken)
    for row in lists:
        student = predictor.students[row.student]
        spark = [
            (item.course, item.rating)
            for item in row.recommendations
            if predictor.courses[item.course] not in taken[student]
        ]
        served = predictor.recommend(student_id=student, limit=10)
        assert served.basis == "als"
        assert [course for course, _ in served.items] == [course for course, _ in spark[:10]]
        assert [score for _, score in served.items] == pytest.approx([score for _, score in spark[:10]], abs=1e-6)


def test_a_student_who_is_folded_in_gets_the_factors_of_training(fitted, predictor):
    """Spark solves students first, courses last: a fold-in is one step ahead of them."""
    arrays = fitted.model.arrays
    factors = arrays["course_factors"].astype(np.float64)
    alpha, _, _, ridge = arrays["fold_in"]
    chosen, strengths = np.array([0, 5, 7]), np.array([1.0, 2.0, 0.5])
    weights = np.zeros(len(factors))
    weights[chosen] = alpha * strengths
    preferences = weights > 0
    equations = factors.T @ np.diag(1 + weights) @ factors + ridge * len(chosen) * np.eye(factors.shape[1])
    expected = np.linalg.solve(equations, factors.T @ ((1 + weights) * preferences))
    assert predictor.fold_in(chosen, strengths) == pytest.approx(expected, abs=1e-6)


def test_ratings_are_spark_s(jvm, fitted, predictor):
    pairs = [(student, course) for student in range(len(predictor.students)) for course in range(0, 30, 7)]
    frame = jvm.createDataFrame(pairs, "student int, course int")
    mean = float(fitted.model.arrays["rating_mean"])
    predicted = fitted.rater.transform(frame).collect()
    assert len(predicted) == len(pairs)
    for row in predicted:
        served = predictor.predict_rating(predictor.students[row.student], predictor.courses[row.course])
        assert served == pytest.approx(min(max(mean + row.prediction, 1), 5), abs=1e-6)


CASES = [
    Features(),
    Features(minutes=100.0, hour=20, device="phone", rating=5),
    Features(minutes=5.0, hour=3, device="laptop", rating=1),
    Features(minutes=60.0, device="tablet"),
    Features(minutes=30.0, hour=12, device="television", rating=3),
]


def spaces(jvm, fitted, predictor):
    from pyspark.ml.linalg import Vectors

    rows = [(number, Vectors.dense(predictor._scaled(case))) for number, case in enumerate(CASES)]
    return jvm.createDataFrame(rows, ["number", "space"])


def test_clusters_are_spark_s(jvm, fitted, predictor):
    centres = np.array(fitted.means.clusterCenters())
    for row in fitted.means.transform(spaces(jvm, fitted, predictor)).collect():
        served = predictor.cluster(CASES[row.number])
        assert fitted.model.arrays["cluster_centres"][served.number] == pytest.approx(centres[row.prediction])
        assert served.distance == pytest.approx(np.linalg.norm(centres[row.prediction] - row.space.toArray()), abs=1e-9)
    assert len(centres) == PARAMETERS.clusters


def test_completions_are_spark_s(jvm, fitted, predictor):
    for row in fitted.regression.transform(spaces(jvm, fitted, predictor)).collect():
        served = predictor.predict_completion(CASES[row.number])
        assert served.probability == pytest.approx(row.probability[1], abs=1e-9)


def test_scaled_features_are_those_of_the_other_trainer(fitted, file):
    from lumbung.models.fit import fit

    ours, other = fitted.model.arrays, fit(pq.read_table(file), PARAMETERS, []).arrays
    for name in ("feature_mean", "feature_scale"):
        assert ours[name] == pytest.approx(other[name], rel=1e-9)
    for name in ("popularity", "seen_ends", "seen_courses", "course_ids_bytes", "student_ids_bytes"):
        assert (ours[name] == other[name]).all()
    assert ours["completion_weights"] == pytest.approx(other["completion_weights"], abs=1e-3)
    assert ours["strength_by_rating"] == pytest.approx(other["strength_by_rating"])


def test_each_job_gives_its_model_and_what_spark_keeps_of_one_is_deleted_between_calls_only(jvm, file, monkeypatch):
    """A model that is collected calls the server; inside another call it would wait for that one's lock for ever."""
    from pyspark.ml import util

    deleted, before, kept = [], mllib.fit, [0, 4]

    def watched(*arguments):
        assert not gc.isenabled()
        fitted = before(*arguments)
        assert len(deleted) == kept.pop(0)
        return fitted

    monkeypatch.setattr(mllib, "fit", watched)
    monkeypatch.setattr(util, "del_remote_cache", deleted.append)
    gc.enable()
    try:
        trained = list(mllib.train(jvm, [train.Job(3, [file], ["x"]), train.Job(1, [file], ["y"])], PARAMETERS))
        assert gc.isenabled()
    finally:
        gc.disable()
    assert len(deleted) == 8
    assert [number for number, _ in trained] == [3, 1]
    assert [model_file.read(content, "model").header.batches for _, content in trained] == [["x"], ["y"]]


def lacking(activities, *columns):
    return [{**row, **dict.fromkeys(columns)} for row in activities]


def test_kinds_whose_columns_are_empty_are_left_out(jvm, tmp_path):
    rows = list(batches.rows(0, 200))
    for columns, kinds in (
        (("rating", "completed"), ["recommendation", "clustering"]),
        (("rating", "minutes", "hour", "device"), ["recommendation"]),
    ):
        batch = batches.write(lacking(rows, *columns), tmp_path / "batch.parquet")
        frame = features.features(jvm, [batch])
        model = mllib.fit(frame, PARAMETERS, []).model
        assert model.header.kinds == kinds
        Predictor(model_file.read(model_file.write(model), "model"))


def test_completions_that_are_all_the_same(jvm, tmp_path):
    rows = [{**row, "completed": True} for row in batches.rows(0, 200)]
    fitted = mllib.fit(features.features(jvm, [batches.write(rows, tmp_path / "batch.parquet")]), PARAMETERS, [])
    assert fitted.regression is None
    assert Predictor(fitted.model).predict_completion(Features()).completed


def test_no_rows_are_refused(jvm, tmp_path):
    features.write(
        features.features(jvm, [batches.write([], tmp_path / "batch.parquet")]), tmp_path / "features.parquet"
    )
    with pytest.raises(LumbungError, match=r"^model 2: there are no rows to train it on"):
        list(mllib.train(jvm, [train.Job(2, [f"{tmp_path}/features.parquet"], [])], PARAMETERS))


def test_sail_has_no_machine_learning(sail, file):
    with pytest.raises(LumbungError, match=r"^LUMBUNG_SPARK: this Spark has no machine learning of its own\. Train by"):
        list(mllib.train(sail, [train.Job(1, [file], [])], PARAMETERS))
