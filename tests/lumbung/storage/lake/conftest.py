"""One lake of each implementation."""

import pytest

from lumbung.storage.lake import FolderLake, objects
from support import bucket_server
from support.azurite_server import ServedAzureLake
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
def quick_leases(monkeypatch):
    monkeypatch.setattr(objects, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(objects, "POLL_SECONDS", 0.02)


@pytest.fixture
def bucket_lake(bucket_of_lake, quick_leases):
    return ServedLake("gs://granary/home", bucket_of_lake.url)


@pytest.fixture
def azure_lake(azurite, quick_leases):
    return ServedAzureLake(f"az://{azurite.container()}/home", azurite.url)


@pytest.fixture(params=["folder", "bucket", "azure"])
def lake(request):
    return request.getfixturevalue(f"{request.param}_lake")
