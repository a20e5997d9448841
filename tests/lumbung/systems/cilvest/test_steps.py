"""Tweets to the marts, by a real broker, a real Spark (Sail) and the local BigQuery server."""

import contextlib
import json
import os
import time
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer

from lumbung.catalog.contract import Catalog
from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.pipeline.prune import prune
from lumbung.pipeline.publish import SUPERSEDED
from lumbung.report import render
from lumbung.report.data import collect
from lumbung.spark import clean as cleaning_module
from lumbung.spark.files import readable
from lumbung.storage.warehouse import Warehouse
from lumbung.stream import landing
from lumbung.stream.landing import folds, landings, newest_fold
from lumbung.systems import registry
from lumbung.systems.cilvest import version as versions
from lumbung.systems.cilvest.feed import LANDED, RAW
from lumbung.systems.cilvest.landed_days import DAYS
from lumbung.systems.cilvest.status import accounting, cleaning
from lumbung.systems.cilvest.version import CURATED, VERSIONS
from lumbung.systems.pinter_skuy.answers import answers
from support import bucket_server
from support.tweet_archive import GIVEN
from support.tweet_harness import STAGES, TweetHarness, tweet


@pytest.fixture
def harness(make_tweet_harness):
    return make_tweet_harness()


@pytest.fixture(scope="module")
def at_once(tmp_path_factory, bigquery_server, kafka, small_tweet_catalog):
    """The checksum of a warehouse that got all that is given at once."""
    harness = TweetHarness(tmp_path_factory.mktemp("at_once"), bigquery_server, kafka.address, small_tweet_catalog)
    with contextlib.closing(harness):
        harness.give("a", *GIVEN)
        harness.take()
        return harness.checksum()


def test_any_order_and_any_number_of_times_end_the_same(harness, at_once):
    """One file after the other, the last first, some tweets twice; then a run over nothing new, and a refresh."""
    for number, given in enumerate((GIVEN[6:], GIVEN[:7])):
        harness.give(f"part-{number}", *reversed(given), given[0])
        harness.take()
    assert harness.checksum() == at_once
    harness.take(date(2026, 11, 22), refresh=True)
    assert harness.checksum() == at_once


def test_runs_that_are_killed_lose_nothing_and_make_nothing_twice(harness, at_once):
    """Each run finds more tweets and what the one before left; each is killed one stage later."""
    for number, stage in enumerate(STAGES[1:-1]):
        harness.give(f"part-{number}", *GIVEN[number : number + 2])
        harness.run().up_to(stage)
    harness.give("rest", *GIVEN)
    harness.take()
    assert harness.checksum() == at_once


def test_a_home_whose_landings_were_never_folded_goes_on(harness, at_once, monkeypatch):
    """Each run folds what the one before has landed; the first finds what a release without folds has left."""
    for number in range(2):
        harness.give(f"part-{number}", *GIVEN[4 * number : 4 * number + 5])
        harness.take()
    assert newest_fold(harness.lake, LANDED) is None
    before = list(landings(harness.lake, LANDED))
    monkeypatch.setattr(landing, "FOLD_AFTER", 0)
    harness.give("rest", *GIVEN)
    harness.take()
    harness.give("again", GIVEN[0])
    last = harness.take()
    assert newest_fold(harness.lake, LANDED).file.rows == len(list(landings(harness.lake, LANDED))) > len(before)
    assert harness.checksum() == at_once
    assert harness.take().target.generation == last.target.generation, "nothing came"


