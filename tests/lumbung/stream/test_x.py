"""Recent search against a stand-in for X: nothing lost, nothing paid above the cap, clear words for each refusal."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumbung.core import settings as settings_module
from lumbung.core.errors import LumbungError, SettingError, SourceError, SourceUnavailableError
from lumbung.core.settings import Settings
from lumbung.stream import x, x_cost
from lumbung.stream.collect import Summary, collect
from support import x_server
from support.x_server import Fault, X

DAY = 86_400


@pytest.fixture
def server() -> Iterator[X]:
    with x_server.running() as started:
        yield started


@pytest.fixture
def settings(server: X, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(x_url=server.url, x_bearer_token=x_server.TOKEN, x_max_usd=50)


@pytest.fixture
def search(settings: Settings) -> Callable[..., Summary]:
    """Collect; waits are kept in `search.waits` and not waited."""

    def run(**changes: Any) -> Summary:
        changed = settings.replace(**changes)
        return collect(changed, x.Search(changed, sleep=run.waits.append))

    run.waits = []
    return run


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(int(row["identity"]) for row in rows)


def journal(settings: Settings) -> list[dict[str, Any]]:
    (path,) = (settings.spool / "x").glob("journal-*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


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


def test_pages_shrink_to_what_the_cap_leaves(server, search):
    for minute in range(1, 41):
        server.post(60 * minute)
    search(x_max_usd=0.4)
    assert [one["max_results"] for one in server.requests] == ["26", "16"]
    assert server.mills <= 400


def test_a_request_without_an_answer_keeps_its_worst_cost(server, settings, search):
    server.post(60)
    server.faults = [Fault(200, None)]
    with pytest.raises(SourceUnavailableError, match="X does not answer"):
        search()
    assert len(server.requests) == 1, "it may have been billed, so it is not sent again"
    assert x.status(settings).usd == 1.5
    search()
    assert x.status(settings).usd == pytest.approx(1.515)


def test_a_server_that_was_not_reached_costs_nothing(settings, search):
    changed = {"x_url": "http://127.0.0.1:9"}
    with pytest.raises(SourceUnavailableError, match="X does not answer"):
        search(**changed)
    assert x.status(settings).usd == 0
    assert search.waits == [2, 4]


def test_each_cost_is_written_before_the_request_is_sent(server, settings, search):
    server.post(60)
    seen = []
    answer = server.answer
    server.answer = lambda *args: seen.append(journal(settings)) or answer(*args)
    search()
    assert [(line["what"], line["mills"]) for line in seen[0]] == [("/2/tweets/search/recent", 1500)]
    first, second = journal(settings)
    assert first["request"] == second["request"]
    assert (second["mills"], second["posts"], second["users"]) == (15 - 1500, 1, 1)


def test_a_rate_limit_is_waited_for(server, search):
    server.post(60)
    reset = int(time.time()) + 40
    server.faults = [Fault(429, {"title": "Too Many Requests"}, {"x-rate-limit-reset": str(reset)})]
    summary = search()
    (wait,) = search.waits
    assert 35 < wait <= 41
    assert (summary.tweets, summary.requests, summary.usd) == (1, 2, 0.015)


def test_the_last_request_of_a_window_is_followed_by_a_wait(server, search):
    server.page = 10
    for minute in range(1, 16):
        server.post(60 * minute)
    server.headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(time.time()) + 30)}
    assert search().tweets == 15
    (wait,) = search.waits
    assert 25 < wait <= 31


def test_a_rate_limit_that_lasts_too_long_is_an_error(server, search):
    server.faults = [Fault(429, {}, {"x-rate-limit-reset": str(int(time.time()) + DAY)})]
    with pytest.raises(SourceUnavailableError, match=r"rate limit lasts \d+ seconds more. Collect again later"):
        search()
    assert search.waits == []
    server.faults = [Fault(429)] * 3
    with pytest.raises(SourceUnavailableError, match="X answers 429, 3 times"):
        search()
    assert len(search.waits) == 2


def test_a_passing_outage_is_tried_again(server, search):
    server.post(60)
    server.faults = [Fault(503, b"<html>"), Fault(500)]
    summary = search()
    assert (summary.tweets, summary.requests, summary.usd) == (1, 3, 0.015)
    assert search.waits == [2, 4]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(402, x_server.NO_CREDIT), SourceError, "no credit .CreditsDepleted.*buy credit"),
        (Fault(403, x_server.NO_CREDIT), SourceError, "no credit .CreditsDepleted.*buy credit"),
        (Fault(403, {"title": "Client Forbidden"}), SourceError, "does not let this app search .Client Forbidden"),
        (Fault(429, {"title": "UsageCapExceeded"}), SourceError, "X answers 429 .UsageCapExceeded"),
        (
            Fault(400, {"title": "Invalid Request", "detail": "query"}),
            SourceError,
            "X answers 400 .Invalid Req.*: query",
        ),
        (Fault(302, b"", {"Location": "/elsewhere"}), SourceError, "X answers 302"),
    ],
)
def test_refusals_say_what_to_do_and_cost_nothing(server, settings, search, fault, kind, words):
    server.faults = [fault]
    with pytest.raises(kind, match=f"(?i){words}"):
        search()
    assert len(server.requests) == 1, "not sent again"
    assert x.status(settings).usd == 0


def test_a_refused_token_is_told_and_never_shown(server, settings, make_settings):
    secret = "BBBB-rahasia"
    wrong = make_settings(x_url=server.url, x_bearer_token=secret)
    with pytest.raises(SettingError, match="LUMBUNG_X_BEARER_TOKEN: X refuses the bearer token") as refused:
        collect(wrong, x.Search(wrong))
    assert secret not in f"{refused.value!r} {refused.value} {wrong!r}"
    assert all(secret not in one.read_text() for one in wrong.spool.rglob("*") if one.is_file())
    with pytest.raises(SettingError, match="needs a bearer token"):
        x.Search(make_settings())


@pytest.mark.parametrize(
    "body", [b'{"data": [', b"[]", b"", {"data": {}, "meta": {}}, {"data": []}, {"data": [{"id": "5"}], "meta": {}}]
)
def test_an_answer_that_cannot_be_understood(server, settings, search, body):
    server.faults = [Fault(200, body)]
    with pytest.raises(SourceError, match="X's answer cannot be understood"):
        search()
    assert len(server.requests) == 1
    assert x.status(settings).since_id is None
    search()


def test_a_post_that_is_no_tweet_is_kept_with_its_reason(server, settings, search):
    server.post(60, created_at=None)
    server.post(61)
    summary = search()
    assert (summary.tweets, summary.refused) == (1, 1)
    (error,) = [json.loads(line) for line in summary.error_files[0].read_text().splitlines()]
    assert error["file"] == "GET /2/tweets/search/recent"
    assert error["reason"] == "data[0]: the tweet has no created_at"
    assert json.loads(error["raw"])["text"] == "sukuk sintetis"


def test_ids_from_before_seven_days_are_left_out_and_told(server, settings, search, spooled):
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


def test_a_journal_cut_off_in_a_line_goes_on_and_a_broken_one_is_refused(server, settings, search):
    server.post(60)
    search()
    (path,) = (settings.spool / "x").glob("journal-*.jsonl")
    with path.open("a") as file:
        file.write('{"request": "cut off')
    server.post(1)
    search()
    assert len(journal(settings)) == 4
    assert x.status(settings).usd == 0.03
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(LumbungError, match="the journal of what X cost is broken"):
        search()
    with pytest.raises(LumbungError, match="line 5"):
        x.status(settings)


def test_a_broken_state_is_refused(settings, search):
    state = settings.spool / "x" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"since_id": "kemarin"}')
    with pytest.raises(LumbungError, match=r"state\.json: the file is broken\. Delete it"):
        search()


def test_months_are_jakartas_and_apart(settings):
    before = datetime(2026, 11, 30, 16, 59, tzinfo=UTC)
    x_cost.Journal(settings, before).write("1", "search", 700)
    assert x.status(settings, now=before) == x.Status(None, False, "2026-11", 0.7, 50)
    assert x.status(settings, now=before + timedelta(minutes=1)).usd == 0
    assert x.status(settings, now=before + timedelta(minutes=1)).month == "2026-12"


def test_counts_cost_one_post(server, settings):
    for minute in range(1, 4):
        server.post(60 * minute)
    found = x.counts(settings)
    assert [(one.start.isoformat(), one.tweets) for one in found] == [
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


def test_the_spool_lies_in_the_home_unless_told():
    assert settings_module.load({"LUMBUNG_HOME": "/a"}).spool == Path("/a/spool")
    assert settings_module.load({"LUMBUNG_HOME": "/a", "LUMBUNG_SPOOL": "/b"}).spool == Path("/b")
