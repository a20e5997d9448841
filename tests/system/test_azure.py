"""Whole runs with the lake in a container of Azurite: nothing of it lies in the home."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from datetime import date

import pytest

from lumbung.pipeline.prune import prune
from lumbung.storage.lake import FolderLake, open_lake
from lumbung.systems import registry
from support import azurite_server
from support.azurite_server import ACCOUNT
from support.http_proxy import Proxy
from support.tweet_harness import tweet

DAY, NEXT, LAST = (date(2026, 11, number) for number in (21, 22, 23))
Make = Callable[..., "Home"]  # noqa: F821 - conftest.py


@pytest.fixture(scope="module")
def home(make_home: Make, azurite):
    """A home whose lake is in Azurite, after a run on the smallest sources."""
    container = azurite.container()
    home = make_home(
        environ={
            "LUMBUNG_LAKE_URI": f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net/home",
            "LUMBUNG_AZURE_CONNECTION_STRING": azurite_server.connection_string(azurite.url),
        }
    )
    home.container = container
    home.printed = home.run("run", "--day", f"{DAY}")
    return home


def test_a_run_ends_with_answers_and_all_that_it_kept_is_on_azure(home, azurite):
    assert "failed" not in home.printed
    assert f"Published: {DAY}" in home.printed
    with home.warehouse():
        assert home.json("answers", "--json")["day"] == f"{DAY}"
        assert home.query("SELECT COUNT(*) AS n FROM dwh.dim_student") == [{"n": 3}]
    lake = open_lake(azurite_server.settings(azurite.url, home.container))
    assert {"course_enrollment", "student"} < set(lake.names("raw/pinter_skuy"))
    assert not (home.folder / "lake").exists()
    assert home.processes() == []


def test_the_doctor_writes_to_it(home):
    (lake,) = (finding for finding in json.loads(home.call("doctor", "--json").stdout) if finding["name"] == "lake")
    assert lake["ok"], lake
    assert lake["found"].endswith("/home is written, listed and read")


def in_azurite(make, url, container):
    values = azurite_server.settings(url, container)
    return make(lake_uri=values.lake_uri, azure_connection_string=values.azure.connection_string)


def test_tweets_are_cleaned_and_loaded_from_it_as_from_a_folder(make_tweet_harness, azurite):
    harnesses = [make_tweet_harness(), in_azurite(make_tweet_harness, azurite.url, azurite.container())]
    for harness in harnesses:
        harness.give("a", *(tweet(number, f"saham dan sukuk {number}") for number in range(1, 6)))
        harness.take()
    in_folder, on_azure = (harness.contents() for harness in harnesses)
    assert isinstance(harnesses[0].lake, FolderLake)
    assert on_azure == in_folder
    assert any("saham" in row for rows in on_azure.values() for row in rows)


@pytest.fixture
def billed(make_harness, azurite):
    """A harness whose lake is in Azurite behind a proxy, and how often it was asked what since this was called last."""
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(azurite.url))
        harness = make_harness()
        values = azurite_server.settings(proxy.url, azurite.container())
        harness.settings = harness.settings.replace(
            lake_uri=values.lake_uri, azure_connection_string=values.azure.connection_string
        )
        harness.lake = open_lake(harness.settings)

        def counted():
            counts = Counter(
                "list"
                if "comp=list" in request.path
                else "write"
                if request.method == "PUT"
                else request.method.lower()
                for request in proxy.requests
            )
            proxy.requests.clear()
            return counts

        yield harness, counted


def test_a_run_costs_as_many_requests_however_many_days_there_are_and_prune_deletes_them(billed):
    """Azure bills writes and lists alike, ten times as much as reads."""
    harness, counted = billed
    harness.take(DAY)  # no day before it is published, so there is less to read
    counted()
    second = (harness.take(NEXT), counted())[1]
    third = (harness.take(LAST), counted())[1]
    assert second == third
    assert second["write"] + second["list"] <= 130
    assert second["get"] <= 120
    pruned = prune(harness.settings, harness.warehouse, registry.all_systems(), keep=1)
    assert pruned.days["pinter_skuy"] == [DAY, NEXT]
    assert harness.lake.names("raw/pinter_skuy/student") == [f"dt={LAST}"]
    assert counted()["delete"] >= pruned.files > 0
