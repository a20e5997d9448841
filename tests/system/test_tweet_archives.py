"""Tweets from an archive to the marts, by a real broker, a real Spark (Sail) and the local BigQuery server."""

from datetime import date

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.systems.cilvest import version as versions
from lumbung.systems.cilvest.status import accounting
from support.tweet_archive import GIVEN
from support.tweet_harness import tweet


@pytest.fixture
def harness(make_tweet_harness):
    return make_tweet_harness()


EXPECTED = {
    "total_tweet": 6,
    "total_by_instrument": {"reksadana": 2, "saham": 3, "sukuk": 2},
    "daily_by_instrument": [
        {"date": "2026-11-21", "instrument": "reksadana", "tweets": 1},
        {"date": "2026-11-21", "instrument": "saham", "tweets": 1},
        {"date": "2026-11-21", "instrument": "sukuk", "tweets": 1},
        {"date": "2026-11-22", "instrument": "saham", "tweets": 2},
        {"date": "2026-11-23", "instrument": "sukuk", "tweets": 1},
        {"date": "2026-11-24", "instrument": "reksadana", "tweets": 1},
    ],
    "most_active_authors": [
        {"rank": 1, "user_name": "sintetis_a", "tweets": 2},
        {"rank": 1, "user_name": "sintetis_b", "tweets": 2},
    ],
}
BY_HOUR = {(0, "saham"): 1, (0, "sukuk"): 1, (12, "reksadana"): 1, (12, "saham"): 2, (23, "reksadana"): 1,
           (23, "sukuk"): 1}  # fmt: skip
HOURS = [
    {"hour": hour, "instrument": name, "tweets": BY_HOUR.get((hour, name), 0)}
    for hour in range(24)
    for name in ("reksadana", "saham", "sukuk")
]


def test_an_archive_gives_the_answers(make_tweet_harness):
    harness = make_tweet_harness(Catalog())
    harness.give("mixed", *GIVEN, b"no JSON")
    harness.take()
    answered = harness.answers()
    assert answered.pop("hourly_by_instrument") == HOURS
    assert answered == EXPECTED
    staged = harness.rows("SELECT tweet_id, tweet_date, instruments FROM {staging.tweet} ORDER BY tweet_id")
    assert [row["tweet_id"] for row in staged] == [1, 2, 3, 4, 8, 9, 10], "also what names no instrument"
    assert (staged[-1]["tweet_date"], list(staged[-1]["instruments"])) == (date(2026, 11, 23), ["sukuk"])
    (fresh,) = harness.rows("SELECT system, published_day, generation FROM {datamart.freshness}")
    assert fresh == {"system": "cilvest", "published_day": date(2026, 11, 24), "generation": 1}


def test_refused_lines_of_an_archive_are_rows_read_and_rejected_once(harness):
    """They travel like tweets, so collecting again doubles them as little as those; a new file brings its own only."""
    tweets = [tweet(number, "saham") for number in range(1, 8)]
    notices = [{"delete": {"status": {"id": number}}} for number in range(5)]
    harness.give("a", *tweets, *notices, b"no JSON", b"caf\xe9", {"id": "9"})
    first = harness.take()
    version = versions.version_of(first.run, first.target)
    assert (version.rows_read, version.rows_kept, version.rows_rejected) == (15, 7, 8)
    query = "SELECT entity, line, raw, reason FROM {staging.rejected_row} ORDER BY line"
    rejected = harness.rows(query)
    assert [row["line"] for row in rejected] == list(range(8, 16))
    assert {row["entity"] for row in rejected} == {"tweet"}
    file = harness.archive / "a.jsonl"
    assert rejected[0]["reason"] == f"{file}: not a tweet, but the stream's notice delete"
    assert [row["raw"] for row in rejected[5:]] == ["no JSON", "caf\\xe9", '{"id": "9"}']
    assert rejected[6]["reason"] == f"{file}: not UTF-8: byte 0xe9 at 3"
    harness.take()
    harness.give("b", tweet(20, "sukuk"), b"no JSON either")
    again = harness.take()
    version = versions.version_of(again.run, again.target)
    assert version.rows_rejected == 9
    assert version.rows_read == version.rows_kept + 9
    assert len(harness.rows(query)) == 9
    row = accounting(harness.lake, again.run.day)
    assert (row.rows_read, row.rows_rejected) == (version.rows_read, 9)
    assert harness.rows("SELECT COUNT(*) AS tweets FROM {staging.tweet}") == [{"tweets": 8}]


def test_an_archive_of_which_nothing_can_be_read_fails_the_run_and_loses_nothing(harness):
    harness.give("a", tweet(1, "saham"))
    (harness.archive / "b.json").write_text("bukan json\n")
    with pytest.raises(LumbungError, match=r"b\.json:1: nothing could be read of it: not JSON.*in the spool"):
        harness.run().up_to("collect")
    (harness.archive / "b.json").unlink()
    harness.take()
    assert harness.rows("SELECT COUNT(*) AS tweets FROM {staging.tweet}") == [{"tweets": 1}]
    (rejected,) = harness.rows("SELECT raw FROM {staging.rejected_row}")
    assert rejected["raw"] == "bukan json"
