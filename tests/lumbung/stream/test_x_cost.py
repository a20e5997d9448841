"""What X costs: written down before each request, apart for each month."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumbung.core.errors import LumbungError, SourceUnavailableError
from lumbung.core.settings import Settings
from lumbung.stream import x, x_cost
from support.x_server import Fault


def journal(settings: Settings) -> list[dict[str, Any]]:
    (path,) = (settings.spool / "x").glob("journal-*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_request_without_an_answer_keeps_its_worst_cost(server, settings, search):
    server.post(60)
    server.faults = [Fault(200, None)]
    with pytest.raises(SourceUnavailableError, match="X does not answer"):
        search()
    assert len(server.requests) == 1, "it may have been billed, so it is not sent again"
    assert x.status(settings).usd == 1.5
    search()
    assert x.status(settings).usd == pytest.approx(1.515)


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


def test_months_are_jakartas_and_apart(settings):
    before = datetime(2026, 11, 30, 16, 59, tzinfo=UTC)
    x_cost.Journal(settings, before).write("1", "search", 700)
    assert x.status(settings, now=before) == x.Status(None, False, "2026-11", 0.7, 50)
    assert x.status(settings, now=before + timedelta(minutes=1)).usd == 0
    assert x.status(settings, now=before + timedelta(minutes=1)).month == "2026-12"
