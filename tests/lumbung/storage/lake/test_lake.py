"""What every lake must do: in a folder, and in a bucket by Google's client and a server of ours."""

import hashlib
import itertools
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import BucketLake, FolderLake, base, open_lake, sha256
from support import lakes
from support.lakes import PROCESSES


def test_the_setting_names_the_lake(tmp_path, monkeypatch):
    lake = open_lake(Settings(lake_uri=f"file://{tmp_path}/lake"))
    assert (type(lake), lake.uri, lake.folder) == (FolderLake, f"file://{tmp_path}/lake", tmp_path / "lake")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    lake = open_lake(Settings(lake_uri="gs://granary/home", project="my-project"))
    assert (type(lake), lake.uri, lake.prefix) == (BucketLake, "gs://granary/home", "home/")


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
    assert [(file.path, file.bytes) for file in lake.files("a")] == [("a/b.json", 3), ("a/c/d.json", 2)]
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


def test_nothing_is_listed_of_an_empty_lake(lake):
    assert (lake.names("a"), lake.files("a")) == ([], [])


def test_a_written_file_has_the_present_time(lake):
    lake.write("a/b", b"")
    (file,) = lake.files("a")
    assert abs(datetime.now(UTC) - file.modified) < timedelta(minutes=1)


def test_names_are_listed_from_a_start(lake):
    for name in ("000", "001", "002", "010"):
        lake.write(f"a/{name}.json", b"")
    assert lake.names("a", "001") == ["001.json", "002.json", "010.json"]
    assert lake.names("a", "003") == ["010.json"]
    assert lake.names("a", "011") == lake.names("b", "0") == []


@pytest.mark.parametrize("content", [b"", b"\0\xff\n", b"x" * 3_000_000])
def test_any_content_is_kept_byte_for_byte(lake, tmp_path, content):
    lake.write("written", content)
    assert lake.create("created", content)
    local = tmp_path / "local"
    local.write_bytes(content)
    lake.put(local, "put")
    for path in ("written", "created", "put"):
        assert lake.read(path) == content
        with lake.local(path) as copy:
            assert sha256(copy) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["dt=2026-11-10", "a b", "é日", "a%20b", "a+b", "a.b.c", "#1?"])
def test_names_may_hold_these_characters(lake, name):
    lake.write(f"{name}/{name}", b"1")
    assert lake.read(f"{name}/{name}") == b"1"
    assert lake.names(name) == [name]
    assert [file.path for file in lake.files(name)] == [f"{name}/{name}"]


def test_put_replaces_a_file(lake, tmp_path):
    lake.write("a", b"old")
    local = tmp_path / "local"
    local.write_bytes(b"new")
    lake.put(local, "a")
    assert lake.read("a") == b"new"


def test_the_root_can_be_listed(lake):
    lake.write("a/b", b"1")
    lake.write("c", b"22")
    assert lake.names("") == ["a", "c"]
    assert [(file.path, file.bytes) for file in lake.files("")] == [("a/b", 1), ("c", 2)]


def test_deleting_empty_folders_leaves_every_file(lake):
    lake.write("a/b/c/file", b"")
    lake.write("a/d/file", b"kept")
    lake.delete("a/b/c/file")
    lake.delete_empty("a")
    lake.delete_empty("nothing/there")
    assert lake.names("a") == ["d"]
    assert lake.read("a/d/file") == b"kept"
    lake.write("a/b/c/file", b"again")
    assert lake.names("a/b/c") == ["file"]


def test_a_file_is_created_once(lake):
    assert lake.create("a", b"first")
    assert not lake.create("a", b"second")
    assert lake.read("a") == b"first"


def test_a_deleted_file_can_be_created_again(lake):
    assert lake.create("a", b"first")
    lake.delete("a")
    assert lake.create("a", b"second")
    assert lake.read("a") == b"second"


def test_of_threads_that_create_one_file_one_wins(lake):
    barrier = threading.Barrier(8)

    def create(number):
        barrier.wait()
        return [lake.create(f"race/{name}", b"%d" % number) for name in range(20)]

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create, range(8)))
    assert [sum(column) for column in zip(*created, strict=True)] == [1] * 20
    for name in range(20):
        assert created[int(lake.read(f"race/{name}"))][name]


def test_of_processes_that_create_one_file_one_wins(lake):
    results = PROCESSES.Queue()
    workers = [PROCESSES.Process(target=lakes.create_fifty, args=(lake, number, results)) for number in range(3)]
    for worker in workers:
        worker.start()
    lake.write("go", b"!")
    created = dict(results.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()
    assert sorted(itertools.chain(*created.values())) == list(range(50))
    for number, names in created.items():
        assert {lake.read(f"race/{name}") for name in names} <= {b"%d" % number}


def test_a_reader_sees_all_of_a_file_or_nothing(lake):
    whole = [bytes([letter]) * 200_000 for letter in b"ab"]
    stop = threading.Event()

    def write():
        for content in itertools.cycle(whole):
            if stop.is_set():
                return
            lake.write("file", content)

    writer = threading.Thread(target=write)
    writer.start()
    seen = {lake.read("file") for _ in range(300)}
    until = time.monotonic() + 30
    while not set(whole) & seen and time.monotonic() < until:  # on a busy machine the writer begins late
        seen.add(lake.read("file"))
    stop.set()
    writer.join()
    assert seen <= {None, *whole}
    assert set(whole) & seen


def test_two_writers_at_once_leave_a_whole_file_even_if_killed(lake):
    whole = [bytes([letter]) * 500_000 for letter in b"ab"]
    writers = []
    for content in whole:
        begun = PROCESSES.Event()
        writers.append(
            (PROCESSES.Process(target=lakes.write_until_killed, args=(lake, "a/file", content, begun)), begun)
        )
    for writer, _ in writers:
        writer.start()
    for _, begun in writers:
        assert begun.wait(60)
    assert {lake.read("a/file") for _ in range(50)} <= set(whole)
    for writer, _ in writers:
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    assert lake.read("a/file") in whole
    assert lake.names("a") == ["file"]
    lake.write("a/file", b"next")
    assert lake.read("a/file") == b"next"
    assert not lake.create("a/file", b"")


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


def test_a_lease_is_released_after_an_error(lake):
    with pytest.raises(ValueError, match="oops"), lake.lease("x"):
        raise ValueError("oops")
    with lake.lease("x"):
        pass


def test_waiting_for_a_lease_has_an_end(lake, monkeypatch):
    with lake.lease("x"):
        monkeypatch.setattr(base, "LEASE_WAIT_SECONDS", 0.1)
        with pytest.raises(LumbungError, match=r"leases/x.*another run has held the lease.*Wait"), lake.lease("x"):
            pass


def test_the_lease_of_a_killed_process_becomes_free(lake, monkeypatch):
    held = PROCESSES.Event()
    lease_seconds = 3.0
    holder = PROCESSES.Process(target=lakes.hold_lease, args=(lake, "x", lease_seconds, held))
    holder.start()
    assert held.wait(60)
    with monkeypatch.context() as patch, pytest.raises(LumbungError, match="another run has held"):
        patch.setattr(base, "LEASE_WAIT_SECONDS", 0)
        with lake.lease("x"):
            pytest.fail("two processes hold it")
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    began = time.monotonic()
    with lake.lease("x"):
        assert time.monotonic() - began < 60