def test_sail_cleans_a_lake_in_a_bucket_from_local_copies(make_tweet_harness, monkeypatch):
    """Of `gs://` Sail's own client sees nothing, so it needs no credentials; a Spark Connect server gets addresses."""
    asked = []

    def clean_day(spark, files, day):
        asked.extend(files)
        assert all(Path(file).is_file() for file in files)
        return cleaning_of(spark, files, day)

    cleaning_of = cleaning_module.clean_day
    with bucket_server.running() as bucket:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.url)
        monkeypatch.setattr(cleaning_module, "clean_day", clean_day)
        harness = make_tweet_harness(lake_uri=f"gs://{bucket_server.BUCKET}/lake")
        harness.give("a", *GIVEN)
        run = harness.run().up_to("clean")
        rows = []
        for day in run.target.changed:
            with harness.lake.local(versions.cleaned_path(day, run.target.days[day])) as file:
                rows += pq.read_table(file, partitioning=None).to_pylist()
        version = versions.version_of(run.run, run.target)
        raw = {path for day in version.days for path in versions.raw_files(harness.lake, version, day)}
        harness.settings = harness.settings.replace(spark="sc://127.0.0.1:9")
        paths = sorted(raw)
        elsewhere = readable(harness.settings, harness.lake, paths, contextlib.ExitStack())
    assert [row["tweet_id"] for row in sorted(rows, key=lambda row: row["tweet_id"])] == [1, 2, 3, 4, 8, 9, 10]
    assert {Path(file).name for file in asked} == {path.rpartition("/")[2] for path in raw}
    assert not [file for file in asked if "gs:" in file or Path(file).exists()], "the copies are deleted"
    assert elsewhere == [f"gs://{bucket_server.BUCKET}/lake/{path}" for path in paths]


def counted(harness):
    """Tweets by day, as they are published."""
    rows = harness.rows("SELECT tweet_date, COUNT(*) AS n FROM {dwh.fact_tweet} GROUP BY tweet_date")
    return {f"{row['tweet_date']}": row["n"] for row in rows}


def test_a_late_tweet_goes_to_its_own_day_and_only_that_is_rebuilt(harness):
    harness.give("first", tweet(1, "saham", "2026-11-10T12:00"), tweet(2, "saham", "2026-11-21T12:00"))
    harness.take()
    harness.give("first", tweet(3, "sukuk", "2026-11-10T13:00"))
    assert harness.take().target.changed == [date(2026, 11, 10)]
    assert counted(harness) == {"2026-11-10": 2, "2026-11-21": 1}
    assert harness.take().target.changed == [], "nothing came"
    assert counted(harness) == {"2026-11-10": 2, "2026-11-21": 1}


class Killed(BaseException):
    """A kill: nothing catches it."""


def kill(*_, **__):
    raise Killed


def test_a_publish_that_was_killed_is_completed_though_more_tweets_came(harness, monkeypatch):
    harness.give("a", tweet(1, "saham"))
    harness.take()
    harness.give("b", tweet(2, "sukuk", "2026-11-22T12:00"))
    killed = harness.run().up_to("build")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Warehouse, "describe", kill)  # the copies are done, and nobody wrote that down
        killed.publish()
    harness.give("c", tweet(3, "reksadana", "2026-11-23T12:00"))
    harness.take()
    assert counted(harness) == {"2026-11-21": 1, "2026-11-22": 1, "2026-11-23": 1}


def test_a_run_never_replaces_a_newer_version(harness):
    harness.give("a", tweet(1, "saham"))
    slow = harness.run().up_to("build")
    harness.give("b", tweet(2, "sukuk"))
    harness.take()
    slow.load()
    assert SUPERSEDED in slow.publish().note
    assert counted(harness) == {"2026-11-21": 2}
    assert harness.rows("SELECT COUNT(*) AS n FROM {staging.tweet}") == [{"n": 2}]


def test_a_build_whose_partition_was_loaded_again_is_not_published(harness):
    harness.give("a", tweet(1, "saham"))
    slow = harness.run().up_to("build")
    harness.give("b", tweet(2, "sukuk"))
    harness.run().up_to("load")
    assert SUPERSEDED in slow.publish().note


def test_other_queries_rebuild_all_days(harness):
    harness.give("a", tweet(1, "saham"), tweet(2, "saham", "2026-11-10T12:00"))
    run = harness.take()
    path = f"{run.run.state.folder}/published.json"
    shown = harness.lake.read_json(path)
    harness.lake.write(path, json.dumps({**shown, "rules": "others"}).encode())
    assert harness.run().up_to("version").target.is_whole


