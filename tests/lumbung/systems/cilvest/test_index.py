"""The index step on a real Elasticsearch: it follows the published days; its faults leave the warehouse unharmed."""

import uuid
from datetime import date

import pytest
from typer.testing import CliRunner

from lumbung.cli.tweets import app
from lumbung.core.errors import LumbungError
from lumbung.core.settings import variable
from lumbung.pipeline.publish import SUPERSEDED
from lumbung.search import cluster as servers
from lumbung.search import index as search
from lumbung.search.cluster import UnavailableError
from support.tweet_harness import tweet

FIRST, LATE = date(2026, 11, 21), date(2026, 11, 10)


@pytest.fixture
def harness(make_tweet_harness, elasticsearch):
    return make_tweet_harness(
        search=elasticsearch.url,
        search_username=elasticsearch.username,
        search_password=elasticsearch.password,
        search_alias=f"t{uuid.uuid4().hex[:12]}",
    )


def counted(harness):
    return search.count_by_day(servers.connect(harness.settings))


def test_the_days_that_the_server_has_otherwise_are_indexed(harness):
    harness.give("a", tweet(1, "saham"), tweet(2, "sukuk", "2026-11-10T12:00"))
    assert harness.take().index().rows_out == 2
    assert counted(harness) == {FIRST: 1, LATE: 1}
    harness.give("a", tweet(3, "sukuk", "2026-11-10T13:00"))
    older = harness.run().up_to("version")
    harness.give("a", tweet(4, "saham", "2026-11-21T13:00"))
    newer = harness.run().up_to("publish")
    assert newer.index().note == "2 days indexed"
    assert counted(harness) == {FIRST: 2, LATE: 2}
    assert older.index().note == SUPERSEDED
    assert newer.index().note == "0 days indexed"
    for month in search.months(servers.connect(harness.settings)):
        servers.connect(harness.settings).client.indices.delete(index=month.index)
    assert newer.index().note == "2 days indexed", "a server that lost all gets all"


def test_a_server_that_is_down_turns_the_step_red_and_nothing_else(harness, monkeypatch):
    harness.give("a", tweet(1, "saham"))
    run = harness.take()
    connect = servers.connect
    with monkeypatch.context() as patch, pytest.raises(UnavailableError):
        down = harness.settings.replace(search="http://127.0.0.1:9")
        patch.setattr(servers, "connect", lambda _: connect(down, waits=()))
        run.index()
    assert harness.rows("SELECT COUNT(*) AS n FROM {dwh.fact_tweet}") == [{"n": 1}]
    assert run.index().note == "1 days indexed"


@pytest.fixture
def command(harness, monkeypatch):
    """A command of `lumbung tweets` on the harness's lake and server; gives what it says, on one line."""
    settings = harness.settings
    for name in ("home", "search", "search_username", "search_alias"):
        monkeypatch.setenv(variable(name), f"{settings.value(name)}")
    monkeypatch.setenv(variable("search_password"), settings.search.password.get_secret_value())

    def call(*arguments):
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return " ".join(done.stdout.split())

    return call


def test_a_new_mapping_is_filled_used_and_the_old_one_dropped_by_commands(harness, command, monkeypatch):
    harness.give("a", tweet(1, "saham"), tweet(2, "sukuk", "2026-11-10T12:00"))
    harness.take().index()
    assert "Readers" in command("move-alias", "--version", "1")
    monkeypatch.setattr(search, "MAPPING_VERSION", 2)
    cluster = servers.connect(harness.settings)
    output = command("reindex")
    assert f"{LATE} 1 0 0" in output.replace("│", "")
    assert {month.version for month in search.months(cluster) if month.live} == {1}, "readers stay"
    assert search.count_by_day(cluster, 2) == {FIRST: 1, LATE: 1}
    with pytest.raises(LumbungError, match="readers use mapping version 1"):
        command("drop-version", "1")
    assert "use mapping version 2; before: 1" in command("move-alias")
    alias = harness.settings.search.alias
    assert "Would delete: " in command("drop-version", "1", "--dry-run")
    assert command("drop-version", "1") == f"Deleted: {alias}-2026-11-v1"
    assert {month.version for month in search.months(cluster)} == {2}
    assert command("prune", "--keep", "1") == "Deleted: nothing"


def test_without_a_kibana_the_import_names_the_setting(command):
    with pytest.raises(LumbungError, match="LUMBUNG_KIBANA"):
        command("import-kibana")
