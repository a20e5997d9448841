"""What lakes in stores of objects do alike: leases that expire, and requests that are repeated."""

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import base, objects
from support.http_proxy import Proxy

OTHER_LEASE = b'{"owner": "other", "expires": 9e9}'


@pytest.fixture(params=["bucket", "azure"])
def lake(request):
    return request.getfixturevalue(f"{request.param}_lake")


@pytest.fixture
def through(lake):
    """The lake as it is reached through a proxy."""
    with contextlib.ExitStack() as stack:

        def make(**options):
            proxy = stack.enter_context(Proxy(lake.url, **options))
            return type(lake)(lake.uri, proxy.url), proxy

        yield make


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
            revisions = list(pool.map(contend, "ab"))
        assert sum(revision is not None for revision in revisions) == 1
        winner = next(name for name, revision in zip("ab", revisions, strict=True) if revision is not None)
        assert lake.read_json("leases/x.json")["owner"] == winner


def test_a_lease_is_renewed_while_it_is_held(lake, monkeypatch):
    with lake.lease("x"):
        time.sleep(3 * objects.LEASE_SECONDS)
        monkeypatch.setattr(base, "LEASE_WAIT_SECONDS", 0)
        with pytest.raises(LumbungError, match="another run has held"), lake.lease("x"):
            pass
    assert lake.read("leases/x.json") is None


def test_a_lease_outlives_a_short_outage(lake, through, monkeypatch):
    monkeypatch.setattr(objects, "LEASE_SECONDS", 6.0)
    refused = threading.Event()

    def refuse(request):
        refused.set()
        return 503, b""

    distant, proxy = through()
    with distant.lease("x"):
        proxy.spoil = refuse
        assert refused.wait(objects.LEASE_SECONDS / 2)
        proxy.spoil = lambda request: None
        over = time.time()
        while lake.read_json("leases/x.json")["expires"] < over + objects.LEASE_SECONDS:
            assert time.time() < over + 2 * objects.LEASE_SECONDS, "it is not renewed"
            time.sleep(0.1)


def test_a_lost_lease_is_an_error(lake):
    """A process that slept for longer than the lease must not end well: another may have done the same work since."""
    with pytest.raises(LumbungError, match=r"leases/x: the lease was lost.*[Rr]un the day again"), lake.lease("x"):
        lake.write("leases/x.json", OTHER_LEASE)
        time.sleep(objects.LEASE_SECONDS / 2)
    assert lake.read_json("leases/x.json")["owner"] == "other"
    # The work's own error comes first.
    lake.delete("leases/x.json")
    with pytest.raises(ValueError, match="oops"), lake.lease("x"):
        lake.write("leases/x.json", OTHER_LEASE)
        time.sleep(objects.LEASE_SECONDS / 2)
        raise ValueError("oops")


def is_conditional(request):
    return "ifGenerationMatch" in request.path or {"if-match", "if-none-match"} & set(request.headers)


def loses_first(*methods):
    """A proxy's `loses`, and the requests that it has lost: of each conditional one the first answer."""
    lost = []

    def loses(request):
        is_first = not any(request.body == other.body and request.path == other.path for other in lost)
        if request.method not in methods or not is_conditional(request) or not is_first:
            return False
        lost.append(request)
        return True

    return loses, lost


@pytest.fixture
def lossy(through, monkeypatch):
    """A lake whose first answers to conditional requests get lost; the client repeats such after a second or two."""
    monkeypatch.setattr(objects, "LEASE_SECONDS", 12.0)

    def make(*methods):
        loses, lost = loses_first(*methods)
        return through(loses=loses)[0], lost

    return make


WRITES = ("POST", "PUT")


def test_a_file_whose_answer_was_lost_is_created_by_its_writer(lake, lossy):
    distant, lost = lossy(*WRITES)
    assert distant.create("a", b"1")
    assert lake.read("a") == b"1"
    assert len(lost) == 1
    assert not distant.create("a", b"1"), "the same content, by another"
    assert not lake.create("a", b"1")


def test_a_lease_whose_answers_were_lost_is_taken_renewed_and_released(lake, lossy, monkeypatch):
    """Taken, renewed twice at least, made to expire and deleted: each answer is lost once."""
    monkeypatch.setattr(objects, "LEASE_SECONDS", 4.0)
    distant, lost = lossy(*WRITES)
    with distant.lease("x"):
        time.sleep(2 * objects.LEASE_SECONDS)
        assert lake.read_json("leases/x.json")["expires"] > time.time()
        monkeypatch.setattr(base, "LEASE_WAIT_SECONDS", 0)
        with pytest.raises(LumbungError, match="another run has held"), lake.lease("x"):
            pass
    assert lake.read("leases/x.json") is None
    assert len(lost) >= 4
    other, lost = lossy("DELETE")
    with other.lease("x"):
        pass
    assert lake.read("leases/x.json") is None
    assert len(lost) == 1


def test_an_expired_lease_whose_answer_was_lost_is_taken_over(lake, lossy):
    expiring_lease(lake, seconds=-1)
    distant, lost = lossy(*WRITES)
    with distant.lease("x"):
        assert lake.read_json("leases/x.json")["owner"] != "gone"
    assert len(lost) == 2


def test_a_renewal_that_never_got_an_answer_is_found_by_the_next(lake):
    """The client gave up repeating it: the lease has a revision that its holder never learned."""
    revision = lake._acquire("leases/x.json", "me")
    lake._replace("leases/x.json", b'{"owner": "me", "expires": 0}', "me", revision)
    renewed = lake._replace("leases/x.json", b'{"owner": "me", "expires": 9e9}', "me", revision)
    assert renewed not in (None, revision)
    assert lake._release("leases/x.json", "me", revision)
    assert lake.read("leases/x.json") is None


def test_a_lease_that_another_took_released_and_deleted_was_lost(lake):
    """Its deleted object looks like the own one after a lost answer."""
    revision = lake._acquire("leases/x.json", "me")
    lake.write("leases/x.json", OTHER_LEASE)
    lake.delete("leases/x.json")
    assert not lake._release("leases/x.json", "me", revision)
    assert lake._replace("leases/x.json", b"{}", "me", revision) is None
