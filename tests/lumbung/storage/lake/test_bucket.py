"""What is a bucket's own: the console's folders, and leases that expire."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import BucketLake, base, bucket
from support.lakes import FakeBucket, ObjectStore

OTHER_LEASE = b'{"owner": "other", "expires": 9e9}'


@pytest.fixture
def lake(bucket_lake):
    return bucket_lake


def test_a_prefix_is_optional():
    lake = BucketLake("gs://granary", FakeBucket(ObjectStore()))
    lake.write("a/b", b"1")
    assert (lake.names("a"), lake.read("a/b"), lake.address("a/b")) == (["b"], b"1", "gs://granary/a/b")
    assert [file.path for file in lake.files("a")] == ["a/b"]


def test_the_placeholder_of_a_folder_is_not_a_name(lake):
    lake.write("version/shop/", b"")  # what the console's "create folder" makes
    lake.write("version/shop/dt=2026-11-10/x", b"")
    assert lake.names("version/shop") == ["dt=2026-11-10"]


def expiring_lease(lake, *, seconds):
    """The lease of a killed process."""
    content = json.dumps({"owner": "gone", "expires": time.time() + seconds}).encode()
    lake.write("leases/x.json", content)


def test_a_lease_is_taken_over_once_it_has_expired(lake):
    expiring_lease(lake, seconds=0.3)
    began = time.monotonic()
    with lake.lease("x"):
        assert time.monotonic() - began > 0.25
    assert lake.read("leases/x.json") is None


def test_of_two_that_take_over_a_lease_one_wins(lake):
    for _ in range(20):
        expiring_lease(lake, seconds=-1)
        barrier = threading.Barrier(2)

        def contend(number, barrier=barrier):
            barrier.wait()
            content = json.dumps({"owner": number, "expires": time.time() + 60}).encode()
            return lake._acquire("leases/x.json", content)

        with ThreadPoolExecutor(2) as pool:
            generations = list(pool.map(contend, range(2)))
        assert sum(generation is not None for generation in generations) == 1
        winner = next(number for number, generation in enumerate(generations) if generation is not None)
        assert lake.read_json("leases/x.json")["owner"] == winner


def test_a_lease_is_renewed_while_it_is_held(lake, monkeypatch):
    with lake.lease("x"):
        time.sleep(3 * bucket.LEASE_SECONDS)
        monkeypatch.setattr(base, "LEASE_WAIT_SECONDS", 0)
        with pytest.raises(LumbungError, match="another run has held"), lake.lease("x"):
            pass
    assert lake.read("leases/x.json") is None


def test_a_lease_outlives_a_short_outage(lake):
    with lake.lease("x"):
        lake.bucket.broken = True
        time.sleep(bucket.LEASE_SECONDS / 2)
        lake.bucket.broken = False
        time.sleep(bucket.LEASE_SECONDS)
        assert lake.read_json("leases/x.json")["expires"] > time.time()


def test_a_lost_lease_is_an_error(lake):
    """A process that slept for longer than the lease must not end well: another may have done the same work since."""
    with pytest.raises(LumbungError, match=r"leases/x: the lease was lost.*[Rr]un the day again"), lake.lease("x"):
        lake.write("leases/x.json", OTHER_LEASE)
        time.sleep(bucket.LEASE_SECONDS / 2)
    assert lake.read_json("leases/x.json")["owner"] == "other"
    # The work's own error comes first.
    lake.delete("leases/x.json")
    with pytest.raises(ValueError, match="oops"), lake.lease("x"):
        lake.write("leases/x.json", OTHER_LEASE)
        time.sleep(bucket.LEASE_SECONDS / 2)
        raise ValueError("oops")
