"""Envelopes: what goes in comes out, and what cannot be read says why."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from lumbung.stream import envelope

AT = datetime(2026, 11, 25, 3, 4, 5, 678900, tzinfo=UTC)
V1 = {
    "created_at": "Wed Nov 25 23:04:05 +0700 2026",
    "id": 1329000000000000001,
    "id_str": "1329000000000000001",
    "full_text": "Beli sahamku &amp; reksa dana \U0001f680",
    "text": "Beli sahamku…",
    "user": {"screen_name": "sintetis_siti"},
    "lang": "in",
}
V2 = {
    "id": "1329000000000000007",
    "created_at": "2026-11-25T16:04:05.000Z",
    "text": "sukuk ritel",
    "author_id": "9",
    "author": {"id": "9", "username": "sintetis_budi"},
    "lang": "in",
    "edit_history_tweet_ids": ["1329000000000000006", "1329000000000000007"],
}


def wrapped(tweet: Any, **changes: Any) -> bytes:
    return envelope.wrap(json.dumps({**tweet, **changes}), source="synthetic", collected_at=AT)


def test_a_tweet_keeps_every_byte_in_its_envelope() -> None:
    raw = '{"id_str":"7",\t"note":"\\ud83d half, 1.0e2: ",  "n": 1.0e2, "emoji": "\U0001f680", "text": "a\u2028b"}'
    line = envelope.wrap(f" {raw}\r\n", source="archive", collected_at=AT)
    assert line == (
        b'{"collected_at": "2026-11-25T03:04:05.678Z", "source": "archive", "tweet": ' + raw.encode() + b"}"
    )
    read = envelope.parse(line)
    assert (read.raw, read.source) == (raw, "archive")
    assert read.collected_at == datetime(2026, 11, 25, 3, 4, 5, 678000, tzinfo=UTC)
    assert read.tweet["n"] == 100


def test_line_breaks_between_tokens_become_spaces() -> None:
    line = envelope.wrap('{"text":\r"a",\r\n\n"id":1}', source="archive", collected_at=AT)
    assert b"\r" not in line
    assert b"\n" not in line
    assert envelope.parse(line).tweet == {"text": "a", "id": 1}


def test_a_row_of_version_1() -> None:
    line = wrapped(V1)
    assert envelope.row(line) == {
        "identity": "1329000000000000001",
        "edit_id": 1329000000000000001,
        "collected_at": datetime(2026, 11, 25, 3, 4, 5, 678000, tzinfo=UTC),
        "created_at": datetime(2026, 11, 25, 16, 4, 5, tzinfo=UTC),
        "user_name": "sintetis_siti",
        "lang": "in",
        "is_retweet": False,
        "text": "Beli sahamku &amp; reksa dana \U0001f680",
        "sha256": hashlib.sha256(line).hexdigest(),
        "raw": json.dumps(V1),
    }


def test_a_row_of_version_2() -> None:
    row = envelope.row(wrapped(V2))
    assert row["identity"] == "1329000000000000006"
    assert row["edit_id"] == 1329000000000000007
    assert row["created_at"] == datetime(2026, 11, 25, 16, 4, 5, tzinfo=UTC)
    assert (row["user_name"], row["text"], row["lang"]) == ("sintetis_budi", "sukuk ritel", "in")
    assert envelope.key(wrapped(V2)) == b"1329000000000000006"


def test_members_may_come_in_any_order_and_spacing() -> None:
    line = b' {"tweet" :{"id":7, "created_at":"2026-11-25T00:00:00Z","text":"\\"}"},"x":[1], "source":"x",'
    line += b'"collected_at":"2026-11-25T00:00:01Z" } '
    row = envelope.row(line)
    assert row["identity"] == "7"
    assert row["raw"] == '{"id":7, "created_at":"2026-11-25T00:00:00Z","text":"\\"}"}'


@pytest.mark.parametrize(
    ("changes", "identity", "edit_id"),
    [
        ({}, 1329000000000000001, 1329000000000000001),
        ({"id": 1.329e18}, 1329000000000000001, 1329000000000000001),
        ({"id_str": None}, 1329000000000000001, 1329000000000000001),
        ({"edit_history": {"initial_tweet_id": "1328999999999999999"}}, 1328999999999999999, 1329000000000000001),
        ({"edit_history": {"initial_tweet_id": "5", "edit_tweet_ids": ["9", "10", "5"]}}, 5, 1329000000000000001),
        # Nine is less than ten, though not as a text.
        ({"id_str": "9", "edit_history_tweet_ids": ["10", "9"]}, 9, 10),
        ({"edit_history_tweet_ids": []}, 1329000000000000001, 1329000000000000001),
        ({"id_str": str(2**63 - 1)}, 2**63 - 1, 2**63 - 1),
    ],
)
def test_ids(changes: dict[str, Any], identity: int, edit_id: int) -> None:
    row = envelope.row(wrapped(V1, **changes))
    assert (row["identity"], row["edit_id"]) == (str(identity), edit_id)


@pytest.mark.parametrize(
    ("changes", "retweet"),
    [
        ({"text": "RT @sintetis_ani: saham", "full_text": None}, True),
        ({"retweeted_status": {"id": 1}}, True),
        ({"retweeted_status": None}, False),
        ({"referenced_tweets": [{"type": "quoted", "id": "1"}, {"type": "retweeted", "id": "2"}]}, True),
        ({"referenced_tweets": [{"type": "quoted", "id": "1"}, {"type": "replied_to", "id": "2"}]}, False),
        ({"full_text": "kata dia RT @sintetis_ani"}, False),
    ],
)
def test_retweets(changes: dict[str, Any], retweet: bool) -> None:
    assert envelope.row(wrapped(V1, **changes))["is_retweet"] is retweet


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"full_text": None}, "Beli sahamku…"),
        ({"full_text": None, "extended_tweet": {"full_text": "panjang"}}, "panjang"),
        ({"note_tweet": {"text": "sangat panjang"}}, "sangat panjang"),
        ({"full_text": ""}, ""),
        # Half of an emoji's pair cannot be written in UTF-8.
        ({"full_text": "naik \ud83d!"}, "naik \ufffd!"),
    ],
)
def test_the_longest_text(changes: dict[str, Any], text: str) -> None:
    row = envelope.row(wrapped(V1, **changes))
    assert row["text"] == text
    pa.array([row["text"], row["raw"]], pa.string()).validate(full=True)


def test_what_is_absent_is_none() -> None:
    tweet = {"id": "1", "created_at": "2026-11-25T00:00:00Z", "text": "saham", "user": None, "author": [], "lang": 5}
    row = envelope.row(wrapped(tweet))
    assert (row["user_name"], row["lang"]) == (None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id_str": None, "id": None}, "the tweet has no id"),
        ({"id_str": None, "id": True}, "id is not a tweet id"),
        ({"id_str": None, "id": 1.329e18}, "id is not a tweet id"),
        ({"id_str": "\u0661\u0662"}, "id_str is not a tweet id"),
        ({"id_str": "0"}, "id_str is not a tweet id"),
        ({"id_str": str(2**63)}, "id_str is not a tweet id"),
        ({"edit_history_tweet_ids": ["x"]}, "an id of the edit history is not a tweet id"),
        ({"edit_history_tweet_ids": "7"}, "the edit history is not a list"),
        ({"edit_history": "7"}, "edit_history is not a JSON object"),
        ({"created_at": None}, "the tweet has no created_at"),
        ({"created_at": 1764000000}, "created_at is not a time"),
        ({"created_at": "kemarin"}, "created_at is not a time"),
        ({"created_at": "Wed Nov 31 03:04:05 +0000 2026"}, "created_at is not a time"),
        ({"created_at": "Rab Nop 25 03:04:05 +0000 2026"}, "created_at is not a time"),
        ({"created_at": "2026-11-25 03:04:05"}, "created_at has no time zone"),
        ({"created_at": "0001-01-01T00:00:00+07:00"}, "created_at is not a time"),
        ({"created_at": "9999-12-31T23:59:59Z"}, "created_at is in the year 9999"),
        ({"text": None, "full_text": None}, "the tweet has no text"),
    ],
)
def test_what_is_not_a_tweet_says_why(changes: dict[str, Any], reason: str) -> None:
    line = wrapped(V1, **changes)
    for read in (envelope.row, envelope.key):
        with pytest.raises(envelope.UnreadableError, match=f"^{reason}$"):
            read(line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not a JSON object"),
        (b"bukan json", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b"{}", "not JSON: "),
        (b'{"collected_at": "2026-11-25T00:00:00Z", "source": "x", "tweet": {}', "not a JSON object"),
        (b'{"collected_at": "2026-11-25T00:00:00Z", "source": "x", "tweet": {}} {}', "not a JSON object"),
        (b'{"collected_at": "2026-11-25T00:00:00Z", "source": "x", "tweet": {"n": NaN}}', "not JSON: NaN"),
        (
            b'{"collected_at": "2026-11-25T00:00:00Z", "source": "x", "tweet": [1]}',
            "the envelope's tweet is not a JSON object",
        ),
        (b'{"collected_at": "2026-11-25T00:00:00Z", "source": 1, "tweet": {}}', "source is not text"),
        (b'{"collected_at": "2026-11-25T00:00:00Z", "source": "x"}', "the envelope has no tweet"),
        (b'{"collected_at": "2026-11-25", "source": "x", "tweet": {}}', "collected_at has no time zone"),
        (b'{"collected_at": "\xff"}', "not UTF-8: byte 0xff at 18"),
        (b'{"tweet": ' + b"[" * 200_000, "JSON nested too deeply"),
        (b'{"tweet": 1' + b"0" * 5000 + b"}", "not JSON: "),
    ],
)
def test_a_poisoned_envelope_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(envelope.UnreadableError, match=reason):
        envelope.row(line)


def test_loads_takes_one_object_and_nothing_else() -> None:
    assert envelope.loads(b' {"a": [1, {"b": null}]}\r\n') == {"a": [1, {"b": None}]}
    for line, reason in {
        b"[]": "not a JSON object",
        b"{} {}": "more than one JSON value",
        b'{"a": Infinity}': "not JSON: Infinity",
        b'{"a": ': "not JSON: ",
        b"": "not JSON: ",
        b"\xff": "not UTF-8",
        b"[" * 200_000: "JSON nested too deeply",
    }.items():
        with pytest.raises(envelope.UnreadableError, match=reason):
            envelope.loads(line)
