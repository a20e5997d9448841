"""The index step on a real Elasticsearch: it follows the published days; its faults leave the warehouse unharmed."""

import uuid
from datetime import date

import pytest

from lumbung.publish import SUPERSEDED
from lumbung.search import cluster as servers
from lumbung.search import index as search
from lumbung.search.cluster import UnavailableError
from tweet_house import tweet

FIRST, LATE = date(2026, 11, 21), date(2026, 11, 10)


@pytest.fixture
def house(make_tweet_house, elasticsearch):
    return make_tweet_house(
        search=elasticsearch.url,
        search_username=elasticsearch.username,
        search_password=elasticsearch.password,
        search_alias=f"t{uuid.uuid4().hex[:12]}",
    )


def counted(house):
    return search.count_by_day(servers.connect(house.settings))


def test_the_days_that_the_server_has_otherwise_are_indexed(house):
    house.give("a", tweet(1, "saham"), tweet(2, "sukuk", "2026-11-10T12:00"))
    assert house.take().index().rows_out == 2
    assert counted(house) == {FIRST: 1, LATE: 1}
    house.give("a", tweet(3, "sukuk", "2026-11-10T13:00"))
    older = house.run().up_to("version")
    house.give("a", tweet(4, "saham", "2026-11-21T13:00"))
    newer = house.run().up_to("publish")
    assert newer.index().note == "2 days indexed"
    assert counted(house) == {FIRST: 2, LATE: 2}
    assert older.index().note == SUPERSEDED
    assert newer.index().note == "0 days indexed"
    for month in search.months(servers.connect(house.settings)):
        servers.connect(house.settings).client.indices.delete(index=month.index)
    assert newer.index().note == "2 days indexed", "a server that lost all gets all"


def test_a_server_that_is_down_turns_the_step_red_and_nothing_else(house, monkeypatch):
    house.give("a", tweet(1, "saham"))
    run = house.take()
    connect = servers.connect
    with monkeypatch.context() as patch, pytest.raises(UnavailableError):
        down = house.settings.model_copy(update={"search": "http://127.0.0.1:9"})
        patch.setattr(servers, "connect", lambda _: connect(down, waits=()))
        run.index()
    assert house.rows("SELECT COUNT(*) AS n FROM {dwh.fact_tweet}") == [{"n": 1}]
    assert run.index().note == "1 days indexed"
