"""Releases that are switched to under load; files that are not whole are refused and the old model stays."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from lumbung.models import model_file
from lumbung.models.predict import Predictor
from lumbung.models.release import RELEASES
from lumbung.serving.api.served import RECENT, RETRY_SECONDS, Library
from lumbung.storage.lake import FolderLake
from support.model_api import COURSES, Server, Shelf, content

SWITCHES, REQUESTS, CLIENTS = 20, 2000, 4
BODY = {"ratings": [{"course_id": "course-1", "rating": 5}, {"course_id": "course-2", "rating": 1}], "limit": 5}


def test_2000_requests_across_20_switches(serve):
    server, shelf = serve(LUMBUNG_API_RATE="100000")
    models = [shelf.add(f"b-{number}", content(number)) for number in range(1, SWITCHES + 2)]
    expected = {}
    for number, model in enumerate(models, 1):
        predictor = Predictor(model_file.read(content(number), model.id))
        scored = predictor.recommend([("course-1", 5), ("course-2", 1)], limit=5).items
        expected[number] = [(predictor.courses[course], score) for course, score in scored]
    assert len({str(items) for items in expected.values()}) == SWITCHES + 1  # so that an answer tells its model
    shelf.release(models[0])
    server.wait_for(1)
    answered = threading.Semaphore(0)
    ended = threading.Event()

    def ask(_: int) -> list[requests.Response]:
        answers = []
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {server.key}"
            while not ended.is_set() or len(answers) < REQUESTS // CLIENTS:
                answers.append(session.post(f"{server.url}/v1/models/b-latest/recommend", json=BODY, timeout=30))
                answered.release()
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        futures = [pool.submit(ask, client) for client in range(CLIENTS)]
        try:
            for number in range(2, SWITCHES + 2):
                answered.acquire()
                shelf.release(*models[:number])
                server.wait_for(number)
        finally:
            ended.set()
        answers = [answer for future in futures for answer in future.result()]
    assert len(answers) >= REQUESTS
    assert {answer.status_code for answer in answers} == {200}
    generations = set()
    for answer in (answer.json() for answer in answers):
        generation = answer["generation"]
        generations.add(generation)
        assert answer["model"] == f"b-{generation}"
        assert [(item["course_id"], item["score"]) for item in answer["items"]] == expected[generation]
    assert generations == set(range(1, SWITCHES + 2))


@pytest.fixture
def served(serve):
    """A server of release 1 with the model b-1."""
    server, shelf = serve()
    first = shelf.add("b-1", content(1))
    shelf.release(first)
    server.wait_for(1)
    return server, shelf, first


def latest(server: Server) -> tuple[str, int]:
    answer = server.post("/v1/models/b-latest/recommend", BODY).json()
    return answer["model"], answer["generation"]


def refused(server: Server) -> int | None:
    return server.get("/readyz").json()["refused"]


@pytest.mark.parametrize("fault", ["half", "flipped", "missing", "other", "older"])
def test_a_file_that_is_not_whole_is_refused(served, fault: str):
    server, shelf, first = served
    second = shelf.add("b-2", content(2))
    whole = shelf.lake.read(second.file.path)
    if fault == "half":
        shelf.lake.write(second.file.path, whole[: len(whole) // 2])
    elif fault == "flipped":
        shelf.lake.write(second.file.path, bytes([*whole[:-100], whole[-100] ^ 1, *whole[-99:]]))
    elif fault == "missing":
        shelf.lake.delete(second.file.path)
    elif fault == "other":
        second = shelf.add("b-2", content(2), instead=b"no model")
    if fault == "older":  # a new file of a model that is not the latest one
        third = shelf.add("b-3", content(3))
        shelf.lake.delete(second.file.path)
        shelf.release(first, second, third)
    else:
        shelf.release(first, second)
    server.until(lambda: refused(server) == 2)
    assert latest(server) == ("b-1", 1)
    assert server.get("/v1/models/b-2").status_code == 404
    assert second.file.path in server.log.read_text()
    assert server.log.read_text().count("is refused") == 1
    assert "lumbung_api_refused_release 2" in server.get("/metrics").text
    assert second.file.path not in server.get("/readyz").text
    # The next release whose files are whole is taken.
    shelf.release(first, shelf.add("b-4", content(4)))
    server.wait_for(3)
    assert latest(server) == ("b-4", 3)
    assert refused(server) is None


@pytest.mark.parametrize("file", [None, b"no model"])
def test_the_log_says_what_to_delete_as_well(tmp_path: Path, caplog: pytest.LogCaptureFixture, file: bytes | None):
    """The .json beside a file says that the model is trained: while it is there, it is not trained again."""
    shelf = Shelf(FolderLake(tmp_path.as_uri(), tmp_path))
    model = shelf.add("b-1", content(1))
    shelf.release(model)
    shelf.lake.delete(model.file.path)
    if file:
        shelf.lake.write(model.file.path, file)
    Library(shelf.lake).refresh()
    assert "the .json beside it" in caplog.text


def test_a_refused_release_is_tried_again(tmp_path: Path):
    shelf, now = Shelf(FolderLake(tmp_path.as_uri(), tmp_path)), [0.0]
    first = shelf.add("b-1", content(1))
    shelf.release(first)
    second = shelf.add("b-2", content(2))
    whole = shelf.lake.read(second.file.path)
    shelf.lake.write(second.file.path, whole[:100])
    shelf.release(first, second)
    library = Library(shelf.lake, clock=lambda: now[0])
    library.refresh()
    # At a start the newest release that is whole is served.
    assert (library.generation, library.refused) == (1, 2)
    shelf.lake.write(second.file.path, whole)
    library.refresh()
    assert library.generation == 1  # not at each look
    now[0] += RETRY_SECONDS
    library.refresh()
    assert (library.generation, library.refused) == (2, None)


def test_a_manifest_that_cannot_be_read(served):
    server, shelf, first = served
    shelf.lake.write(f"{RELEASES}/manifest-000002.json", b'{"generation": 2')
    server.until(lambda: "what is served stays" in server.log.read_text())
    assert latest(server) == ("b-1", 1)
    shelf.lake.delete(f"{RELEASES}/manifest-000002.json")
    shelf.release(first)
    server.wait_for(2)


def test_unchanged_files_are_not_read_again(served):
    server, shelf, first = served
    shelf.lake.delete(first.file.path)
    shelf.release(first, shelf.add("a-1", content(2)))
    server.wait_for(2)
    assert latest(server) == ("b-1", 2)


def test_rollback_and_prune(served):
    server, shelf, first = served
    second = shelf.add("b-2", content(2))
    shelf.release(first, second)
    server.wait_for(2)
    shelf.release(first, second, latest={"b": "b-1"}, rolled_back=[second.key])
    server.wait_for(3)
    assert latest(server) == ("b-1", 3)
    assert server.post("/v1/models/b-2/recommend", BODY).json()["model"] == "b-2"
    shelf.lake.delete(second.file.path)
    shelf.release(first, second.model_copy(update={"pruned": True}), latest={"b": "b-1"})
    server.wait_for(4)
    assert server.post("/v1/models/b-2/recommend", BODY).status_code == 410


def test_other_models_are_read_when_they_are_asked_for(served):
    server, shelf, first = served
    others = [shelf.add(f"b-{number}", content(number)) for number in range(2, RECENT + 4)]
    shelf.release(first, *others, latest={"b": "b-1"})
    server.wait_for(2)

    def loaded() -> int:
        lines = server.get("/metrics").text.splitlines()
        return int(next(line for line in lines if line.startswith("lumbung_api_loaded_models ")).split()[1])

    assert loaded() == 1
    with ThreadPoolExecutor(8) as pool:
        paths = [f"{server.url}/v1/models/{model.id}/recommend" for model in others for _ in range(4)]
        headers = {"Authorization": f"Bearer {server.key}"}
        answers = list(pool.map(lambda path: requests.post(path, json=BODY, headers=headers, timeout=30), paths))
    assert [answer.json()["model"] for answer in answers] == [model.id for model in others for _ in range(4)]
    assert loaded() == RECENT + 1
    # One whose file has gone meanwhile: the others answer.
    shelf.lake.delete(others[0].file.path)
    assert server.post("/v1/models/b-2/recommend", BODY).status_code == 503
    assert server.post("/v1/models/b-3/recommend", BODY).status_code == 200


def test_titles_are_those_of_the_release(served):
    server, shelf, first = served

    def titles() -> set[str | None]:
        return {item["title"] for item in server.post("/v1/models/b-1/recommend", BODY).json()["items"]}

    shelf.release(first, titles=json.dumps(dict.fromkeys(COURSES, "Judul baru")).encode())
    server.wait_for(2)
    assert titles() == {"Judul baru"}
    for number, wrong in enumerate((b'{"course-1": "Jud', b"[]", b'{"course-1": 1}'), 3):
        shelf.release(first, titles=wrong)
        server.until(lambda expected=number: refused(server) == expected)
    assert titles() == {"Judul baru"}
    shelf.release(first, titles=b"{}")
    server.wait_for(6)
    assert titles() == {None}
