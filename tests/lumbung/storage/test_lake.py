"""Lakes in a folder (real) and in a bucket (a fake of the Cloud Storage client: Google's own cannot be had here)."""

import fcntl
import itertools
import json
import multiprocessing
import os
import resource
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed, ServiceUnavailable

from lumbung.core.errors import LumbungError
from lumbung.storage import lake as lakes
from lumbung.storage.lake import BucketLake, FolderLake

# spawn: a forked child would inherit the files, and with them the locks, of its parent
PROCESSES = multiprocessing.get_context("spawn")


class FakeBucket:
    """The calls of google-cloud-storage that `BucketLake` makes, with object generations and preconditions.

    It stands for the client, its bucket and its blobs; only the semantics the lake leans on are here.
    """

    def __init__(self):
        self.objects, self.generations, self.lock = {}, itertools.count(1), threading.Lock()
        self.client, self.broken = self, False

    def bucket(self, name):
        assert name == "granary"
        return self

    def blob(self, name):
        return FakeBlob(self, name)

    def list_blobs(self, bucket, prefix, delimiter=None):
        below = [blob for name, (blob, _) in sorted(self.objects.items()) if name.startswith(prefix)]
        found = Found()
        for blob in below:
            head, slash, _ = blob.name.removeprefix(prefix).partition("/")
            if delimiter and slash:
                found.prefixes.add(f"{prefix}{head}/")
            else:
                found.append(blob)
        return found


class Found(list):
    def __init__(self):
        super().__init__()
        self.prefixes = set()


class FakeBlob:
    def __init__(self, bucket, name):
        self.bucket, self.name, self.generation, self.size, self.updated = bucket, name, None, None, None

    def upload_from_string(self, content, if_generation_match=None):
        if self.bucket.broken:
            raise ServiceUnavailable("503")
        with self.bucket.lock:
            there = self.bucket.objects.get(self.name)
            if if_generation_match is not None and if_generation_match != (there[0].generation if there else 0):
                raise PreconditionFailed("412")
            self.generation, self.size, self.updated = next(self.bucket.generations), len(content), datetime.now(UTC)
            self.bucket.objects[self.name] = (self, bytes(content))

    def upload_from_filename(self, name):
        self.upload_from_string(Path(name).read_bytes())

    def download_as_bytes(self):
        try:
            blob, content = self.bucket.objects[self.name]
        except KeyError:
            raise NotFound("404") from None
        self.generation = blob.generation
        return content

    def download_to_filename(self, name):
        Path(name).write_bytes(self.download_as_bytes())

    def delete(self, if_generation_match=None):
        with self.bucket.lock:
            there = self.bucket.objects.get(self.name)
            if there is None:
                raise NotFound("404")
            if if_generation_match not in (None, there[0].generation):
                raise PreconditionFailed("412")
            del self.bucket.objects[self.name]


