"""Every shape that twarc, the Internet Archive, snscrape and X's export write: kept with its author, or refused."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lumbung.stream import envelope
from lumbung.stream.archive import Archive
from lumbung.stream.items import Refused

V1_TIME, V2_TIME = "Wed Nov 25 03:04:05 +0000 2026", "2026-11-25T03:04:05.000Z"
AUTHOR = {"id": "7", "username": "sintetis", "name": "Sintetis"}


def v1(number: int, **more: Any) -> dict:
    user = {"id": 7, "id_str": "7", "screen_name": "sintetis"}
    return {"id": number, "id_str": f"{number}", "created_at": V1_TIME, "full_text": "saham", "user": user, **more}


def v2(number: int, **more: Any) -> dict:
    return {"id": f"{number}", "created_at": V2_TIME, "text": "saham", "author_id": "7", **more}


def snscrape(number: int, **more: Any) -> dict:
    return {
        "_type": "snscrape.modules.twitter.Tweet",
        "url": f"https://twitter.com/sintetis/status/{number}",
        "date": "2026-11-25T03:04:05+00:00",
        "rawContent": "saham",
        "renderedContent": "saham",
        "id": number,
        "user": {"_type": "snscrape.modules.twitter.User", "username": "sintetis", "id": 7},
        "lang": "in",
        "retweetedTweet": None,
        **more,
    }


def exported(number: int, **more: Any) -> dict:
    """Of X's data export: the author is in another file."""
    return {"id_str": f"{number}", "id": f"{number}", "created_at": V1_TIME, "full_text": "saham", **more}


def without(value: dict, *names: str) -> dict:
    return {name: member for name, member in value.items() if name not in names}


def rows(path: Path) -> tuple[list[dict[str, Any]], list[Refused]]:
    items = list(Archive(path).items())
    kept = [envelope.row(item) for item in items if isinstance(item, bytes)]
    return kept, [item for item in items if isinstance(item, Refused)]


def of(tmp_path: Path, *values: Any) -> tuple[list[dict[str, Any]], list[Refused]]:
    """The rows and refusals of a file of these lines; a tweet first, so that something can be read of it."""
    file = tmp_path / "a.jsonl"
    file.write_text("".join(f"{json.dumps(value)}\n" for value in [v1(1), *values]))
    kept, refused = rows(file)
    assert kept[0]["identity"] == "1"
    return kept[1:], refused


INCLUDES = {"users": [AUTHOR], "tweets": [v2(99)], "media": [], "places": []}
TWARC = {"url": "https://api.twitter.com/2/tweets/search/all", "version": "2.14.1", "retrieved_at": V2_TIME}
KEPT = {
    "twarc 1, extended": v1(2),
    "twarc 1, compatible": {**without(v1(2), "full_text"), "text": "sa…", "extended_tweet": {"full_text": "saham"}},
    "v1.1 search answer": {"statuses": [v1(2)], "search_metadata": {"count": 1}},
    "v1.1 premium answer": {"results": [v1(2)], "requestParameters": {"maxResults": 500}},
    "twarc2 page": {"data": [v2(2)], "includes": INCLUDES, "meta": {"result_count": 1}, "__twarc": TWARC},
    "twarc2 page of a lookup": {"data": [v2(2)], "includes": INCLUDES, "__twarc": TWARC},
    "twarc2 stream": {"data": v2(2), "includes": INCLUDES, "matching_rules": [{"id": "1", "tag": "saham"}]},
    "twarc2 flattened": {**v2(2, author=AUTHOR), "__twarc": TWARC},
    "twarc2 flattened without users, in a page": {"data": [v2(2, author={})], "includes": INCLUDES},
    "an author that is null, in a page": {"data": [v2(2, author=None)], "includes": INCLUDES},
    "ids as numbers": {"data": [v2(2, author_id=7)], "includes": {"users": [{**AUTHOR, "id": 7}]}},
    "flattened to dotted names": {**v2(2), "author.username": "sintetis"},
    "snscrape": snscrape(2),
    "snscrape before 0.5": {**without(snscrape(2), "rawContent"), "content": "saham"},
    "snscrape before 0.3": {**without(snscrape(2), "rawContent", "user"), "content": "saham", "username": "sintetis"},
    "snscrape, a user's id only": {**snscrape(2), "user": {"_type": "snscrape.modules.twitter.UserRef", "id": 7}},
    "twscrape": {**snscrape(2), "id_str": "2", "date": "2026-11-25 03:04:05+00:00"},
    "a wrapper": {"tweets": [v1(2)]},
    "a wrapper of v2 with its users": {"tweets": [v2(2)], "includes": {"users": [AUTHOR]}},
    "a wrapper of one": {"tweet": v1(2)},
    "a wrapper of one and its author": {"tweet": without(v2(2), "author_id"), "user": AUTHOR},
    "users outside of includes": {"data": [v2(2)], "users": [AUTHOR]},
    "an array": [v1(2)],
    "an array of pages": [{"data": [v2(2)], "includes": INCLUDES}],
}


