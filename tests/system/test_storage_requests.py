"""What a lake in a bucket sends to Cloud Storage, by Google's client, held against the API's discovery document.

The server is a fake, as Google's cannot be reached from here.
"""

import time

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import base, objects
from support import bucket_server
from support.bigquery_recorder import recording
from support.bucket_server import BUCKET, ServedLake
from support.discovery import api

# More than the client sends in one request.
BIG = b"x" * (9 * 1024 * 1024)


@pytest.fixture
def lake_and_record(monkeypatch):
    monkeypatch.setattr(objects, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(objects, "POLL_SECONDS", 0.02)
    with bucket_server.running() as server, recording(server.url) as (url, recorder):
        yield ServedLake(f"gs://{BUCKET}/home", url), recorder


def faults(recorder):
    return [
        fault
        for request in recorder.requests
        for fault in api("storage.v1").faults(request.method, request.path, request.query, request.body)
    ]


def test_all_that_a_lake_does_is_in_the_document(lake_and_record, tmp_path):
    lake, recorder = lake_and_record
    assert lake.read("a/b.json") is None
    lake.write("a/b.json", b"[1]")
    assert lake.create("a/c d+é.json", b"[2]")
    assert not lake.create("a/c d+é.json", b"[3]")
    (tmp_path / "part").write_bytes(BIG)
    lake.put(tmp_path / "part", "a/part")
    assert lake.read("a/b.json") == b"[1]"
    assert lake.names("a") == ["b.json", "c d+é.json", "part"]
    assert lake.names("") == ["a"]
    assert {file.path: file.bytes for file in lake.files("a")} == {"a/b.json": 3, "a/c d+é.json": 3, "a/part": len(BIG)}
    with lake.local("a/part") as file:
        assert file.read_bytes() == BIG
    lake.delete("a/part")
    lake.delete("a/part")
    with lake.lease("x"):
        time.sleep(0.3)
    with lake.lease("x"):
        pass
    assert faults(recorder) == []

    sent = {(request.method, request.path.split("/b/")[0]) for request in recorder.requests}
    assert sent == {
        ("GET", "/storage/v1"),
        ("GET", "/download/storage/v1"),
        ("POST", "/upload/storage/v1"),
        ("PUT", "/upload/storage/v1"),
        ("DELETE", "/storage/v1"),
    }
    conditions = {request.query.get("ifGenerationMatch") for request in recorder.requests if request.method == "POST"}
    assert {None, "0"} < conditions, "and the generation of a lease that is renewed"


def test_a_lease_that_another_holds_is_not_taken_over_the_wire(lake_and_record, monkeypatch):
    lake, recorder = lake_and_record
    monkeypatch.setattr(base, "LEASE_WAIT_SECONDS", 0)
    lake.write("leases/x.json", b'{"owner": "other", "expires": 9e9}')
    with pytest.raises(LumbungError, match="held the lease"), lake.lease("x"):
        pass
    assert faults(recorder) == []
