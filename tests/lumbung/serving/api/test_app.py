"""The application itself: what a fault of its own looks like from outside."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from lumbung.models.predict import Predictor
from lumbung.serving.api.app import Application
from lumbung.serving.api.keys import Keys, digest
from lumbung.serving.api.served import Library
from lumbung.storage.lake import FolderLake
from support.model_api import KEY, Shelf, content


def ask(application: Application, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Post a body without a server; gives the status and the answer."""
    sent: list[dict[str, Any]] = []
    headers = [(b"authorization", f"Bearer {KEY}".encode())]
    scope = {"type": "http", "method": "POST", "raw_path": path.encode(), "query_string": b"", "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.fixture
def application(tmp_path: Path) -> Application:
    shelf = Shelf(FolderLake(tmp_path.as_uri(), tmp_path))
    shelf.release(shelf.add("b-1", content(1)))
    library = Library(shelf.lake)
    library.refresh()
    return Application(library, Keys([digest(KEY.encode())]), rate=100, poll_seconds=1)


def test_a_fault_of_the_server_tells_nothing(
    application: Application, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    assert ask(application, "/v1/models/b-1/similar", b'{"course_id": "course-1"}')[0] == 200
    monkeypatch.setattr(Predictor, "similar", fail)
    status, problem = ask(application, "/v1/models/b-1/similar", b'{"course_id": "course-1"}')
    assert (status, problem["type"]) == (500, "urn:lumbung:problem:internal")
    assert "secret" not in str(problem)
    assert "RuntimeError" not in str(problem)
    # The log has it, without what was sent.
    assert "a secret of the inside" in caplog.text
    assert "/v1/models/{id}/similar" in caplog.text
    assert "course-1" not in caplog.text
    assert KEY not in caplog.text


def test_a_lake_that_cannot_be_read_stops_nothing(
    application: Application, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(FolderLake, "names", fail)
    for _ in range(3):
        asyncio.run(application._look())
    assert [record.getMessage() for record in caplog.records] == ["the lake cannot be read, what is served stays"]
    assert ask(application, "/v1/models/b-1/similar", b'{"course_id": "course-1"}')[0] == 200
    monkeypatch.undo()
    asyncio.run(application._look())
    assert len(caplog.records) == 1
