"""Recent search against a stand-in for X: nothing lost, nothing paid above the cap, clear words for each refusal."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumbung.core import settings as settings_module
from lumbung.core.errors import LumbungError, SettingError, SourceError, SourceUnavailableError
from lumbung.stream import x, x_cost
from lumbung.stream.collect import collect
from support import x_server
from support.x_server import Fault

DAY = 86_400


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(int(row["identity"]) for row in rows)


def test_all_pages_of_a_search_then_only_what_is_new(server, settings, search, spooled):
    server.page = 10
    posts = [server.post(60 * minute) for minute in range(1, 36)]
    summary = search()
    assert (summary.tweets, summary.requests, summary.refused, len(summary.files)) == (35, 4, 0, 4)
    assert ids(spooled(settings)) == sorted(posts)
    assert summary.usd == server.mills / 1000 == x.status(settings).usd
    assert x.status(settings).since_id == max(posts)
    assert not x.status(settings).unfinished

    first = server.requests[0]
    words = first["query"].removeprefix("(").removesuffix(") lang:in -is:retweet").split(" OR ")
    assert {"saham", "sahamku", "reksadananya", '"reksa dana"', '"reksa danaku"', "sukuk", "sukukpun"} <= set(words)
    assert len(words) == len(set(words)) == 4 * 7
    assert len(first["query"]) <= 512, "X takes no longer one of who pays by use"
    assert first["expansions"] == "author_id"
    assert {"created_at", "lang", "referenced_tweets", "edit_history_tweet_ids"} <= set(
        first["tweet.fields"].split(",")
    )
    assert "since_id" not in first

    new = server.post(1)
    summary = search()
    assert (summary.tweets, summary.requests) == (1, 1)
    assert server.requests[-1]["since_id"] == str(max(posts))
    assert ids(spooled(settings)) == sorted([*posts, new])
    assert search().tweets == 0
    assert x.status(settings).since_id == new


def test_a_post_carries_its_author_and_nothing_else_is_changed(server, settings, search):
    post = server.posts[server.post(60, public_metrics={"like_count": 1.0})]
    (path,) = search().files
    envelope = json.loads(path.read_text())
    assert envelope["source"] == "x"
    author = {"id": "0", "name": "Sintetis", "username": "sintetis_0"}
    assert envelope["tweet"] == {**post, "author": author}
    age = datetime.now(UTC) - datetime.fromisoformat(envelope["collected_at"])
    assert timedelta(0) <= age < timedelta(minutes=5)


def test_killed_anywhere_nothing_is_lost_and_each_cost_was_written_down_before(server, make_settings, killed, spooled):
    """Every step of a search of three pages, each in a new home; new posts come before the next run."""
    server.page = 10
    for step in range(1, 100):
        home = make_settings().home / str(step)
        settings = make_settings(home=home, x_url=server.url, x_bearer_token=x_server.TOKEN, x_max_usd=50)
        server.posts.clear()
        server.given, server.mills = [], 0
        for minute in range(1, 26):
            server.post(60 * minute)
        was_killed = killed(settings, "x", step)
        assert x.status(settings).usd >= server.mills / 1000
        server.post(2)
        collect(settings, x.Search(settings))
        assert set(ids(spooled(settings))) == set(server.posts)
        assert x.status(settings).since_id == max(server.posts)
        assert not x.status(settings).unfinished
        # A page is on disk before the next is asked for, so at most one was paid for twice.
        assert len(server.given) <= 26 + 10
        assert x.status(settings).usd >= server.mills / 1000
        if not was_killed:
            break
    assert step > 30, "each page has its steps"


def test_a_search_cut_short_is_finished_at_its_older_end(server, settings, search, spooled):
    server.page = 10
    posts = [server.post(60 * minute) for minute in range(1, 31)]
    server.faults = [None, Fault(500), Fault(500), Fault(500)]
    with pytest.raises(SourceUnavailableError, match="X answers 500, 3 times"):
        search()
    assert x.status(settings).unfinished
    assert x.status(settings).since_id is None
    new = server.post(1)
    search()
    assert ids(spooled(settings)) == sorted([*posts, new])
    assert sorted(server.given) == sorted([*posts, new]), "no post was paid for twice"


def test_the_cap_stops_before_the_request_that_could_break_it(server, settings, search, spooled):
    server.page = 10
    posts = [server.post(60 * minute) for minute in range(1, 41)]
    # A page of ten costs at most 0.150, and here 0.080, as three authors wrote it.
    for cap, pages in ((0.149, 0), (0.15, 1), (0.3, 2)):
        summary = search(x_max_usd=cap)
        assert len(server.given) == 10 * pages
        assert server.mills / 1000 <= cap
        (note,) = summary.notes
        assert "LUMBUNG_X_MAX_USD" in note
        assert f"${server.mills / 1000:.3f} of ${cap:.3f} are spent" in note
    assert summary.requests == 1
    # What was collected before is in the spool, and a higher cap goes on from there.
    assert ids(spooled(settings)) == sorted(posts)[-20:]
    assert search().notes == []
    assert ids(spooled(settings)) == sorted(posts)
    assert len(server.given) == 40


def test_a_post_that_is_not_a_tweet_is_kept_with_its_reason(server, settings, search):
    server.post(60, created_at=None)
    server.post(61)
    summary = search()
    assert (summary.tweets, summary.refused) == (1, 1)
    (error,) = [json.loads(line) for line in summary.error_files[0].read_text().splitlines()]
    assert error["file"] == "GET /2/tweets/search/recent"
    assert error["reason"] == "data[0]: the tweet has no created_at"
    assert json.loads(error["raw"])["text"] == "sukuk sintetis"


def test_ids_from_before_seven_days_are_left_out_and_reported(server, settings, search, spooled):
    old = server.post(9 * DAY)
    new = server.post(60)
    state = settings.spool / "x" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"since_id": old}))
    summary = search()
    assert ids(spooled(settings)) == [new]
    assert "are missing: X's recent search reaches back seven days" in summary.notes[0]
    # A search that was cut short can no longer be finished; what is newer than its newest post is collected.
    newest = server.post(8 * DAY)
    state.write_text(json.dumps({"since_id": None, "newest_id": newest, "until_id": old}))
    assert len(search().notes) == 2
    assert x.status(settings).since_id == new


def test_a_broken_state_is_refused(settings, search):
    state = settings.spool / "x" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"since_id": "kemarin"}')
    with pytest.raises(LumbungError, match=r"state\.json: the file is broken\. Delete it"):
        search()


def test_counts_cost_one_post(server, settings):
    for minute in range(1, 4):
        server.post(60 * minute)
    counts = x.counts(settings)
    assert [(count.start.isoformat(), count.tweets) for count in counts] == [
        ("2026-11-23T04:05:06+00:00", 7),
        ("2026-11-24T00:00:00+00:00", 3),
    ]
    assert x.status(settings).usd == 0.005
    assert server.requests[0]["granularity"] == "day"
    assert server.requests[0]["query"] == x.QUERY
    with pytest.raises(x_cost.CapReachedError, match=r"could cost \$0.005"):
        x.counts(settings.replace(x_max_usd=0.009))
    server.faults = [Fault(200, {"data": [{"start": "2026"}], "meta": {}})]
    with pytest.raises(SourceError, match="cannot be understood"):
        x.counts(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X_URL", "http://api.x.com"), ("X_BEARER_TOKEN", "rahasia baru"), ("X_MAX_USD", "-1"), ("X_MAX_USD", "nan")],
)
def test_settings_are_checked_and_the_token_is_not_shown(name, value):
    with pytest.raises(SettingError, match=f"LUMBUNG_{name}") as refused:
        settings_module.load({f"LUMBUNG_{name}": value})
    assert "rahasia" not in str(refused.value)


def test_the_spool_lies_in_the_home_by_default():
    assert settings_module.load({"LUMBUNG_HOME": "/a"}).spool == Path("/a/spool")
    assert settings_module.load({"LUMBUNG_HOME": "/a", "LUMBUNG_SPOOL": "/b"}).spool == Path("/b")
