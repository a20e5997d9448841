"""Synthetic tweets: the same each time, labelled, and with all that real ones bring."""

import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, date, datetime

import pytest

from lumbung.core.day import today
from lumbung.stream import envelope
from lumbung.stream.collect import collect, open_source
from lumbung.stream.synthetic import INDONESIAN, Synthetic

DAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def rows():
    return [envelope.row(line) for line in Synthetic(DAY, tweets=2000).items()]


def label(row):
    return json.loads(row["raw"])["synthetic"]


def test_a_seed_and_a_day_give_the_same_bytes():
    first, again = (list(Synthetic(DAY, seed=3, tweets=100).items()) for _ in range(2))
    assert first == again
    items = {*first}
    assert not items & {*Synthetic(DAY, seed=4, tweets=100).items()}
    assert not items & {*Synthetic(date(2026, 11, 25), seed=3, tweets=100).items()}


def test_a_day_has_some_hundred_tweets_from_its_first_to_its_last_second(rows):
    assert 300 < len(list(Synthetic(DAY).items())) < 600
    days = Counter(today(row["created_at"]) for row in rows)
    assert days[DAY] > 0.95 * len(rows)
    assert set(days) == {date(2026, 11, number) for number in (21, 22, 23, 24)}
    times = [row["created_at"] for row in rows if today(row["created_at"]) == DAY]
    assert min(times) == datetime(2026, 11, 23, 17, tzinfo=UTC)
    assert max(times).replace(microsecond=0) == datetime(2026, 11, 24, 16, 59, 59, tzinfo=UTC)


def test_ids_say_the_time_and_are_apart_over_days(rows):
    for row in rows:
        at = datetime.fromtimestamp(((row["edit_id"] >> 22) + 1288834974657) / 1000, UTC)
        assert at.replace(microsecond=0) == row["created_at"].replace(microsecond=0)
    others = [
        envelope.row(line) for day in (22, 23, 25) for line in Synthetic(date(2026, 11, day), tweets=2000).items()
    ]
    assert not {row["identity"] for row in rows} & {row["identity"] for row in others}


def test_every_tweet_says_that_it_is_synthetic(rows):
    for row in rows:
        assert row["user_name"].startswith("sintetis_")
        tweet = json.loads(row["raw"])
        assert "sintetis" in tweet["source"]
        assert set(tweet["synthetic"]) == {"seed", "kept", "instruments"}


def test_repeats_edits_and_shapes(rows):
    by_identity = {}
    for row in rows:
        by_identity.setdefault(row["identity"], []).append(row)
    several = [versions for versions in by_identity.values() if len(versions) > 1]
    edited = [versions for versions in several if len({version["edit_id"] for version in versions}) > 1]
    repeated = [versions for versions in several if len({version["edit_id"] for version in versions}) < len(versions)]
    assert len(edited) > 20
    assert len(repeated) > 20
    assert any(label(versions[0])["instruments"] != label(versions[-1])["instruments"] for versions in edited)
    for versions in edited:
        assert len({today(version["created_at"]) for version in versions}) == 1
    tweets = [json.loads(row["raw"]) for row in rows]
    for name in ("text", "full_text", "author", "user", "retweeted_status", "referenced_tweets"):
        assert 10 < sum(name in tweet for tweet in tweets) < len(rows)
    assert sum("edit_history" in tweet for tweet in tweets) > 5


def test_labels_agree_with_the_tweets(rows):
    for row in rows:
        kept = label(row)["kept"]
        if row["lang"] not in (None, "und"):
            assert kept == (row["lang"] in ("in", "id") and not row["is_retweet"])
        assert not (kept and row["is_retweet"])
    assert {(row["lang"], label(row)["kept"]) for row in rows} >= {
        ("in", True), ("id", True), ("in", False), ("und", True), ("und", False), (None, True), (None, False),
        ("en", False), ("ms", False),
    }  # fmt: skip


def test_texts_bring_what_cleaning_must_know(rows):
    texts = "\n".join(row["text"] for row in rows)
    for words in (
        "sahamku", "Saham-saham", "SAHAM", "sahamkah", "sahampun", "reksa dana", "Reksa-dana", "reksadanaku",
        "sukukmu", "sukuklah", "#SahamIndonesia", "#saham ", "#sahamindonesia", "suku bunga", "sahaman", "bersaham",
        "sukukata", "saham2", "@sahamgain", "https://saham.example", "&amp;", "&lt;", "RT @sintetis_", "@sintetis_",
        "https://tautan.example/", "\U0001f680", "guys, don't", "ya?\n",
    ):  # fmt: skip
        assert words in texts, words
    assert unicodedata.normalize("NFC", texts) != texts
    assert set(Counter(tuple(label(row)["instruments"]) for row in rows)) >= {
        (), ("saham",), ("reksadana",), ("sukuk",), ("reksadana", "saham", "sukuk"),
    }  # fmt: skip


def test_labels_follow_the_rule_for_instruments():
    """The rule in plain words, apart from the cleaner: no URL, no mention, camel case split, then whole words."""
    clitics = "(ku|mu|nya|lah|kah|pun)?"
    for text, named in INDONESIAN:
        bare = re.sub(r"https?://\S+|@\w+", " ", text)
        bare = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bare)
        matches = {
            name
            for name, word in {"saham": "saham", "reksadana": "reksa[ -]?dana", "sukuk": "sukuk"}.items()
            if re.search(rf"\b{word}{clitics}\b", bare, re.IGNORECASE)
        }
        assert matches == set(named), text


@pytest.mark.midnight
def test_the_day_is_today_unless_given(make_settings, spooled):
    settings, before = make_settings(), today()
    summary = collect(settings, open_source(settings, "synthetic"))
    assert summary.notes in [[f"synthetic tweets: seed 1, day {day}"] for day in (before, today())]
    assert summary.tweets == len(spooled(settings))
