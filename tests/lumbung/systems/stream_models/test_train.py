"""Training by a job elsewhere: what it is asked for, and what is written down of what it left."""

import hashlib
import json
from dataclasses import asdict

import pyarrow as pa
import pytest

from lumbung.core.errors import LumbungError
from lumbung.models import model_file
from lumbung.models.fit import fit
from lumbung.models.parameters import Parameters
from lumbung.spark import train as spark_train
from lumbung.spark.session import session
from lumbung.systems.stream_models import steps
from lumbung.systems.stream_models.training import keys, model_path, trained
from lumbung.systems.stream_models.version import plan_of
from support.models_harness import activity


@pytest.fixture
def planned(make_models_harness):
    """A harness, a run whose features are there, and the models that a job is asked for."""
    harness = make_models_harness()
    run = harness.run(harness.give("a", *(activity(number) for number in range(80)))).up_to("features")
    _, staged = steps.plan(run.run)
    plan = json.loads(harness.lake.read(staged.plan.removeprefix(f"{harness.lake.uri}/")))
    return harness, run, plan["train"]


def do(harness, models):
    """What the job does, by a session here."""
    with session(harness.settings) as spark:
        jobs = [
            spark_train.Job(number, [file.removeprefix("file://") for file in model["files"]], model["batches"])
            for number, model in enumerate(models)
        ]
        for number, content in spark_train.train(spark, jobs, Parameters()):
            harness.lake.write(models[number]["output"].removeprefix(f"{harness.lake.uri}/"), content)


def test_a_job_is_asked_for_each_missing_model_once_and_they_are_written_down(planned):
    harness, run, work = planned
    assert work["features"] == []
    assert work["parameters"] == asdict(Parameters())
    assert [len(model["files"]) for model in work["models"]] == [1, 1, 2], "a-1 and b-1 are the same model"
    do(harness, work["models"])
    assert steps.register(run.run).rows_out == 3
    ended, with_file = keys(harness.lake)
    assert len(ended) == 3
    assert ended == with_file
    assert {trained(harness.lake, key).seconds for key in ended} == {None}
    run.after("train")
    assert harness.answers()["quality"]
    assert steps.plan(harness.run("none").up_to("batch").run)[0].skipped


def test_a_model_that_the_job_did_not_leave_or_left_half_fails(planned):
    harness, run, work = planned
    with pytest.raises(LumbungError, match="the job has left no model"):
        steps.register(run.run)
    for model in work["models"]:
        harness.lake.write(model["output"].removeprefix(f"{harness.lake.uri}/"), b"PK half a file")
    with pytest.raises(LumbungError, match="not a whole model file"):
        steps.register(run.run)
    assert keys(harness.lake) == (set(), set())


def test_two_runs_train_a_model_once(planned):
    harness, run, _ = planned
    other = harness.run("none").up_to("features")
    assert other.to_train == run.to_train
    run.train()
    assert all("trained before" in step.note for step in other.train())


def test_of_two_trainings_at_the_same_time_the_first_one_s_file_stays(planned, monkeypatch):
    """By a lease that was lost, or jobs elsewhere; a trainer that adds up in any order leaves other bytes."""
    harness, run, _ = planned
    model = plan_of(run.run).models()[0]
    other = model_file.write(fit(pa.table({"student_id": ["s1"], "course_id": ["c1"]}), Parameters(), ["0"]))
    train_by_spark = spark_train.train

    def train_slowly(*arguments):
        yield from train_by_spark(*arguments)
        harness.lake.create(model_path(model.key), other)

    monkeypatch.setattr(spark_train, "train", train_slowly)
    steps.train(run.run, model.id)
    stored = trained(harness.lake, model.key).file
    assert harness.lake.read(stored.path) == other
    assert (stored.bytes, stored.sha256) == (len(other), hashlib.sha256(other).hexdigest())


def test_a_model_that_the_run_does_not_have_is_refused(planned):
    _, run, _ = planned
    with pytest.raises(LumbungError, match="the run has no such model"):
        steps.train(run.run, "b-9")
