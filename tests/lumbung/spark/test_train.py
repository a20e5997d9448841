"""Training by applyInArrow: the same bytes from Sail and from a JVM Spark Connect server, whatever the order."""

import random

import pyarrow.parquet as pq
import pytest

from lumbung.core.errors import LumbungError
from lumbung.models import fit, model_file
from lumbung.spark import features, train
from support import batches

ROWS = 600
PARAMETERS = fit.Parameters()


@pytest.fixture(scope="module")
def files(sail, tmp_path_factory):
    """Feature files of three batches."""
    folder = tmp_path_factory.mktemp("features")

    def write(number):
        batch = batches.write(batches.rows(number * ROWS, ROWS), folder / f"batch-{number}.parquet")
        features.write(features.features(sail, [batch]), folder / f"{number}.parquet")
        return f"{folder}/{number}.parquet"

    return [write(number) for number in range(3)]


def jobs(files):
    """Models of both schemes: each batch alone, and all up to it."""
    names = [f"batch {number}" for number in range(len(files))]
    for number in range(len(files)):
        yield train.Job(number + 1, [files[number]], [names[number]])
        yield train.Job(number + 101, files[: number + 1], names[: number + 1])


def test_models_of_both_schemes_are_fitted_to_their_own_batches_in_one_job(engine, files):
    asked = list(jobs(files))
    trained = dict(train.train(engine, asked, PARAMETERS))
    assert sorted(trained) == sorted(job.number for job in asked)
    for job in asked:
        header = model_file.read(trained[job.number], "model").header
        assert header.batches == job.batches
        assert header.rows == ROWS * len(job.files)


def test_both_engines_give_the_bytes_of_a_fit_in_this_process_whatever_the_order(sail, jvm, files, tmp_path):
    shuffled = []
    for file in files:
        table = pq.read_table(file)
        shuffled.append(f"{tmp_path}/{file.rpartition('/')[2]}")
        order = random.Random(1).sample(range(len(table)), len(table))
        pq.write_table(table.take(order), shuffled[-1])
    expected = {
        job.number: model_file.write(fit.fit(pq.read_table(job.files), PARAMETERS, job.batches)) for job in jobs(files)
    }
    for session in (sail, jvm):
        for given in (files, shuffled):
            assert dict(train.train(session, list(jobs(given)), PARAMETERS)) == expected


def test_each_file_is_read_once(sail, files):
    plan = train.rows_of(sail, list(jobs(files)))._explain_string()
    assert [plan.count(file.rpartition("/")[2]) for file in files] == [1, 1, 1], plan


def test_a_model_without_rows_is_refused(engine, files, tmp_path):
    batch = batches.write([], tmp_path / "batch.parquet")
    features.write(features.features(engine, [batch]), tmp_path / "features.parquet")
    given = [train.Job(1, files[:1], ["a"]), train.Job(2, [f"{tmp_path}/features.parquet"], ["b"])]
    with pytest.raises(LumbungError, match=r"^model 2: there are no rows to train it on\. Give it batches"):
        list(train.train(engine, given, PARAMETERS))
