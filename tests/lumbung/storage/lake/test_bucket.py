"""What is a bucket's own: the console's folders, and leases that expire."""

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import base, bucket
from support.bucket_server import PAGE, ServedLake
from support.http_proxy import Proxy

OTHER_LEASE = b'{"owner": "other", "expires": 9e9}'


@pytest.fixture
def lake(bucket_lake):
    return bucket_lake


def test_a_prefix_is_optional(bucket_of_lake):
    lake = ServedLake("gs://granary", bucket_of_lake.url)
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
            return lake._acquire("leases/x.json", number)

        with ThreadPoolExecutor(2) as pool:
            generations = list(pool.map(contend, "ab"))
        assert sum(generation is not None for generation in generations) == 1
        winner = next(name for name, generation in zip("ab", generations, strict=True) if generation is not None)
        assert lake.read_json("leases/x.json")["owner"] == winner


def test_a_lease_is_renewed_while_it_is_held(lake, monkeypatch):
    with lake.lease("x"):
        time.sleep(3 * bucket.LEASE_SECONDS)
        monkeypatch.setattr(base, "LEASE_WAIT_SECONDS", 0)
        with pytest.raises(LumbungError, match="another run has held"), lake.lease("x"):
            pass
    assert lake.read("leases/x.json") is None


def test_a_lease_outlives_a_short_outage(lake, bucket_of_lake, monkeypatch):
    monkeypatch.setattr(bucket, "LEASE_SECONDS", 3.0)
    with lake.lease("x"):
        bucket_of_lake.broken = True
        time.sleep(bucket.LEASE_SECONDS / 2)
        bucket_of_lake.broken = False
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


def test_a_file_that_is_not_there_costs_one_request(lake, bucket_of_lake):
    lake.write("a", b"1")
    bucket_of_lake.requests.clear()
    for number in range(3):
        assert lake.read(f"b{number}") is None
    time.sleep(0.2)  # for requests of other threads
    assert len(bucket_of_lake.requests) == 3


def test_a_long_list_comes_whole_and_in_pages_from_its_start(lake, bucket_of_lake):
    names = [f"{number:020}.json" for number in range(2 * PAGE + 5)]
    one = ServedLake(lake.uri, lake.url)
    one.write("chain/x/y", b"1")
    (stored,) = bucket_of_lake.objects.values()
    bucket_of_lake.objects.update({f"home/chain/{name}": stored for name in names})
    for start, pages in ((0, 3), (PAGE, 2), (len(names) - 5, 1)):
        bucket_of_lake.requests.clear()
        assert lake.names("chain", names[start]) == [*names[start:], "x"]
        assert len([path for _, path in bucket_of_lake.requests if "/o?" in path]) == pages


class Lossy(Proxy):
    """Loses the first answer to each request of some kind, which the server has carried out."""

    def __init__(self, target, method, path):
        super().__init__(target)
        self.lost = []
        self.loses = lambda request: bool(
            request.method == method
            and re.search(path, request.path)
            and not any(request.body == other.body and request.path == other.path for other in self.lost)
            and not self.lost.append(request)
        )


@pytest.fixture
def lossy(lake, monkeypatch):
    """A lake whose first answers to some requests get lost; the client repeats such requests after a second at most."""
    monkeypatch.setattr(bucket, "LEASE_SECONDS", 12.0)

    def make(method, path="generation|Generation"):
        proxy = Lossy(lake.url, method, path)
        proxies.append(proxy.__enter__())
        return ServedLake(lake.uri, proxy.url), proxy

    proxies = []
    yield make
    for proxy in proxies:
        proxy.__exit__()


def test_a_file_whose_answer_was_lost_is_created_by_its_writer(lake, lossy):
    one, proxy = lossy("POST")
    assert one.create("a", b"1")
    assert lake.read("a") == b"1"
    assert len(proxy.lost) == 1
    assert not one.create("a", b"1"), "the same content, by another"
    assert not lake.create("a", b"1")


def test_a_lease_whose_answers_were_lost_is_taken_renewed_and_released(lake, lossy, monkeypatch):
    """Taken, renewed twice at least, made to expire and deleted: each answer is lost once."""
    monkeypatch.setattr(bucket, "LEASE_SECONDS", 4.0)
    one, proxy = lossy("POST")
    with one.lease("x"):
        time.sleep(2 * bucket.LEASE_SECONDS)
        assert lake.read_json("leases/x.json")["expires"] > time.time()
        monkeypatch.setattr(base, "LEASE_WAIT_SECONDS", 0)
        with pytest.raises(LumbungError, match="another run has held"), lake.lease("x"):
            pass
    assert lake.read("leases/x.json") is None
    assert len(proxy.lost) >= 4
    other, proxy = lossy("DELETE")
    with other.lease("x"):
        pass
    assert lake.read("leases/x.json") is None
    assert len(proxy.lost) == 1


def test_an_expired_lease_whose_answer_was_lost_is_taken_over(lake, lossy):
    expiring_lease(lake, seconds=-1)
    one, proxy = lossy("POST")
    with one.lease("x"):
        assert lake.read_json("leases/x.json")["owner"] != "gone"
    assert len(proxy.lost) == 2


def test_a_renewal_that_never_got_an_answer_is_found_by_the_next(lake):
    """The client gave up repeating it: the lease has a generation that its holder was never told."""
    generation = lake._acquire("leases/x.json", "me")
    lake._replace("leases/x.json", b'{"owner": "me", "expires": 0}', "me", generation)
    renewed = lake._replace("leases/x.json", b'{"owner": "me", "expires": 9e9}', "me", generation)
    assert renewed is not None
    assert renewed > generation
    assert lake._release("leases/x.json", "me", generation)
    assert lake.read("leases/x.json") is None


def test_a_lease_that_another_took_released_and_deleted_was_lost(lake):
    """Its deleted object looks like the own one after a lost answer."""
    generation = lake._acquire("leases/x.json", "me")
    lake.write("leases/x.json", OTHER_LEASE)
    lake.delete("leases/x.json")
    assert not lake._release("leases/x.json", "me", generation)
    assert lake._replace("leases/x.json", b"{}", "me", generation) is None