def keep_days(harness, limit):
    """Have the data sets keep partitions for so many days; None: for ever."""
    for name in ("staging", "dwh"):
        dataset = harness.warehouse.client.get_dataset(harness.warehouse.dataset(name))
        dataset.default_partition_expiration_ms = limit and limit * 86_400_000
        harness.warehouse.client.update_dataset(dataset, ["default_partition_expiration_ms"])


def facts(harness):
    rows = harness.rows("SELECT tweet_date, COUNT(*) AS n FROM {dwh.fact_tweet} GROUP BY tweet_date")
    return {row["tweet_date"]: row["n"] for row in rows}


def test_days_that_the_data_sets_drop_are_left_out_until_they_are_kept_again(harness):
    today = business_day.today()
    old, young = today - timedelta(days=60), today - timedelta(days=59)
    harness.run(today).start()
    keep_days(harness, 60)
    harness.give("old", tweet(1, "saham", f"{old}T12:00"))
    nothing = harness.run(today).up_to("version")
    left_out = f"days up to {old} left out (1): the data sets drop them"
    assert nothing.decided.note == f"generation 1; no day is left; {left_out}"
    assert nothing.decided.skipped
    harness.give("young", tweet(2, "saham", f"{young}T12:00"))
    taken = harness.take(today)
    assert taken.decided.note == f"generation 2; 1 of 2 days changed; {left_out}"
    assert facts(harness) == {young: 1}

    keep_days(harness, None)
    harness.take(today)
    assert facts(harness) == {old: 1, young: 1}
    # It was loaded, and then dropped: what is known of its partition went with it.
    keep_days(harness, 60)
    harness.take(today)
    harness.warehouse.drop(f"{harness.warehouse.table('staging.tweet')}${old:%Y%m%d}")
    keep_days(harness, None)
    harness.take(today)
    assert facts(harness) == {old: 1, young: 1}


def test_tables_that_expired_are_made_again_with_all_their_days(harness, at_once):
    harness.give("a", *GIVEN)
    harness.take()
    for table in ("staging.tweet", "dwh.fact_tweet", "dwh.fact_tweet_instrument"):
        harness.warehouse.drop(harness.warehouse.table(table))
    harness.take()
    assert harness.checksum() == at_once


def test_a_landed_file_that_is_gone_fails_the_day_by_name(harness, at_once):
    """Sail passes over a file that is not there: its tweets would be gone without a word."""
    harness.give("a", *GIVEN)
    run = harness.run().up_to("land")
    lost = min(path for landing in landings(harness.lake, LANDED) for path in [file.path for file in landing.files])
    content = harness.lake.read(lost)
    harness.lake.delete(lost)
    with pytest.raises(LumbungError, match="a landed file of 2026-11-21 is gone") as error:
        run.up_to("clean")
    assert lost in str(error.value)
    harness.lake.write(lost, content)
    harness.take()
    assert harness.checksum() == at_once


def test_a_poisoned_message_is_a_reject_with_its_reason_and_the_rest_goes_on(harness):
    harness.give("a", tweet(1, "saham"))
    run = harness.run().up_to("ship")
    producer = Producer({"bootstrap.servers": harness.settings.kafka.servers})
    producer.produce(harness.settings.kafka.topic, value=b'{"tweet": {}}', partition=0)
    assert producer.flush(60) == 0
    for stage in STAGES[STAGES.index("land") : STAGES.index("load")]:
        getattr(run, stage)()
    rejected = harness.rows("SELECT system, entity, raw, reason FROM {staging.rejected_row}")
    assert rejected == [
        {"system": "cilvest", "entity": "tweet", "raw": '{"tweet": {}}', "reason": "the envelope has no collected_at"}
    ]
    version = versions.version_of(run.run, run.target)
    assert (version.rows_read, version.rows_kept, version.rows_rejected) == (2, 1, 1)
    row = accounting(harness.lake, run.run.day)
    assert (row.rows_read, row.rows_loaded, row.rows_rejected) == (2, 1, 1)
    days = [(day.day, day.rows_landed, day.rows_clean, day.rows_dropped) for day in cleaning(harness.lake)]
    assert days == [(date(2026, 11, 21), 1, 1, 0)]


