"""What every engine must do: a day of tweets cleaned by Sail and by a JVM Spark Connect server gives the same rows."""

import hashlib
import json
from datetime import UTC, date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lumbung.spark import clean, text
from support import raw_tweets
from support.raw_tweets import BEGIN, DAY

# Checksums of the clean rows of the nasty tweets, by version of the rules. Changed rules need a new version: then every
# day's clean file gets another name and is written again.
CHECKSUMS = {1: "2c433973ce4c5a81"}

TWEET = {
    "identity": "42",
    "edit_id": 42,
    "collected_at": BEGIN,
    "created_at": BEGIN,
    "user_name": "budi",
    "lang": "in",
    "is_retweet": False,
    "text": "saham",
    "sha256": "aa",
    "raw": "{}",
}


def tweet(**changes):
    return {**TWEET, **changes}


@pytest.fixture
def cleaned(engine, tmp_path):
    """The clean rows that an engine writes of raw ones."""

    def rows(*raw, day=DAY):
        frame = clean.clean_day(engine, raw_tweets.write(list(raw), tmp_path), day)
        count = clean.write(frame, tmp_path / "clean.parquet")
        clean_rows = pq.read_table(tmp_path / "clean.parquet").to_pylist()
        assert count == len(clean_rows)
        return clean_rows

    return rows


def test_a_session_s_time_zone_is_utc(engine):
    assert engine.conf.get("spark.sql.session.timeZone") == "UTC"
    assert engine.range(3).count() == 3


def test_a_tweet_becomes_a_row_of_staging(cleaned):
    (row,) = cleaned(tweet(text="Beli #SahamBBCA &amp; sukuk https://t.co/x", created_at=BEGIN + timedelta(hours=5)))
    assert row == {
        "tweet_id": 42,
        "created_at": BEGIN + timedelta(hours=5),
        "tweet_date": date(2026, 11, 25),
        "user_name": "budi",
        "tweet": "Beli #SahamBBCA & sukuk",
        "language": "id",
        "instruments": ["saham", "sukuk"],
    }


def test_a_tweet_that_names_nothing_or_says_nothing_is_kept(cleaned):
    rows = cleaned(tweet(text="apa kabar"), tweet(identity="43", text="https://t.co/x", user_name=None))
    assert [(row["tweet"], row["instruments"], row["user_name"]) for row in rows] == [
        ("apa kabar", [], "budi"),
        ("", [], None),
    ]


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"edit_id": 44, "collected_at": BEGIN}, {"edit_id": 43, "collected_at": BEGIN + timedelta(days=1)}),
        ({"collected_at": BEGIN + timedelta(microseconds=1), "sha256": "aa"}, {"sha256": "ff"}),
        ({"sha256": "b0"}, {"sha256": "af"}),
        ({"sha256": "b0"}, {"sha256": "b"}),
    ],
)
def test_the_newest_version_is_chosen_in_any_order_and_from_any_number_of_copies(cleaned, newer, older):
    new, old = tweet(text="baru", **newer), tweet(text="lama", **older)
    orders = [[new, old], [old, new], [old, new, old, new]]
    rows = cleaned(*({**version, "identity": f"{number}"} for number, order in enumerate(orders) for version in order))
    assert [row["tweet"] for row in rows] == ["baru"] * len(orders)


@pytest.mark.parametrize("change", [{"is_retweet": True}, {"lang": "en"}])
def test_the_chosen_version_decides_whether_a_tweet_is_kept(cleaned, change):
    first, edited = tweet(), tweet(edit_id=43, **change)
    assert cleaned(first, edited) == []
    assert len(cleaned(tweet(**change), tweet(edit_id=43))) == 1


def test_languages(cleaned):
    indonesian = {"Harga saham naik hari ini": True, "The stock is rising today": False}
    cases = [(lang, text) for lang in ("in", "id", "IN", "en", "ms", "qme", "und", "", None) for text in indonesian]
    rows = cleaned(*(tweet(identity=f"{number}", lang=lang, text=text) for number, (lang, text) in enumerate(cases)))
    kept = [cases[row["tweet_id"]] for row in rows]
    assert kept == [
        (lang, text)
        for lang, text in cases
        if lang in ("in", "id", "IN") or (lang in ("und", "", None) and indonesian[text])
    ]
    assert {row["language"] for row in rows} == {"id"}


def test_a_day_is_jakarta_s_from_its_first_to_its_last_microsecond(cleaned):
    moments = [BEGIN + delta for delta in (timedelta(microseconds=-1), timedelta(), timedelta(days=1, microseconds=-1))]
    raw = [
        tweet(identity=f"{number}", created_at=moment)
        for number, moment in enumerate([*moments, moments[1] + timedelta(days=1)])
    ]
    assert [row["tweet_id"] for row in cleaned(*raw)] == [1, 2]
    assert [row["tweet_date"] for row in cleaned(*raw)] == [DAY, DAY]


