"""What is a folder's own: paths, disks, temporary files and file locks."""

import fcntl
import os
import resource
import signal

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import folder
from support import lakes
from support.lakes import PROCESSES


@pytest.fixture
def lake(folder_lake):
    return folder_lake


def test_a_write_that_fails_leaves_the_old_file(lake, monkeypatch):
    lake.write("file", b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.os, "fsync", full)
    with pytest.raises(LumbungError, match=r"/file: the lake cannot be written \(No space left on device\)"):
        lake.write("file", b"new")
    assert lake.read("file") == b"old"
    assert [file.path for file in lake.files("")] == ["file"]


def test_the_temporary_file_of_a_killed_writer_is_hidden_from_names_and_listed_by_files(lake):
    lake.write("a/file", b"old")
    begun = PROCESSES.Event()
    writer = PROCESSES.Process(target=lakes.hang_in_write, args=(lake, "a/file", begun))
    writer.start()
    assert begun.wait(60)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert lake.read("a/file") == b"old"
    assert lake.names("a") == ["file"]
    temporary, file = lake.files("a")
    assert temporary.path.startswith("a/.file.")
    assert file.path == "a/file"
    lake.delete_empty("a")
    lake.delete(temporary.path)
    assert [file.path for file in lake.files("a")] == ["a/file"]


@pytest.fixture
def full_disk():
    """Files of this process take 1,000 bytes at most: a write then fails in the middle, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_reported_by_path_and_leaves_no_partial_file(lake, tmp_path, full_disk, monkeypatch):
    monkeypatch.setattr(folder.shutil, "move", copied)
    source = tmp_path / "part.parquet"
    source.write_bytes(b"x" * 1000)
    with source.open("ab") as file, pytest.raises(OSError, match="too large"):
        os.write(file.fileno(), b"x")
    lake.write("a/small", b"old")
    writes = (
        lambda: lake.write("a/small", b"x" * 2000),
        lambda: lake.create("a/new", b"x" * 2000),
        lambda: lake.put(source, "a/part.parquet"),
    )
    for write in writes:
        with pytest.raises(LumbungError, match=r"/a/.*: the lake cannot be written \(.*\)\. Make room"):
            write()
    assert [file.path for file in lake.files("a")] == ["a/small"]
    assert lake.read("a/small") == b"old"


def copied(file, target):
    """A move to another file system, which fails in the middle."""
    target.write_bytes(file.read_bytes() + b"x")


def test_a_lake_that_cannot_be_written_is_reported_by_path(lake, tmp_path):
    (tmp_path / "part.parquet").write_bytes(b"x")
    lake.write("file", b"")
    for write in (
        lambda: lake.write("file/a", b""),
        lambda: lake.create("file/a", b""),
        lambda: lake.put(tmp_path / "part.parquet", "file/a"),
        lambda: lake.delete("file/a"),
    ):
        with pytest.raises(LumbungError, match=r"/file/a: the lake cannot be written \((Not a directory|File exists)"):
            write()
    lake.write("leases", b"")
    with pytest.raises(LumbungError, match=r"/leases/x: the lake cannot be written"), lake.lease("x"):
        pytest.fail("the lease is held")


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/etc/passwd"])
def test_no_path_leaves_the_folder(lake, path):
    for act in (lake.read, lake.names, lake.delete, lambda path: lake.write(path, b"")):
        with pytest.raises(LumbungError, match="leaves the lake"):
            act(path)


def test_a_lease_is_a_lock_of_its_file(lake):
    lock = lake.folder / "leases/x.lock"
    with lake.lease("x"), lock.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
