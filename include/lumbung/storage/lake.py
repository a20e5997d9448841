"""The lake: files by path, in a folder or in a bucket, with create-if-absent and leases."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings

LEASE_SECONDS = 60.0
LEASE_WAIT_SECONDS = 900
POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Stored:
    """A file of the lake, as its listing tells."""

    path: str
    bytes: int
    modified: datetime


class Lake(ABC):
    """Files by slash-separated path. Writes are whole: a reader sees all of a file or nothing of it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """The file's content; None where there is none."""

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """Write or replace a small file."""

    @abstractmethod
    def create(self, path: str, content: bytes) -> bool:
        """Write a small file if there is none; False where there is one already."""

    @abstractmethod
    def put(self, file: Path, path: str) -> None:
        """Move a local file into the lake."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Names of the files and folders right under a folder, sorted; empty where there is none."""

    @abstractmethod
    def files(self, folder: str) -> list[Stored]:
        """Every file under a folder, at any depth, by path; half-written ones of killed writers too."""

    @abstractmethod
    def delete_empty(self, folder: str) -> None:
        """Delete a folder and those under it, as far as no file is in them."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file; nothing happens where there is none."""

    @abstractmethod
    def local(self, path: str) -> contextlib.AbstractContextManager[Path]:
        """A local copy of the file to read, or the file itself."""

    @abstractmethod
    def lease(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Hold the one right to do what `name` says.

        Raises:
            LumbungError: another holder did not leave within 15 minutes, or took the lease while this one slept.
        """

    def address(self, path: str) -> str:
        """The file's full address."""
        return f"{self.uri}/{path}"

    def read_json(self, path: str) -> Any:
        """The file's JSON content; None where there is none."""
        content = self.read(path)
        return None if content is None else json.loads(content)

    def _lease_refused(self, name: str) -> LumbungError:
        return LumbungError(
            f"another run has held the lease for {LEASE_WAIT_SECONDS // 60} minutes",
            where=self.address(f"leases/{name}"),
            remedy="wait for that run or stop it, then run the day again",
        )


class FolderLake(Lake):
    """A lake in a folder; leases are file locks, which the kernel drops with the process that held them."""

    def __init__(self, uri: str, folder: Path) -> None:
        super().__init__(uri)
        self.folder = folder

    def _path(self, path: str) -> Path:
        target = (self.folder / path).resolve()
        if not target.is_relative_to(self.folder.resolve()):
            raise LumbungError("the path leaves the lake", where=path, remedy="use plain names")
        return target

    def read(self, path: str) -> bytes | None:  # noqa: D102
        try:
            return self._path(path).read_bytes()
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _written(self, path: str, content: bytes) -> Iterator[tuple[Path, Path]]:
        with self._part(path) as (temporary, target):
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield temporary, target

    @contextlib.contextmanager
    def _part(self, path: str) -> Iterator[tuple[Path, Path]]:
        """Where a file is written, and where it is to be moved; what is left of it in the end is deleted."""
        target = self._path(path)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        with self._writable(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield temporary, target
            finally:
                temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writable(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LumbungError(
                f"the lake cannot be written ({error.strerror})",
                where=self.address(path),
                remedy="make room there, or let this user write there, then run again",
            ) from error

    def write(self, path: str, content: bytes) -> None:  # noqa: D102
        with self._written(path, content) as (temporary, target):
            temporary.replace(target)

    def create(self, path: str, content: bytes) -> bool:  # noqa: D102
        with self._written(path, content) as (temporary, target):
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            return True

    def put(self, file: Path, path: str) -> None:  # noqa: D102
        with self._part(path) as (temporary, target):
            shutil.move(file, temporary)
            temporary.replace(target)

    def names(self, folder: str) -> list[str]:  # noqa: D102
        try:
            return sorted(name for name in os.listdir(self._path(folder)) if not name.startswith("."))  # noqa: PTH208
        except FileNotFoundError:
            return []

    def files(self, folder: str) -> list[Stored]:  # noqa: D102
        found = []
        for parent, _, names in self._path(folder).walk():
            for file in (parent / name for name in names):
                with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                    status = file.stat()
                    path = file.relative_to(self.folder.resolve()).as_posix()
                    found.append(Stored(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
        return sorted(found, key=lambda one: one.path)

    def delete_empty(self, folder: str) -> None:  # noqa: D102
        for parent, _, _ in self._path(folder).walk(top_down=False):
            with contextlib.suppress(OSError):  # it holds something, or is gone
                parent.rmdir()

    def delete(self, path: str) -> None:  # noqa: D102
        with self._writable(path):
            self._path(path).unlink(missing_ok=True)

    @contextlib.contextmanager
    def local(self, path: str) -> Iterator[Path]:  # noqa: D102
        yield self._path(path)

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[None]:  # noqa: D102
        target = self._path(f"leases/{name}.lock")
        with self._writable(f"leases/{name}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            opened = target.open("a")
        with opened as file:
            until = time.monotonic() + LEASE_WAIT_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise self._lease_refused(name) from None
                    time.sleep(0.05)
            yield


class BucketLake(Lake):
    """A lake in a Cloud Storage bucket; leases are objects with an expiry, renewed while held."""

    def __init__(self, uri: str, client: Any = None) -> None:
        from google.cloud import storage  # type: ignore[attr-defined]

        super().__init__(uri)
        parts = urlsplit(self.uri)
        self.bucket = (client or storage.Client()).bucket(parts.netloc)
        self.prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""

    def _blob(self, path: str) -> Any:
        return self.bucket.blob(self.prefix + path)

    def read(self, path: str) -> bytes | None:  # noqa: D102
        from google.api_core.exceptions import NotFound

        try:
            return bytes(self._blob(path).download_as_bytes())
        except NotFound:
            return None

    def write(self, path: str, content: bytes) -> None:  # noqa: D102
        self._blob(path).upload_from_string(content)

    def create(self, path: str, content: bytes) -> bool:  # noqa: D102
        return self._swap(path, content, generation=0) is not None

    def _swap(self, path: str, content: bytes, generation: int) -> int | None:
        """Replace the object if it still is of that generation (0: absent); the new generation, or None."""
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob(path)
        try:
            blob.upload_from_string(content, if_generation_match=generation)
        except PreconditionFailed:
            return None
        return int(blob.generation)

    def put(self, file: Path, path: str) -> None:  # noqa: D102
        self._blob(path).upload_from_filename(str(file))
        file.unlink()

    def names(self, folder: str) -> list[str]:  # noqa: D102
        prefix = f"{self.prefix}{folder.strip('/')}/"
        found = self.bucket.client.list_blobs(self.bucket, prefix=prefix, delimiter="/")
        files = [blob.name for blob in found]
        # A bucket's console marks a folder by an object of its name.
        return sorted(name.removeprefix(prefix).rstrip("/") for name in {*files, *found.prefixes} - {prefix})

    def files(self, folder: str) -> list[Stored]:  # noqa: D102
        found = self.bucket.client.list_blobs(self.bucket, prefix=f"{self.prefix}{folder.strip('/')}/")
        return [Stored(blob.name.removeprefix(self.prefix), blob.size, blob.updated) for blob in found]

    def delete_empty(self, folder: str) -> None:
        """Nothing: a bucket has no folders."""

    def delete(self, path: str) -> None:  # noqa: D102
        from google.api_core.exceptions import NotFound

        with contextlib.suppress(NotFound):
            self._blob(path).delete()

    @contextlib.contextmanager
    def local(self, path: str) -> Iterator[Path]:  # noqa: D102
        with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
            file = Path(folder) / Path(path).name
            self._blob(path).download_to_filename(str(file))
            yield file

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[None]:  # noqa: D102
        from google.api_core.exceptions import GoogleAPICallError, RetryError

        path, owner = f"leases/{name}.json", f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"

        def content() -> bytes:
            return json.dumps({"owner": owner, "expires": time.time() + LEASE_SECONDS}).encode()

        until = time.monotonic() + LEASE_WAIT_SECONDS
        while (generation := self._acquire(path, content())) is None:
            if time.monotonic() > until:
                raise self._lease_refused(name)
            time.sleep(POLL_SECONDS)
        done, held = threading.Event(), [generation]

        def renew() -> None:
            while not done.wait(LEASE_SECONDS / 4):
                # An outage may be over before another takes the lease; what became of it shows at the release.
                with contextlib.suppress(GoogleAPICallError, RetryError, OSError):
                    renewed = self._swap(path, content(), held[0])
                    if renewed is None:
                        return
                    held[0] = renewed

        def release() -> bool:
            done.set()
            thread.join()
            return self._release(path, held[0])

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            release()
            raise
        if not release():
            raise LumbungError(
                "the lease was lost: this process stood still for longer than it lasts, and another has taken it",
                where=self.address(f"leases/{name}"),
                remedy="run the day again",
            )

    def _acquire(self, path: str, content: bytes) -> int | None:
        from google.api_core.exceptions import NotFound

        blob = self._blob(path)
        try:
            held = json.loads(blob.download_as_bytes())
        except NotFound:
            return self._swap(path, content, generation=0)
        if held["expires"] > time.time():
            return None
        return self._swap(path, content, generation=int(blob.generation))

    def _release(self, path: str, generation: int) -> bool:
        """Give the lease back; False where it is another's by now."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        try:
            self._blob(path).delete(if_generation_match=generation)
        except (NotFound, PreconditionFailed):
            return False
        return True


def open_lake(settings: Settings) -> Lake:
    """The lake that the settings name."""
    folder = settings.lake_folder
    return FolderLake(settings.lake_uri, folder) if folder else BucketLake(settings.lake_uri)


def sha256(file: Path) -> str:
    """Checksum of a local file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
