"""OpenLineage's events of a run, as a receiver gets them."""

import contextlib
import importlib
import pkgutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from openlineage.client import generated
from openlineage.client.generated.base import BaseFacet, RunEvent

from support.hook import posts

Event = dict[str, Any]


@pytest.fixture(scope="module")
def events(make_home) -> list[Event]:
    home = make_home()
    with posts() as (url, received):
        home.run("run", OPENLINEAGE_URL=url.removesuffix("/hook"))
    return received


@pytest.fixture
def silent() -> Iterator[tuple[str, list[socket.socket]]]:
    """A receiver that takes connections and says nothing: its address, and the connections that came."""
    taken: list[socket.socket] = []

    def take() -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                taken.append(server.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", taken
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in taken:
        connection.close()


def test_a_receiver_that_hangs_is_asked_once_a_minute_and_not_by_each_task(make_home, silent) -> None:
    url, taken = silent
    home, began = make_home(), time.monotonic()
    home.run("run", OPENLINEAGE_URL=url)
    minutes = (time.monotonic() - began) / 60
    assert 1 <= len(taken) <= 1 + minutes, "of more than 60 events"
    (log,) = (home.folder / "logs").glob("run-*.log")
    assert f"OPENLINEAGE_URL: {url} did not answer at" in log.read_text()


def complete(events: list[Event], task: str) -> Event:
    (event,) = (e for e in events if (e["job"]["name"], e["eventType"]) == (f"enrollment.{task}", "COMPLETE"))
    return event


def kinds(kind: type) -> Iterator[type]:
    for inner in kind.__subclasses__():
        yield inner
        yield from kinds(inner)


def facets(event: Event) -> Iterator[Event]:
    holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for holder in holders:
        for name in ("facets", "inputFacets", "outputFacets"):
            yield from holder.get(name, {}).values()


def test_every_event_is_of_the_schema(events) -> None:
    """OpenLineage's own client has a class for each of its JSON schemas, made from them."""
    for module in pkgutil.iter_modules(generated.__path__):
        importlib.import_module(f"{generated.__name__}.{module.name}")
    classes = {kind._get_schema(): kind for kind in kinds(BaseFacet)}
    for event in events:
        msgspec.convert(event, RunEvent)
        for facet in facets(event):
            msgspec.convert(facet, classes[facet["_schemaURL"]])
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**events[0], "run": {"runId": 3}}, RunEvent)


def test_a_build_names_its_tables_columns_and_query(events) -> None:
    event = complete(events, "build.datamart.top_mentor")
    assert event["job"]["namespace"] == "lumbung"
    assert [(table["namespace"], table["name"]) for table in event["inputs"]] == [
        ("bigquery", "local.dwh.dim_mentor"),
        ("bigquery", "local.dwh.fact_course_enrollment"),
    ]
    (output,) = event["outputs"]
    assert output["name"] == "local.datamart.top_mentor"
    columns = output["facets"]["columnLineage"]["fields"]
    (origin,) = columns["mentor_name"]["inputFields"]
    assert (origin["name"], origin["field"]) == ("local.dwh.dim_mentor", "mentor_name")
    assert origin["transformations"][0]["subtype"] == "IDENTITY"
    assert output["facets"]["schema"]["fields"][0]["name"] == "rank"
    assert "RANK() OVER" in event["job"]["facets"]["sql"]["query"]


def test_a_load_reads_the_lake_and_a_publish_counts_rows(events) -> None:
    load = complete(events, "load.student")
    assert [table["name"].rpartition("/lake/")[2] for table in load["inputs"]] == ["raw/pinter_skuy/student"]
    assert [table["name"] for table in load["outputs"]] == ["local.staging.student"]
    published = {
        table["name"]: table["outputFacets"]["outputStatistics"]["rowCount"]
        for table in complete(events, "publish")["outputs"]
    }
    assert published["local.dwh.dim_student"] == load["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] > 0
