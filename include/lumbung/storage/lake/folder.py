"""A lake in a folder of a file system."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import override

from lumbung.core.errors import LumbungError
from lumbung.storage.lake.base import Lake, Stored

POLL_SECONDS = 0.05


class FolderLake(Lake):
    """A lake in a folder.

    A file is written under a temporary, hidden name beside its target and then renamed, which is atomic within a file
    system. A writer that is killed leaves its temporary file: `names` hides it, `files` lists it, so pruning finds it.

    Leases are kernel locks on files (`flock`). The kernel releases them with the process that held them, however that
    ended, so they need no expiry and no renewal, and cannot be lost. All processes must run on one machine, or on a
    file system whose locks work across machines.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        super().__init__(uri)
        self.folder = folder

    def _path(self, path: str) -> Path:
        target = (self.folder / path).resolve()
        if not target.is_relative_to(self.folder.resolve()):
            raise LumbungError("the path leaves the lake", where=path, remedy="use plain names")
        return target

    @override
    def read(self, path: str) -> bytes | None:
        try:
            return self._path(path).read_bytes()
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _written(self, path: str, content: bytes) -> Iterator[tuple[Path, Path]]:
        """Write a temporary file, down to the disk: gives it and its target."""
        with self._temporary(path) as (temporary, target):
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                # A rename may reach the disk before the content does; after a power cut the file would be empty.
                os.fsync(file.fileno())
            yield temporary, target

    @contextlib.contextmanager
    def _temporary(self, path: str) -> Iterator[tuple[Path, Path]]:
        """A temporary path beside a file's target, and the target; what is still there at the end is deleted."""
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

    @override
    def write(self, path: str, content: bytes) -> None:
        with self._written(path, content) as (temporary, target):
            temporary.replace(target)

    @override
    def create(self, path: str, content: bytes) -> bool:
        with self._written(path, content) as (temporary, target):
            try:
                os.link(temporary, target)  # unlike a rename, it fails if the target exists
            except FileExistsError:
                return False
            return True

    @override
    def put(self, file: Path, path: str) -> None:
        with self._temporary(path) as (temporary, target):
            shutil.move(file, temporary)  # copies from another file system, so not straight to the target
            temporary.replace(target)

    @override
    def names(self, folder: str, start: str = "") -> list[str]:
        try:
            names = os.listdir(self._path(folder))  # noqa: PTH208
            return sorted(name for name in names if name >= start and not name.startswith("."))
        except FileNotFoundError:
            return []

    @override
    def files(self, folder: str) -> list[Stored]:
        stored = []
        for parent, _, names in self._path(folder).walk():
            for file in (parent / name for name in names):
                with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                    status = file.stat()
                    path = file.relative_to(self.folder.resolve()).as_posix()
                    stored.append(Stored(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
        return sorted(stored, key=lambda file: file.path)

    @override
    def delete_empty(self, folder: str) -> None:
        for parent, _, _ in self._path(folder).walk(top_down=False):
            with contextlib.suppress(OSError):  # not empty, or deleted by another process
                parent.rmdir()

    @override
    def delete(self, path: str) -> None:
        with self._writable(path):
            self._path(path).unlink(missing_ok=True)

    @override
    @contextlib.contextmanager
    def local(self, path: str) -> Iterator[Path]:
        yield self._path(path)

    @override
    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[None]:
        target = self._path(f"leases/{name}.lock")
        with self._writable(f"leases/{name}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            # The file is never deleted: a process that has it open could lock the deleted one, and another a new one.
            opened = target.open("a")
        with opened as file:

            def acquire() -> bool | None:
                # Without blocking: a blocking flock has no timeout.
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return None
                return True

            self._wait_for_lease(name, acquire, POLL_SECONDS)
            yield  # closing the file releases the lock
