"""OpenLineage's receiver: one that takes events, one that hangs, one that is not there."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.transport import get_default_factory

from lumbung.core.errors import LumbungError
from lumbung_airflow import receiver
from support.hook import posts

EVENT = RunEvent(
    eventType=RunState.START,
    eventTime=datetime.now(UTC).isoformat(),
    run=Run("01a228fb-22c8-70ae-b4f0-ab6c47a8331e"),
    job=Job("lumbung", "a"),
    producer="https://example.com",
)


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(receiver, "AWAY", tmp_path / "away")
    monkeypatch.setattr(receiver, "SECONDS", 0.2)
    return tmp_path / "away"


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and says nothing; its `accept` does not wait."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def made(monkeypatch: pytest.MonkeyPatch, url: str, **variables: str) -> receiver.Receiver:
    """The transport, as OpenLineage's client makes it from Airflow's settings."""
    for name, value in {"OPENLINEAGE_URL": url, **variables}.items():
        monkeypatch.setenv(name, value)
    transport = get_default_factory().create({"type": "lumbung_airflow.receiver.Receiver"})
    assert isinstance(transport, receiver.Receiver)
    return transport


def address(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_events_are_sent_to_the_receiver_of_the_environment(monkeypatch, away) -> None:
    with posts() as (url, received):
        transport = made(monkeypatch, url.removesuffix("/hook"), OPENLINEAGE_API_KEY="key-1")
        for _ in range(2):
            transport.emit(EVENT)
        assert [event["job"]["name"] for event in received] == ["a", "a"]
        assert transport.config.auth.get_bearer() == "Bearer key-1"
    assert not away.exists()


def test_one_that_hangs_is_asked_once_a_minute_by_all_tasks(monkeypatch, silent, away) -> None:
    with pytest.raises(requests.ConnectionError):
        made(monkeypatch, address(silent)).emit(EVENT)
    silent.accept()[0].close()
    for _ in range(3):  # each of a new process
        with pytest.raises(
            LumbungError, match=r"OPENLINEAGE_URL: http.* did not answer at ..:..:.. WIB; .* See that it runs"
        ):
            made(monkeypatch, address(silent)).emit(EVENT)
    with pytest.raises(BlockingIOError):
        silent.accept()
    os.utime(away, times=(time.time() - 61,) * 2)
    with pytest.raises(requests.ConnectionError):
        made(monkeypatch, address(silent)).emit(EVENT)
    silent.accept()[0].close()


def test_one_that_is_not_there_is_asked_once_a_minute(monkeypatch, away) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = address(closed)
    with pytest.raises(requests.ConnectionError):
        made(monkeypatch, url).emit(EVENT)
    with pytest.raises(LumbungError, match="did not answer"):
        made(monkeypatch, url).emit(EVENT)


def test_one_that_is_busy_is_asked_again_after_a_minute(monkeypatch, away) -> None:
    asked = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(503)
            self.send_header("Retry-After", "600")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        transport = made(monkeypatch, f"http://127.0.0.1:{server.server_port}", OPENLINEAGE_ENDPOINT="other/lineage")
        with pytest.raises(requests.exceptions.RetryError):
            transport.emit(EVENT)
        with pytest.raises(LumbungError, match="did not answer"):
            transport.emit(EVENT)
        server.shutdown()
    assert asked == ["/other/lineage"] * 2


def test_one_that_is_back_takes_events_again(monkeypatch, away) -> None:
    away.touch()
    os.utime(away, times=(time.time() - 61,) * 2)
    with posts() as (url, received):
        made(monkeypatch, url.removesuffix("/hook")).emit(EVENT)
    assert len(received) == 1
