"""The job as Dataproc runs it: a real spark-submit with the main file, the package and the plan, on a folder."""

import subprocess
from dataclasses import asdict
from urllib.parse import urlsplit

import pytest

from lumbung.spark import clean, dataproc
from lumbung.storage.lake import FolderLake
from support import raw_tweets, spark_server
from support.raw_tweets import DAY


@pytest.fixture
def lake(tmp_path):
    return FolderLake((tmp_path / "lake").as_uri(), tmp_path / "lake")


def plan(lake, tmp_path):
    raw = raw_tweets.write(raw_tweets.nasty_rows(300), tmp_path)
    return [dataproc.Day(f"{DAY}", raw, lake.address("curated/a.parquet"))], raw


def test_the_job_writes_the_bytes_that_a_session_writes(lake, tmp_path, sail, missing):
    if lacking := spark_server.missing():
        missing(lacking)
    days, raw = plan(lake, tmp_path)
    staged = dataproc.stage(lake, days)
    command = spark_server.submit("--py-files", staged.package, urlsplit(staged.main).path, staged.plan)
    ran = subprocess.run(command, cwd=tmp_path, env=spark_server.environ(), capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stderr[-3000:]
    count = clean.write(clean.clean_day(sail, raw, DAY), tmp_path / "b.parquet")
    assert count > 20
    assert f"{DAY}: {count} clean tweets in {lake.address('curated/a.parquet')}\n" in ran.stdout
    assert lake.read("curated/a.parquet") == (tmp_path / "b.parquet").read_bytes()


def test_staging_twice_writes_one_copy(lake, tmp_path):
    days, _ = plan(lake, tmp_path)
    first = dataproc.stage(lake, days)
    before = lake.files("spark")
    assert dataproc.stage(lake, days) == first
    assert lake.files("spark") == before
    assert [lake.address(file.path) for file in before] == sorted(asdict(first).values())
    assert dataproc.stage(lake, [*days, *days]).package == first.package
