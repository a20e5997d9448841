"""The job as Dataproc runs it: a real spark-submit with the main file, the package and the plan, on a folder."""

import random
import subprocess
from dataclasses import asdict, replace
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from lumbung.models import model_file
from lumbung.models.parameters import Parameters
from lumbung.spark import clean, contracts, dataproc, features, train
from lumbung.storage.lake import FolderLake
from support import batches, contract_tables, raw_tweets, spark_server
from support.raw_tweets import DAY


@pytest.fixture
def lake(tmp_path):
    return FolderLake((tmp_path / "lake").as_uri(), tmp_path / "lake")


def plan(lake, tmp_path):
    raw = raw_tweets.write(raw_tweets.nasty_rows(300), tmp_path)
    return [dataproc.Day(f"{DAY}", raw, lake.address("curated/a.parquet"))], raw


@pytest.fixture
def run(lake, tmp_path, missing):
    """Run the job of some work; gives what it printed."""
    if lacking := spark_server.missing():
        missing(lacking)

    def submit(work):
        staged = dataproc.stage(lake, work)
        command = spark_server.submit("--py-files", staged.package, urlsplit(staged.main).path, staged.plan)
        ran = subprocess.run(
            command, cwd=tmp_path, env=spark_server.environ(), capture_output=True, text=True, timeout=180
        )
        assert ran.returncode == 0, ran.stderr[-3000:]
        return ran.stdout

    return submit


def test_the_job_writes_the_bytes_that_a_session_writes(lake, tmp_path, sail, run):
    days, raw = plan(lake, tmp_path)
    printed = run(days)
    count = clean.write(clean.clean_day(sail, raw, DAY), tmp_path / "b.parquet")
    assert count > 20
    assert f"{DAY}: {count} clean tweets in {lake.address('curated/a.parquet')}\n" in printed
    assert lake.read("curated/a.parquet") == (tmp_path / "b.parquet").read_bytes()


def training(lake, tmp_path, trainer, *models):
    """Work on two batches: their features, and models by the numbers of their batches."""
    numbers = range(2)
    for number in numbers:
        batches.write(batches.rows(300 * number, 300), tmp_path / f"{number}.parquet")
        lake.create(f"batches/{number}.parquet", (tmp_path / f"{number}.parquet").read_bytes())
    files = [lake.address(f"features/{number}.parquet") for number in numbers]
    return dataproc.Training(
        trainer,
        asdict(Parameters(iterations=2)),
        [dataproc.Batch(lake.address(f"batches/{number}.parquet"), files[number]) for number in numbers],
        [
            dataproc.Model(
                [files[number] for number in model],
                [f"batch {number}" for number in model],
                lake.address(f"models/{'-'.join(map(str, model))}.npz"),
            )
            for model in models
        ],
    )


def test_a_job_trains_the_models_that_a_session_trains_and_leaves_those_that_are_there(lake, tmp_path, sail, run):
    lake.create("models/0.npz", b"of a try before")
    work = training(lake, tmp_path, "arrow", (0,), (1,), (0, 1))
    printed = run(work)
    assert f"300 rows of features in {lake.address('features/1.parquet')}\n" in printed
    assert lake.read("models/0.npz") == b"of a try before"
    assert "models/0.npz" not in printed
    files = []
    for number in range(2):
        files.append(f"{tmp_path}/features-{number}.parquet")
        frame = features.features(sail, [f"{tmp_path}/{number}.parquet"])
        features.write(frame, tmp_path / f"features-{number}.parquet")
        assert lake.read(f"features/{number}.parquet") == (tmp_path / f"features-{number}.parquet").read_bytes()
    jobs = [train.Job(1, files[1:], ["batch 1"]), train.Job(2, files, ["batch 0", "batch 1"])]
    expected = dict(train.train(sail, jobs, Parameters(iterations=2)))
    assert lake.read("models/1.npz") == expected[1]
    assert lake.read("models/0-1.npz") == expected[2]


def test_a_model_that_another_job_has_left_meanwhile_stays(lake, tmp_path, run):
    """Both jobs have seen that it was missing; what is left first may be written down already."""
    work = training(lake, tmp_path, "arrow", (0,), (0,))
    first, second = work.models
    printed = run(replace(work, models=[first, replace(second, batches=["another"])]))
    assert printed.count("bytes of a model in") == 1
    assert f"{first.output} is there" in printed


def test_a_job_trains_by_spark_s_machine_learning(lake, tmp_path, run):
    run(training(lake, tmp_path, "mllib", (0, 1)))
    model = model_file.read(lake.read("models/0-1.npz"), "model")
    assert (model.header.trainer, model.header.rows, model.header.batches) == ("mllib", 600, ["batch 0", "batch 1"])
    assert model.header.kinds == list(model_file.KINDS)


def test_a_job_writes_the_events_and_states_that_a_session_writes(lake, tmp_path, sail, run):
    tables = contract_tables.hostile(random.Random(2), 200)
    holds = [(tables[0][0]["account_id"], None)]
    first = contract_tables.write(tmp_path / "first", *tables)
    (sent,) = contract_tables.build(sail, first)
    later = contract_tables.write(tmp_path / "later", *contract_tables.changed(random.Random(3), tables), holds=holds)
    inputs = contract_tables.after(tmp_path, sent, later)
    names, ranges = ("events", "contracts", "parties"), [(None, "5"), ("5", None)]
    addresses = {name: lake.address(f"made/{name}.parquet") for name in names}
    options = {"schema_version": "1.1", "holds_removals": True, "ranges": ranges}
    printed = run(dataproc.Contracts(inputs, f"{contract_tables.NEXT}", **options, **addresses))
    assert f"events in {addresses['events']}\n" in printed
    files = [tmp_path / f"{name}.parquet" for name in names]
    contracts.write(contract_tables.build(sail, inputs, day=contract_tables.NEXT, **options), *files)
    assert pq.read_metadata(files[0]).num_rows > 50
    for name, file in zip(names, files, strict=True):
        assert lake.read(f"made/{name}.parquet") == file.read_bytes()


def test_staging_twice_writes_one_copy(lake, tmp_path):
    days, _ = plan(lake, tmp_path)
    first = dataproc.stage(lake, days)
    before = lake.files("spark")
    assert dataproc.stage(lake, days) == first
    assert lake.files("spark") == before
    assert [lake.address(file.path) for file in before] == sorted(asdict(first).values())
    assert dataproc.stage(lake, [*days, *days]).package == first.package
