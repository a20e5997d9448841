"""What every lake does, and what all of them share."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lumbung.core.errors import LumbungError

LEASE_WAIT_SECONDS = 900


@dataclass(frozen=True)
class Stored:
    """A file of the lake, as listed.

    Attributes:
        path: slash-separated path within the lake.
        bytes: its size.
        modified: when it was last written, with a time zone.
    """

    path: str
    bytes: int
    modified: datetime


class Lake(ABC):
    """Files by slash-separated path. Writes are atomic: a reader sees the whole file or none of it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """The content of a file; None if there is no such file."""

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """Write or replace a small file."""

    @abstractmethod
    def create(self, path: str, content: bytes) -> bool:
        """Write a small file unless it exists; of several writers at once exactly one succeeds.

        Returns:
            Whether this call created the file.
        """

    @abstractmethod
    def put(self, file: Path, path: str) -> None:
        """Move a local file into the lake."""

    @abstractmethod
    def names(self, folder: str, start: str = "") -> list[str]:
        """Names of the files and folders directly under a folder, sorted; empty if there is no such folder.

        Args:
            folder: the folder.
            start: the first name of interest; what sorts before it is not listed, which in a bucket costs nothing then.
        """

    @abstractmethod
    def files(self, folder: str) -> list[Stored]:
        """Every file under a folder, at any depth, by path; also the temporary files of writers that were killed."""

    @abstractmethod
    def delete_empty(self, folder: str) -> None:
        """Delete a folder and its subfolders, except those that hold a file."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file; does nothing if there is no such file."""

    @abstractmethod
    def local(self, path: str) -> AbstractContextManager[Path]:
        """A local copy of the file to read, or the file itself."""

    @abstractmethod
    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the exclusive right to do the work called `name`.

        It is a lock of the lake, not of Airflow: `airflow dags test` and the command line ignore Airflow's.

        Raises:
            LumbungError: another process held it for 15 minutes, or took it while this one stood still. The latter is
                raised when the work is done: the other may have done the same work at the same time.
        """

    def address(self, path: str) -> str:
        """The file's full address."""
        return f"{self.uri}/{path}"

    def read_json(self, path: str) -> Any:
        """The JSON content of a file; None if there is no such file."""
        content = self.read(path)
        return None if content is None else json.loads(content)

    def _wait_for_lease[T](self, name: str, acquire: Callable[[], T | None], poll_seconds: float) -> T:
        """Call `acquire` until it returns something.

        Args:
            name: the lease's name.
            acquire: takes the lease, or returns None at once while another holds it.
            poll_seconds: pause between two attempts.

        Raises:
            LumbungError: another still holds it after 15 minutes.
        """
        deadline = time.monotonic() + LEASE_WAIT_SECONDS
        while (acquired := acquire()) is None:
            if time.monotonic() > deadline:
                raise LumbungError(
                    f"another run has held the lease for {LEASE_WAIT_SECONDS // 60} minutes",
                    where=self.address(f"leases/{name}"),
                    remedy="wait for that run or stop it, then run the day again",
                )
            time.sleep(poll_seconds)
        return acquired


def sha256(file: Path) -> str:
    """Checksum of a local file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
