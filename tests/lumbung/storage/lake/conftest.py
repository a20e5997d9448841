"""One lake of each implementation."""

import pytest

from lumbung.storage.lake import FolderLake, bucket
from support import bucket_server
from support.bucket_server import ServedLake


@pytest.fixture
def folder_lake(tmp_path):
    return FolderLake(f"file://{tmp_path}/lake", tmp_path / "lake")


@pytest.fixture
def bucket_of_lake():
    """The server of `bucket_lake`."""
    with bucket_server.running() as server:
        yield server


@pytest.fixture
def bucket_lake(bucket_of_lake, monkeypatch):
    monkeypatch.setattr(bucket, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(bucket, "POLL_SECONDS", 0.02)
    return ServedLake("gs://granary/home", bucket_of_lake.url)


@pytest.fixture(params=["folder", "bucket"])
def lake(request):
    return request.getfixturevalue(f"{request.param}_lake")