@pytest.fixture
def folder(tmp_path):
    return FolderLake(f"file://{tmp_path}/lake", tmp_path / "lake")


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setattr(lakes, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(lakes, "POLL_SECONDS", 0.02)
    return BucketLake("gs://granary/home", FakeBucket())


@pytest.fixture(params=["folder", "bucket"])
def lake(request):
    return request.getfixturevalue(request.param)


def test_a_file_is_read_replaced_listed_and_deleted(lake, tmp_path):
    assert lake.read("a/b.json") is None
    assert lake.read_json("a/b.json") is None
    assert lake.names("a") == []
    lake.write("a/b.json", b"[1]")
    lake.write("a/b.json", b"[2]")
    lake.write("a/c/d.json", b"{}")
    lake.write("ab/e.json", b"{}")
    assert lake.read_json("a/b.json") == [2]
    assert lake.names("a") == ["b.json", "c"]
    assert [(one.path, one.bytes) for one in lake.files("a")] == [("a/b.json", 3), ("a/c/d.json", 2)]
    assert lake.files("a")[0].modified.tzinfo is not None
    local = tmp_path / "local"
    local.write_bytes(b"rows")
    lake.put(local, "a/part")
    assert not local.exists()
    with lake.local("a/part") as copy:
        assert copy.read_bytes() == b"rows"
    lake.delete("a/part")
    lake.delete("a/part")
    assert lake.read("a/part") is None
    assert lake.address("a") == f"{lake.uri}/a"


def test_a_file_is_created_once(lake):
    assert lake.create("a", b"first")
    assert not lake.create("a", b"second")
    assert lake.read("a") == b"first"


def test_of_threads_that_create_one_file_one_wins(lake):
    barrier = threading.Barrier(8)

    def create(number):
        barrier.wait()
        return [lake.create(f"race/{name}", b"%d" % number) for name in range(20)]

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert [sum(column) for column in zip(*won, strict=True)] == [1] * 20
    for name in range(20):
        assert won[int(lake.read(f"race/{name}"))][name]


def _create_all(uri, root, number, results):
    lake = FolderLake(uri, root)
    while not lake.read("go"):
        time.sleep(0.001)
    results.put((number, [name for name in range(50) if lake.create(f"race/{name}", b"%d" % number)]))


def test_of_processes_that_create_one_file_one_wins(folder):
    results = PROCESSES.Queue()
    workers = [
        PROCESSES.Process(target=_create_all, args=(folder.uri, folder.folder, number, results)) for number in range(3)
    ]
    for worker in workers:
        worker.start()
    folder.write("go", b"!")
    won = dict(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert sorted(itertools.chain(*won.values())) == list(range(50))
    for number, names in won.items():
        assert {folder.read(f"race/{name}") for name in names} <= {b"%d" % number}


def test_a_reader_sees_all_of_a_file_or_nothing(folder):
    whole = [bytes([letter]) * 200_000 for letter in b"ab"]
    stop = threading.Event()

    def write():
        for content in itertools.cycle(whole):
            if stop.is_set():
                return
            folder.write("file", content)

    writer = threading.Thread(target=write)
    writer.start()
    seen = {folder.read("file") for _ in range(300)}
    until = time.monotonic() + 30
    while not set(whole) & seen and time.monotonic() < until:  # on a busy machine the writer begins late
        seen.add(folder.read("file"))
    stop.set()
    writer.join()
    assert seen <= {None, *whole}
    assert set(whole) & seen


def test_a_write_that_fails_leaves_what_was_there(folder, monkeypatch):
    folder.write("file", b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lakes.os, "fsync", full)
    with pytest.raises(LumbungError, match=r"/file: the lake cannot be written \(No space left on device\)"):
        folder.write("file", b"new")
    assert folder.read("file") == b"old"
    assert [one.path for one in folder.files("")] == ["file"]


@pytest.fixture
def full_disk():
    """Files of this process take 1,000 bytes at most: a write then fails in the middle, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_by_name_and_leaves_nothing_half_written(folder, tmp_path, full_disk, monkeypatch):
    monkeypatch.setattr(lakes.shutil, "move", copied)
    source = tmp_path / "part.parquet"
    source.write_bytes(b"x" * 1000)
    with source.open("ab") as file, pytest.raises(OSError, match="too large"):
        os.write(file.fileno(), b"x")
    folder.write("a/small", b"old")
    writes = (
        lambda: folder.write("a/small", b"x" * 2000),
        lambda: folder.create("a/new", b"x" * 2000),
        lambda: folder.put(source, "a/part.parquet"),
    )
    for write in writes:
        with pytest.raises(LumbungError, match=r"/a/.*: the lake cannot be written \(.*\)\. Make room"):
            write()
    assert [file.path for file in folder.files("a")] == ["a/small"]
    assert folder.read("a/small") == b"old"


def copied(file, target):
    """A move to another file system, which fails in the middle."""
    target.write_bytes(file.read_bytes() + b"x")


def test_a_lake_that_cannot_be_written_is_told_by_name(folder, tmp_path):
    (tmp_path / "part.parquet").write_bytes(b"x")
    folder.write("file", b"")
    for write in (
        lambda: folder.write("file/a", b""),
        lambda: folder.create("file/a", b""),
        lambda: folder.put(tmp_path / "part.parquet", "file/a"),
        lambda: folder.delete("file/a"),
    ):
        with pytest.raises(LumbungError, match=r"/file/a: the lake cannot be written \((Not a directory|File exists)"):
            write()
    folder.write("leases", b"")
    with pytest.raises(LumbungError, match=r"/leases/x: the lake cannot be written"), folder.lease("x"):
        pytest.fail("it is held")


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/etc/passwd"])
def test_no_path_leaves_the_folder(folder, path):
    for act in (folder.read, folder.names, folder.delete, lambda path: folder.write(path, b"")):
        with pytest.raises(LumbungError, match="leaves the lake"):
            act(path)


def test_the_placeholder_of_a_bucket_s_folder_is_no_name(bucket):
    bucket.write("version/shop/", b"")  # what the console's "create folder" makes
    bucket.write("version/shop/dt=2026-11-10/x", b"")
    assert bucket.names("version/shop") == ["dt=2026-11-10"]


def test_a_lease_excludes(lake):
    inside, most = [], []

    def work(_):
        with lake.lease("publish/shop"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(10)))
    assert most == [1] * 10


def test_leases_of_other_names_do_not_wait(lake):
    with lake.lease("publish/shop"), lake.lease("publish/other"):
        pass


def test_a_lease_is_given_back_after_an_error(lake):
    with pytest.raises(ValueError, match="oops"), lake.lease("x"):
        raise ValueError("oops")
    with lake.lease("x"):
        pass


def test_waiting_for_a_lease_has_an_end(lake, monkeypatch):
    with lake.lease("x"):
        monkeypatch.setattr(lakes, "LEASE_WAIT_SECONDS", 0.1)
        with pytest.raises(LumbungError, match=r"leases/x.*another run has held the lease.*Wait"), lake.lease("x"):
            pass


def _hold(uri, root, held):
    with FolderLake(uri, root).lease("x"):
        held.set()
        time.sleep(60)


def test_the_lease_of_a_killed_process_is_free(folder):
    held = PROCESSES.Event()
    holder = PROCESSES.Process(target=_hold, args=(folder.uri, folder.folder, held))
    holder.start()
    assert held.wait(60)
    with (folder.folder / "leases/x.lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    began = time.monotonic()
    with folder.lease("x"):
        assert time.monotonic() - began < 60


def _lease_of_a_killed_process(bucket, *, seconds):
    content = json.dumps({"owner": "gone", "expires": time.time() + seconds}).encode()
    bucket.write("leases/x.json", content)


def test_a_bucket_s_lease_is_taken_over_once_it_has_expired(bucket):
    _lease_of_a_killed_process(bucket, seconds=0.3)
    began = time.monotonic()
    with bucket.lease("x"):
        assert time.monotonic() - began > 0.25
    assert bucket.read("leases/x.json") is None


def test_of_two_that_take_over_a_bucket_s_lease_one_wins(bucket):
    for _ in range(20):
        _lease_of_a_killed_process(bucket, seconds=-1)
        barrier = threading.Barrier(2)

        def contend(number, barrier=barrier):
            barrier.wait()
            content = json.dumps({"owner": number, "expires": time.time() + 60}).encode()
            return bucket._acquire("leases/x.json", content)

        with ThreadPoolExecutor(2) as pool:
            generations = list(pool.map(contend, range(2)))
        assert sum(one is not None for one in generations) == 1
        winner = next(number for number, one in enumerate(generations) if one is not None)
        assert bucket.read_json("leases/x.json")["owner"] == winner


def test_a_bucket_s_lease_is_renewed_while_it_is_held(bucket, monkeypatch):
    with bucket.lease("x"):
        time.sleep(3 * lakes.LEASE_SECONDS)
        monkeypatch.setattr(lakes, "LEASE_WAIT_SECONDS", 0)
        with pytest.raises(LumbungError, match="another run has held"), bucket.lease("x"):
            pass
    assert bucket.read("leases/x.json") is None


def test_a_bucket_s_lease_outlives_a_short_outage(bucket):
    with bucket.lease("x"):
        bucket.bucket.broken = True
        time.sleep(lakes.LEASE_SECONDS / 2)
        bucket.bucket.broken = False
        time.sleep(lakes.LEASE_SECONDS)
        assert bucket.read_json("leases/x.json")["expires"] > time.time()


def test_who_lost_a_bucket_s_lease_is_told(bucket):
    """A process that slept for longer than the lease must not end well: another may have done the same work since."""
    with pytest.raises(LumbungError, match=r"leases/x: the lease was lost.*[Rr]un the day again"), bucket.lease("x"):
        bucket.write("leases/x.json", b'{"owner": "other", "expires": 9e9}')
        time.sleep(lakes.LEASE_SECONDS / 2)
    assert bucket.read_json("leases/x.json")["owner"] == "other"
    # The work's own error comes first.
    bucket.delete("leases/x.json")
    with pytest.raises(ValueError, match="oops"), bucket.lease("x"):
        bucket.write("leases/x.json", b'{"owner": "other", "expires": 9e9}')
        time.sleep(lakes.LEASE_SECONDS / 2)
        raise ValueError("oops")
