"""A home below folders that look like columns, a system with a column named as the lake's folders are."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from support.pipeline import PipelineHarness, sources
from support.tweet_harness import TweetHarness, tweet

DAY = "2026-11-10"
COLUMN = "  - {{name: {name}, description: A column that is named as a folder.}}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("paths") / "dt=2020-01-01" / "lang=en" / "is_retweet=true" / "x=1"


@pytest.fixture(scope="module")
def server(folder: Path, start_bigquery) -> str:
    folder.mkdir(parents=True)
    return start_bigquery(folder / "bigquery")[1]


@pytest.fixture
def catalog(small_catalog: Catalog, tmp_path: Path) -> Iterator[Catalog]:
    """Courses have the columns `dt` and `x`."""
    root = tmp_path / "sql"
    shutil.copytree(small_catalog.root, root)
    contract = root / "staging/course.yaml"
    first, columns, rest = contract.read_text().partition("columns:\n")
    more = "".join(COLUMN.format(name=name) for name in ("dt", "x"))
    first = first.replace("source:\n", "source:\n  max_rejects: 0.5\n")
    contract.write_text(first + columns + more + rest)
    return Catalog(root)


def test_a_day_keeps_the_columns_of_its_sources(folder, server, source_server, catalog):
    with contextlib.closing(PipelineHarness(folder, server, source_server, catalog)) as harness:
        given = sources()["course"]
        rows = [{"dt": f"own {row['id']}", "x": "own", **row} for row in given]
        dangling = {**rows[0], "id": "c9", "mentor_id": "m9"}
        harness.file("course.json", json.dumps([*rows, rows[1], dangling]).encode())
        harness.take(DAY)
        loaded = harness.rows(f"SELECT id, dt, x FROM {{staging.course}} WHERE snapshot_date = '{DAY}' ORDER BY id")
        assert loaded == [{"id": row["id"], "dt": row["dt"], "x": "own"} for row in rows]
        rejected = harness.rows("SELECT raw, reason FROM {staging.rejected_row} ORDER BY reason")
        assert [(json.loads(row["raw"]), row["reason"]) for row in rejected] == [
            (rows[1], "an identical repeat of line 1"),
            (dangling, "mentor_id m9 is not in mentor"),
        ]


def test_a_folder_that_is_a_pattern_is_no_other_folder(tmp_path, server, source_server, small_catalog):
    """The engine would read `home a` in place of `home [ab]`."""
    for name in ("home a", "home [ab]"):
        with contextlib.closing(PipelineHarness(tmp_path / name, server, source_server, small_catalog)) as harness:
            student = {**sources()["student"][0], "city": name}
            harness.fill({"student": [student, student]})
            harness.take(DAY)
            assert [row["city"] for row in harness.rows("SELECT city FROM {staging.student}")] == [name]


def test_tweets_are_cleaned_from_the_columns_of_their_files(folder, server, kafka, small_tweet_catalog):
    with contextlib.closing(TweetHarness(folder, server, kafka.address, small_tweet_catalog)) as harness:
        harness.give("a", tweet(1, "saham naik", lang="in"), tweet(2, "reksadana turun", "2026-11-22T09:00", lang="in"))
        harness.take()
        rows = harness.rows("SELECT tweet_id, language FROM {staging.tweet} ORDER BY tweet_id")
        assert rows == [{"tweet_id": 1, "language": "id"}, {"tweet_id": 2, "language": "id"}]


def test_a_folder_that_spark_takes_for_a_pattern_is_refused(tmp_path, server, kafka, small_tweet_catalog):
    with contextlib.closing(TweetHarness(tmp_path / "home [1]", server, kafka.address, small_tweet_catalog)) as harness:
        harness.give("a", tweet(1, "saham naik"))
        with pytest.raises(LumbungError, match=r"home \[1\]/home/lake: Spark takes this folder's name for a pattern"):
            harness.take()
