"""Messages that cannot be read: each a dead letter, and a reject in the lake."""

from lumbung.stream import envelope
from support.stream import checksums, tweet


def test_what_is_not_a_tweet_is_a_dead_letter_and_a_reject(tweets):
    tweets.cluster.ensure_topics()
    values = [tweet(1), b"no json", None, b"\xff\xfe", tweet(2), b'{"collected_at": 1}']
    tweets.produce(*values, partition=1)
    done = tweets.land()
    assert (done.rows, done.rejected) == (2, 4)
    assert tweets.checksums() == checksums([tweet(1), tweet(2)])
    rejected = tweets.rejected()
    assert [row["line"] for row in rejected] == [1, 2, 3, 5]
    assert [row["raw"] for row in rejected] == ["no json", "", "\\xff\\xfe", '{"collected_at": 1}']
    reasons = [row["reason"] for row in rejected]
    assert reasons[1] == "the message has no value"
    assert reasons[2].startswith("not UTF-8")
    (manifest,) = tweets.landings()
    assert (manifest.rows_read, manifest.rows_kept, manifest.rows_rejected) == (6, 2, 4)
    assert manifest.rejects.path.startswith("raw/cilvest/tweet/rejected/")
    dead = tweets.read(f"{tweets.topic}.dead")
    topic = tweets.cluster.topic()
    for letter, offset, reason in zip(dead, [1, 2, 3, 5], reasons, strict=True):
        assert letter.value() == (values[offset] or b"")
        assert letter.key().decode() == f"{topic.id}/1/{offset}"
        headers = {name: value.decode() for name, value in letter.headers()}
        assert headers == {"reason": reason, "topic": tweets.topic, "partition": "1", "offset": str(offset)}


def test_a_refused_line_is_a_dead_letter_and_a_reject_with_its_own_file_and_line(tweets):
    raw = b'{"text": "caf\xe9'
    line = envelope.refuse(raw, source="archive", file="in/a\udcff.jsonl", line=7, reason="not UTF-8")
    # One that another program has made wrong is a reject all the same.
    broken = b'{"source": "archive", "refused": {"file": "a", "line": 1e99, "reason": "", "raw": "\\ud800"}}'
    tweets.cluster.ensure_topics()
    tweets.produce(tweet(1), line, broken)
    done = tweets.land()
    assert (done.rows, done.rejected) == (1, 2)
    assert tweets.rejected() == [
        {"line": 7, "raw": '{"text": "caf\\xe9', "reason": "in/a\\xff.jsonl: not UTF-8"},
        {"line": 2, "raw": broken.decode(), "reason": "the envelope's refused line is incomplete"},
    ]
    assert [letter.value() for letter in tweets.read(f"{tweets.topic}.dead")] == [line, broken]