def test_the_report_is_about_tweets_where_nothing_else_is_published(make_tweet_harness):
    harness = make_tweet_harness(Catalog())
    harness.give("a", tweet(1, "saham"))
    run = harness.run().up_to("ship")
    producer = Producer({"bootstrap.servers": harness.settings.kafka.servers})
    producer.produce(harness.settings.kafka.topic, value=b"no tweet", partition=0)
    assert producer.flush(60) == 0
    for stage in STAGES[STAGES.index("land") :]:
        getattr(run, stage)()
    data = collect(harness.warehouse, harness.lake, harness.settings)
    assert [(row.source, row.rows_read, row.rows_loaded, row.rows_rejected) for row in data.accounting] == [
        ("tweet (Kafka)", 2, 1, 1)
    ]
    assert [(reject.source, reject.raw) for reject in data.rejects] == [("tweet", "no tweet")]
    shown = render(data)
    assert "1 tweet names at least one instrument" in shown
    assert "Demand report" in shown
    assert not [text for text in ("pinter-skuy", "Course report", "per city", "enrollments") if text in shown]
    with pytest.raises(LumbungError, match=r"no enrollments are published yet.*lumbung tweets answers"):
        answers(harness.warehouse)


def test_tweets_that_name_nothing_give_marts_of_zeros(make_tweet_harness):
    harness = make_tweet_harness(Catalog())
    harness.give("a", tweet(1, "suku bunga naik"))
    harness.take()
    answered = harness.answers()
    assert answered["total_tweet"] == 0
    assert answered["total_by_instrument"] == {"reksadana": 0, "saham": 0, "sukuk": 0}
    assert len(answered["hourly_by_instrument"]) == 72
    assert answered["daily_by_instrument"] == answered["most_active_authors"] == []


def test_without_tweets_there_is_nothing_to_build(harness):
    assert versions.make_version(harness.lake) is None
    harness.run().start()
    with pytest.raises(LumbungError, match="no tweets are published yet"):
        harness.answers()


def test_a_prune_takes_only_what_nothing_is_made_from(harness, monkeypatch):
    monkeypatch.setattr(landing, "FOLD_AFTER", 0)
    harness.give("a", tweet(1, "saham"), tweet(2, "sukuk", "2026-11-10T12:00"))
    harness.take()
    harness.give("b", tweet(3, "sukuk", "2026-11-10T13:00"))
    harness.take()
    before, checksum = {file.path for file in harness.lake.files("")}, harness.checksum()
    dead = [f"{RAW}/dt=2026-11-10/tweet-x.parquet", "spark/plans/x.json", f"{CURATED}/dt=2026-11-09/x.parquet"]
    young = f"{RAW}/dt=2026-11-10/tweet-young.parquet"
    for path in dead:
        harness.lake.write(path, b"x")
    for file in harness.lake.files(""):
        os.utime(harness.lake.folder / file.path, (time.time() - 2 * 86_400,) * 2)
    harness.lake.write(young, b"x")
    planned = prune(harness.settings, harness.warehouse, registry.all_systems(), keep=1, dry_run=True)
    assert prune(harness.settings, harness.warehouse, registry.all_systems(), keep=1) == planned
    left = {file.path for file in harness.lake.files("")}
    gone = before - left
    # The first version and fold, and the days as they were landed and cleaned first: the archive was collected twice.
    days = {f"{root}/dt=2026-11-{number}" for root in (CURATED, DAYS) for number in (10, 21)}
    assert {path.rpartition("/")[0] for path in gone} == {VERSIONS, folds(LANDED), *days}
    assert len(gone) == planned.files - len(dead) == 7
    assert not left & set(dead)
    assert young in left
    assert harness.checksum() == checksum
    harness.take(date(2026, 11, 10), refresh=True)
    harness.give("c", tweet(4, "saham"))
    harness.take()
    assert harness.rows("SELECT COUNT(*) AS n FROM {dwh.fact_tweet}") == [{"n": 4}]