def test_a_tweet_edited_over_midnight_is_in_one_day_if_both_get_its_versions(cleaned):
    before, after = tweet(created_at=BEGIN - timedelta(minutes=1)), tweet(edit_id=43, created_at=BEGIN)
    assert cleaned(before, after, day=DAY - timedelta(days=1)) == []
    assert len(cleaned(before, after)) == 1


def test_the_file_is_what_bigquery_takes_and_sorted_by_number(cleaned, tmp_path):
    cleaned(*(tweet(identity=f"{identity}") for identity in (9, 100, 20, 2**63 - 1)))
    file = pq.ParquetFile(tmp_path / "clean.parquet")
    assert file.read()["tweet_id"].to_pylist() == [9, 20, 100, 2**63 - 1]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    types = {field.name: (field.type, field.nullable) for field in file.schema_arrow}
    assert types["tweet_id"] == (pa.int64(), False)
    assert types["created_at"] == (pa.timestamp("us", "UTC"), False)
    assert types["tweet_date"] == (pa.date32(), False)
    assert types["instruments"][0] == pa.list_(pa.string())


def test_an_identity_that_is_not_a_number_fails_the_day(cleaned):
    with pytest.raises(Exception, match="abc"):
        cleaned(tweet(identity="abc"))


def expected(raw):
    """The rules on rows read plainly, tweet by tweet; `test_text.py` tests the rules on text."""
    by_identity = {}
    for row in raw:
        by_identity.setdefault(row["identity"], []).append(row)
    chosen = [
        max(versions, key=lambda version: (version["edit_id"], version["collected_at"], version["sha256"]))
        for versions in by_identity.values()
    ]
    texts = text.clean(pa.array([row["text"] for row in chosen]))
    for row, words, instruments in zip(chosen, texts.to_pylist(), text.instruments(texts).to_pylist(), strict=True):
        lang = (row["lang"] or "und").lower()
        time_of_day = row["created_at"] - BEGIN
        if row["is_retweet"] or lang not in ("in", "id", "und") or not timedelta() <= time_of_day < timedelta(days=1):
            continue
        if lang == "und" and not text.is_indonesian(words):
            continue
        yield {
            "tweet_id": int(row["identity"]),
            "created_at": row["created_at"].astimezone(UTC),
            "tweet_date": DAY,
            "user_name": row["user_name"],
            "tweet": words,
            "language": "id",
            "instruments": instruments,
        }


def test_thousands_of_nasty_tweets_are_cleaned_by_the_rules(cleaned):
    raw = raw_tweets.nasty_rows(6000)
    rows = cleaned(*raw)
    assert rows == sorted(expected(raw), key=lambda row: row["tweet_id"])
    assert len(rows) > 500
    # A failure here alone means that the rules have changed: raise CLEANER_VERSION.
    checksum = hashlib.sha256(json.dumps(rows, default=str).encode()).hexdigest()
    assert CHECKSUMS[clean.CLEANER_VERSION] == checksum[:16]


def test_a_day_without_a_clean_tweet_is_an_empty_file_with_its_columns(engine, tmp_path):
    files = raw_tweets.write([tweet(lang="en"), tweet(identity="43", is_retweet=True)], tmp_path)
    frame = clean.clean_day(engine, files, DAY)
    assert clean.write(frame, tmp_path / "clean.parquet") == 0
    assert pq.read_schema(tmp_path / "clean.parquet").names == list(frame.columns)


def test_a_path_gives_no_columns(engine, tmp_path):
    folder = tmp_path / "lang=en" / "is_retweet=true" / "dt=2020-01-01"
    folder.mkdir(parents=True)
    files = raw_tweets.write([tweet(), tweet(identity="43", text="sukuk")], folder)
    rows = clean.clean_day(engine, files, DAY).collect()
    assert [(row.tweet_id, row.language) for row in rows] == [(42, "id"), (43, "id")]


def test_both_engines_write_the_same_bytes(sail, jvm, tmp_path):
    files = raw_tweets.write(raw_tweets.nasty_rows(300), tmp_path)
    contents = []
    for session in (sail, jvm):
        assert clean.write(clean.clean_day(session, files, DAY), tmp_path / "clean.parquet") > 20
        contents.append((tmp_path / "clean.parquet").read_bytes())
    assert contents[0] == contents[1]


def test_a_server_gets_the_package(jvm):
    """Its Python has neither this project nor language detection."""

    def places(batches):
        import py3langid
        import pyarrow as pa

        from lumbung.spark import text

        for _ in batches:
            yield pa.RecordBatch.from_pydict(
                {"place": [text.__file__, py3langid.__file__, str(text.is_indonesian("Harga saham naik hari ini"))]}
            )

    rows = jvm.range(1, numPartitions=1).mapInArrow(places, "place string").toArrow()["place"].to_pylist()
    assert ["lumbung.zip" in row for row in rows[:2]] == [True, True]
    assert rows[2] == "True"
