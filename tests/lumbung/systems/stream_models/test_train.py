"""Training by a job elsewhere: what it is asked for, and what is written down of what it left."""

import json
from dataclasses import asdict

import pytest

from lumbung.core.errors import LumbungError
from lumbung.models.parameters import Parameters
from lumbung.spark import train as spark_train
from lumbung.spark.session import session
from lumbung.systems.stream_models import steps
from lumbung.systems.stream_models.training import keys, trained
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


def test_a_model_that_the_run_does_not_have_is_refused(planned):
    _, run, _ = planned
    with pytest.raises(LumbungError, match="the run has no such model"):
        steps.train(run.run, "b-9")