@pytest.mark.parametrize("shape", KEPT)
def test_a_tweet_is_kept_with_its_author(tmp_path, shape):
    (row,), refused = of(tmp_path, KEPT[shape])
    assert refused == []
    assert (row["identity"], row["user_name"], row["text"]) == ("2", "sintetis", "saham")
    assert f"{row['created_at']:%Y-%m-%d %H:%M:%S}" == "2026-11-25 03:04:05"
    (tmp_path / "a.jsonl").write_text(json.dumps(KEPT[shape], indent=2))
    assert [row["user_name"] for row in rows(tmp_path / "a.jsonl")[0]] == ["sintetis"], "indented"


NOT_FOUND = {"value": "5", "detail": "Could not find tweet with ids: [5].", "title": "Not Found Error"}
NOTICE = "not a tweet, but the stream's notice"
REFUSED = {
    f"{NOTICE} delete": {"delete": {"status": {"id": 1, "user_id": 2}, "timestamp_ms": "1"}},
    f"{NOTICE} limit": {"limit": {"track": 5, "timestamp_ms": "1"}},
    f"{NOTICE} scrub_geo": {"scrub_geo": {"user_id": 1, "up_to_status_id": 2}},
    f"{NOTICE} status_withheld": {"status_withheld": {"id": 1, "user_id": 2}},
    f"{NOTICE} warning": {"warning": {"code": "FALLING_BEHIND"}},
    f"{NOTICE} disconnect": {"disconnect": {"code": 4, "reason": ""}},
    "X did not give it: Could not find tweet": {"errors": [{**NOT_FOUND, "parameter": "ids"}], "__twarc": TWARC},
    "the tweet has no id": {"errors": [{"title": "Rate limit exceeded"}]},
    "data[0]: the tweet has no text": {"data": [{**AUTHOR, "created_at": V2_TIME}], "meta": {"result_count": 1}},
    "data[0]: the tweet has no id": {"data": [{"start": V2_TIME, "tweet_count": 3}], "meta": {"total_tweet_count": 3}},
    "data[0]: the tweet has no created_at": {"data": [without(v2(2), "created_at")], "includes": INCLUDES},
    "the tweet has no id: a page": {"meta": {"result_count": 5}},
    "the tweet has no created_at": {"_type": "snscrape.modules.twitter.Tombstone", "id": 2},
    "the tweet has no text": {"id": 7, "id_str": "7", "screen_name": "sintetis", "created_at": V1_TIME},
    "created_at is not a time": v1(2, created_at="yesterday"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_tweet_is_refused_with_the_reason(tmp_path, reason):
    kept, (refused,) = of(tmp_path, REFUSED[reason])
    assert kept == []
    assert refused.line == 2
    assert refused.reason.startswith(reason.partition(": a page")[0])


def test_a_page_is_counted_to_the_last_of_it(tmp_path):
    page = {
        "data": [v2(2), {"id": "3"}, v2(4, author_id="8")],
        "includes": INCLUDES,
        "errors": [{**NOT_FOUND, "parameter": "ids"}, {"parameter": "author_id", "detail": "Could not find user"}],
    }
    kept, refused = of(tmp_path, page, {"meta": {"result_count": 0}})
    assert [(row["identity"], row["user_name"]) for row in kept] == [("2", "sintetis"), ("4", None)]
    assert [item.reason for item in refused] == [
        "X did not give it: Could not find tweet with ids: [5].",
        "data[1]: the tweet has no created_at",
    ]


def test_tweets_within_tweets_are_not_taken(tmp_path):
    kept, refused = of(
        tmp_path,
        v1(2, retweeted_status=v1(90)),
        v1(3, quoted_status=v1(91)),
        snscrape(4, retweetedTweet=snscrape(92)),
        snscrape(5, quotedTweet=snscrape(93)),
    )
    assert [(row["identity"], row["is_retweet"]) for row in kept] == [
        ("2", True),
        ("3", False),
        ("4", True),
        ("5", False),
    ]
    assert refused == []


@pytest.mark.parametrize("member", ["data", "statuses", "tweets"])
def test_tweets_beside_a_member_that_is_named_like_a_notice_are_kept(tmp_path, member):
    kept, refused = of(tmp_path, {member: [v1(2), v1(3)], "limit": 100, "event": "search", "friends": []})
    assert ([row["identity"] for row in kept], refused) == (["2", "3"], [])


def test_a_file_of_notices_only_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"delete": {"status": {"id": 1}}}\n')
    kept, refused = rows(tmp_path)
    assert (kept, len(refused)) == ([], 1)


ACCOUNT = 'window.YTD.account.part0 = [ { "account" : { "username" : "sintetis", "accountId" : "7" } } ]'
EDITED = {"edit_info": {"edit": {"initialTweetId": "4", "editControlInitial": {"editTweetIds": ["4", "5"]}}}}
EXPORT = {
    "data/account.js": ACCOUNT,
    "data/tweets.js": "window.YTD.tweets.part0 = "
    + json.dumps([{"tweet": exported(2)}, {"tweet": exported(5, **EDITED)}, {"tweet": {"id_str": "6"}}], indent=2),
    "data/tweets-part1.js": "window.YTD.tweets.part1 = " + json.dumps([{"tweet": exported(7)}]),
    "data/community-tweet.js": "window.YTD.community_tweet.part0 = " + json.dumps([{"tweet": exported(8)}]),
    "data/deleted-tweets.js": "window.YTD.deleted_tweets.part0 = " + json.dumps([{"tweet": exported(9)}]),
    "data/like.js": 'window.YTD.like.part0 = [ { "like" : { "tweetId" : "1", "fullText" : "saham" } } ]',
    "data/manifest.js": "window.__THAR_CONFIG = {}",
    "Your archive.html": "<html></html>",
}


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_data_export_is_read_with_its_owner_as_the_author(tmp_path, form):
    path = tmp_path / "export"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as container:
            for name, content in EXPORT.items():
                container.writestr(name, content)
    else:
        for name, content in EXPORT.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(content)
    archive = Archive(path)
    items = list(archive.items())
    kept = sorted((row["identity"], row["user_name"]) for row in map(envelope.row, filter(is_bytes, items)))
    assert kept == [("2", "sintetis"), ("4", "sintetis"), ("7", "sintetis"), ("8", "sintetis")]
    assert sorted(item.reason for item in items if isinstance(item, Refused)) == [
        "a tweet that its author has deleted",
        "tweet[0]: the tweet has no created_at",
    ]
    (note,) = archive.notes
    assert all(name in note for name in ("account.js", "like.js", "manifest.js", "Your archive.html"))


def test_a_file_of_an_export_alone(tmp_path):
    tweets, like = tmp_path / "tweets.js", tmp_path / "like.js"
    tweets.write_text("window.YTD.tweet.part0 = " + json.dumps([exported(2), exported(3)], indent=2))
    archive = Archive(tweets)
    assert [envelope.row(item)["user_name"] for item in archive.items()] == [None, None]
    assert archive.notes == [f"no account.js with the author's name is beside {tweets}"]
    (tmp_path / "account.js").write_text(ACCOUNT)
    assert [row["user_name"] for row in rows(tweets)[0]] == ["sintetis", "sintetis"]
    like.write_text(EXPORT["data/like.js"])
    items = Archive(like).items()
    assert next(items).reason == "like of a data export, which holds no tweets"


def test_an_export_of_before_2018_has_its_authors(tmp_path):
    old = {**without(v1(2), "full_text"), "text": "saham", "created_at": "2014-01-31 12:00:00 +0000"}
    (tmp_path / "2014_01.js").write_text("Grailbird.data.tweets_2014_01 = \n" + json.dumps([old], indent=1))
    (row,), refused = rows(tmp_path)
    assert (row["identity"], row["user_name"], refused) == ("2", "sintetis", [])


def is_bytes(item: object) -> bool:
    return isinstance(item, bytes)


def test_bytes_of_known_shapes_are_those_of_before(tmp_path):
    """What an existing lake holds must not come again in other bytes."""
    line = json.dumps(v1(2))
    (tmp_path / "a.jsonl").write_text(f"{line}\n{json.dumps({'data': [v2(3)], 'includes': INCLUDES})}\n")
    plain, page = (json.loads(item)["tweet"] for item in Archive(tmp_path).items())
    assert plain == v1(2)
    assert page == {**v2(3), "author": AUTHOR}
    first, second = Archive(tmp_path).items()
    assert first.endswith(f', "source": "archive", "tweet": {line}}}'.encode())
    assert second.endswith(f'"tweet": {json.dumps({**v2(3), "author": AUTHOR})}}}'.encode())
