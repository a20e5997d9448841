"""A lake that counts its requests, and what other processes do with a lake.

The functions stand here and not in a test, as a spawned process imports them.
"""

import contextlib
import multiprocessing
import os
import threading
import time

from lumbung.storage.lake import FolderLake, objects

# spawn: a forked child would inherit the open files of its parent, and with them its locks.
PROCESSES = multiprocessing.get_context("spawn")


def create_fifty(lake, number, results):
    """Once the file `go` is there, create fifty files; gives which of them this process created."""
    while not lake.read("go"):
        time.sleep(0.001)
    results.put((number, [name for name in range(50) if lake.create(f"race/{name}", b"%d" % number)]))


def write_until_killed(lake, path, content, begun):
    """Write a file again and again."""
    while True:
        lake.write(path, content)
        begun.set()


def hang_in_write(lake, path, begun):
    """Write a file's temporary file, then hang before it is renamed."""

    def hang(_):
        begun.set()
        time.sleep(600)

    os.fsync = hang
    lake.write(path, b"new")


def hold_lease(lake, name, lease_seconds, held):
    """Hold a lease until killed; one of a bucket lasts for so many seconds and is renewed."""
    objects.LEASE_SECONDS = lease_seconds
    with lake.lease(name):
        held.set()
        time.sleep(600)


class CountingLake(FolderLake):
    """A lake that counts its requests as a bucket bills them: a list for each 1,000 names, and files that are read.

    Attributes:
        lists: pages that were listed.
        reads: files that were read.
    """

    def __init__(self, uri, folder):
        super().__init__(uri, folder)
        self.lists = self.reads = 0
        self._lock = threading.Lock()

    def read(self, path):
        with self._lock:  # several threads read at once
            self.reads += 1
        return super().read(path)

    def names(self, folder, start=""):
        names = super().names(folder, start)
        self.lists += max(1, -(-len(names) // 1000))
        return names

    def files(self, folder):
        files = super().files(folder)
        self.lists += max(1, -(-len(files) // 1000))
        return files

    @contextlib.contextmanager
    def local(self, path):
        self.reads += 1
        with super().local(path) as file:
            yield file
