"""The client against a stand-in for X: waits where waiting helps, and says clearly why X refuses."""

import time

import pytest

from lumbung.core.errors import SettingError, SourceError, SourceUnavailableError
from lumbung.stream import x
from lumbung.stream.collect import collect
from support import x_server
from support.x_server import Fault

DAY = 86_400


def test_pages_shrink_to_what_the_cap_leaves(server, search):
    for minute in range(1, 41):
        server.post(60 * minute)
    search(x_max_usd=0.4)
    assert [request["max_results"] for request in server.requests] == ["26", "16"]
    assert server.mills <= 400


def test_a_server_that_was_not_reached_costs_nothing(settings, search):
    changed = {"x_url": "http://127.0.0.1:9"}
    with pytest.raises(SourceUnavailableError, match="X does not answer"):
        search(**changed)
    assert x.status(settings).usd == 0
    assert search.waits == [2, 4]


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


def test_a_refused_token_is_reported_and_never_shown(server, settings, make_settings):
    secret = "BBBB-rahasia"
    wrong = make_settings(x_url=server.url, x_bearer_token=secret)
    with pytest.raises(SettingError, match="LUMBUNG_X_BEARER_TOKEN: X refuses the bearer token") as refused:
        collect(wrong, x.Search(wrong))
    assert secret not in f"{refused.value!r} {refused.value} {wrong!r}"
    assert all(secret not in path.read_text() for path in wrong.spool.rglob("*") if path.is_file())
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
