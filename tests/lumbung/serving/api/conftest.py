"""A server that all tests of the API share, with models of both schemes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lumbung.storage.lake import FolderLake
from support.model_api import Server, Shelf, content, metric


def shelf_in(home: Path) -> Shelf:
    return Shelf(FolderLake((home / "lake").as_uri(), home / "lake"))


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Release 1: a-1 pruned, a-2 recommends only, a-3 loses to popularity, b-2 is the latest as b-3 was rolled back."""
    home = tmp_path_factory.mktemp("api")
    shelf = shelf_in(home)
    measured = {"recall_at_20": metric(0.22), "rating_rmse": metric(0.9)}
    shelf.release(
        shelf.add("a-1", content(1), pruned=True, metrics={"recall_at_20": metric(0.25), "rating_rmse": metric(0.8)}),
        shelf.add("a-2", content(2, "strength")),
        shelf.add("a-3", content(3), basis="popularity"),
        shelf.add("b-1", content(4), metrics=measured),
        shelf.add("b-2", content(5), metrics={"recall_at_20": metric(0.3, batch=3)}),
        shelf.add("b-3", content(6)),
        latest={"a": "a-3", "b": "b-2"},
    )
    server = Server(home)
    server.wait_for(1)
    yield server
    server.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[object]:
    """Start a server of this test; gives it and the shelf of its lake."""
    started = []

    def start(**environ: str) -> tuple[Server, Shelf]:
        server = Server(tmp_path / "home", **environ)
        started.append(server)
        return server, shelf_in(tmp_path / "home")

    yield start
    for server in started:
        server.close()
