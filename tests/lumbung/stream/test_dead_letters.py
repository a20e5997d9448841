"""Messages that cannot be read: each a dead letter, and a reject in the lake."""

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
