"""A fake of the Cloud Storage client, and what other processes do with a lake.

Google's own server cannot be had here. The functions stand here and not in a test, as a spawned process imports them.
"""

import itertools
import multiprocessing
import os
import threading
import time
from datetime import UTC, datetime
from multiprocessing.managers import BaseManager
from pathlib import Path

from google.api_core.exceptions import NotFound, PreconditionFailed, ServiceUnavailable

from lumbung.storage.lake import bucket

# spawn: a forked child would inherit the open files of its parent, and with them its locks.
PROCESSES = multiprocessing.get_context("spawn")


class ObjectStore:
    """Objects with generations and preconditions. A manager's process holds it, so that processes can share it."""

    def __init__(self):
        self._objects, self._generations, self._lock = {}, itertools.count(1), threading.Lock()

    def write(self, name, content, expected=None):
        """Write an object if it is of the expected generation (0: absent, None: any): its new generation, or None."""
        with self._lock:
            if expected is not None and expected != self._generation(name):
                return None
            generation = next(self._generations)
            self._objects[name] = (generation, bytes(content), datetime.now(UTC))
            return generation

    def read(self, name):
        """An object's generation and content; None if there is none."""
        stored = self._objects.get(name)
        return stored and stored[:2]

    def delete(self, name, expected=None):
        """Delete an object of the expected generation (None: any); gives the generation found, 0 if absent."""
        with self._lock:
            generation = self._generation(name)
            if expected in (None, generation):
                self._objects.pop(name, None)
            return generation

    def objects(self, prefix):
        """Name, size and time of writing of the objects whose names begin with a prefix, by name."""
        with self._lock:
            stored = sorted(self._objects.items())
        return [(name, len(content), written) for name, (_, content, written) in stored if name.startswith(prefix)]

    def _generation(self, name):
        return self._objects[name][0] if name in self._objects else 0


class StoreManager(BaseManager):
    pass


StoreManager.register("ObjectStore", ObjectStore)


class FakeBucket:
    """The calls of google-cloud-storage that `BucketLake` makes: client and bucket in one."""

    def __init__(self, store):
        self.store, self.client, self.broken = store, self, False

    def bucket(self, name):
        assert name == "granary"
        return self

    def blob(self, name):
        return FakeBlob(self, name)

    def list_blobs(self, bucket, prefix, delimiter=None):
        blobs = FakeListing()
        for name, size, written in self.store.objects(prefix):
            head, slash, _ = name.removeprefix(prefix).partition("/")
            if delimiter and slash:
                blobs.prefixes.add(f"{prefix}{head}/")
            else:
                blobs.append(FakeBlob(self, name, size, written))
        return blobs


class FakeListing(list):
    def __init__(self):
        super().__init__()
        self.prefixes = set()


class FakeBlob:
    def __init__(self, bucket, name, size=None, updated=None):
        self.bucket, self.name, self.generation, self.size, self.updated = bucket, name, None, size, updated

    def upload_from_string(self, content, if_generation_match=None):
        if self.bucket.broken:
            raise ServiceUnavailable("503")
        self.generation = self.bucket.store.write(self.name, content, if_generation_match)
        if self.generation is None:
            raise PreconditionFailed("412")

    def upload_from_filename(self, name):
        self.upload_from_string(Path(name).read_bytes())

    def download_as_bytes(self):
        stored = self.bucket.store.read(self.name)
        if stored is None:
            raise NotFound("404")
        self.generation, content = stored
        return content

    def download_to_filename(self, name):
        Path(name).write_bytes(self.download_as_bytes())

    def delete(self, if_generation_match=None):
        generation = self.bucket.store.delete(self.name, if_generation_match)
        if not generation:
            raise NotFound("404")
        if if_generation_match not in (None, generation):
            raise PreconditionFailed("412")


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
    bucket.LEASE_SECONDS = lease_seconds
    with lake.lease(name):
        held.set()
        time.sleep(600)
