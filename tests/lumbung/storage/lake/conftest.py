"""One lake of each implementation."""

import pytest

from lumbung.storage.lake import BucketLake, FolderLake, bucket
from support.lakes import PROCESSES, FakeBucket, StoreManager


@pytest.fixture
def folder_lake(tmp_path):
    return FolderLake(f"file://{tmp_path}/lake", tmp_path / "lake")


@pytest.fixture(scope="session")
def stores():
    with StoreManager(ctx=PROCESSES) as manager:
        yield manager


@pytest.fixture
def bucket_lake(stores, monkeypatch):
    monkeypatch.setattr(bucket, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(bucket, "POLL_SECONDS", 0.02)
    return BucketLake("gs://granary/home", FakeBucket(stores.ObjectStore()))


@pytest.fixture(params=["folder", "bucket"])
def lake(request):
    return request.getfixturevalue(f"{request.param}_lake")
