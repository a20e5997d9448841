"""What lakes in a store of objects share: conditional writes, and leases made of them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
import uuid
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import override
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError
from lumbung.storage.lake.base import Lake

LEASE_SECONDS = 60.0
POLL_SECONDS = 2.0
ABSENT = ""  # the revision of an object that must not exist


class ObjectLake(Lake):
    """A lake in a store of objects: a bucket of Cloud Storage, a container of Azure Blob Storage.

    An object appears when its upload is complete, so every write is atomic.

    Leases are objects that hold their owner and the time they expire. Every write of an object gives it a new
    revision, and a write or delete can be made conditional on the present revision. So of several processes that take
    a free or expired lease exactly one succeeds, and a holder renews and releases only a lease that is still its own.
    Nothing reports that a process has died, hence the expiry: the lease of a killed holder is free after LEASE_SECONDS
    at most. A live holder renews it every quarter of that, so the clocks of two machines may differ by three quarters
    of it.

    The stores' clients repeat a request whose answer was lost. If the first one had arrived, the repeated one is
    refused, because of this process's own write. So each conditional write names its writer in the object's metadata,
    and when one is refused, the object says whose it is.

    A holder that stands still for longer than LEASE_SECONDS (a suspended machine, a long outage) loses the lease to
    the next process. Nothing can stop it at that moment, but its work does not end as a success: releasing a lost lease
    raises.

    Args:
        uri: the store's address, with an optional path that all names begin with.
    """

    outages: tuple[type[Exception], ...]
    """What the store's client raises where the store cannot be reached or fails."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        path = urlsplit(self.uri).path.strip("/")
        self.prefix = f"{path}/" if path else ""

    @abstractmethod
    def _replace(self, path: str, content: bytes, writer: str, revision: str) -> str | None:
        """Write an object if it still has a revision.

        Args:
            path: the file.
            content: its new content.
            writer: a name for this write that no other write uses.
            revision: the expected one; ABSENT if the object must not exist.

        Returns:
            The object's revision by this writer; None if the object has another one than expected, by another.
        """

    @abstractmethod
    def _read_revision(self, path: str) -> tuple[bytes, str] | None:
        """An object's content and the revision it is of; None if there is no such object."""

    @abstractmethod
    def _delete_revision(self, path: str, revision: str) -> None:
        """Delete an object if it still has a revision; does nothing otherwise."""

    @abstractmethod
    def _download(self, path: str, file: Path) -> None:
        """Write an object's content to a local file."""

    def _folder_prefix(self, folder: str) -> str:
        """What the names of all objects under a folder begin with."""
        return f"{self.prefix}{folder.strip('/')}/" if folder.strip("/") else self.prefix

    @override
    def read(self, path: str) -> bytes | None:
        stored = self._read_revision(path)
        return stored[0] if stored else None

    @override
    def create(self, path: str, content: bytes) -> bool:
        return self._replace(path, content, uuid.uuid4().hex, ABSENT) is not None

    @override
    @contextlib.contextmanager
    def local(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
            file = Path(folder) / Path(path).name
            self._download(path, file)
            yield file

    @override
    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[None]:
        path, owner = f"leases/{name}.json", f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"

        revision = self._wait_for_lease(name, lambda: self._acquire(path, owner), POLL_SECONDS)
        released = threading.Event()

        def renew() -> None:
            nonlocal revision
            while not released.wait(LEASE_SECONDS / 4):
                # Errors of an outage are no reason to give up: it may be over before the lease expires. If it is not,
                # and another process takes the lease, the revision differs and the release reports the loss.
                with contextlib.suppress(*self.outages, OSError):
                    renewed = self._replace(path, _lease(owner, LEASE_SECONDS), owner, revision)
                    if renewed is None:
                        return
                    revision = renewed

        def release() -> bool:
            # The thread ends first: a renewal under way would change the revision that the release asks for.
            released.set()
            renewal.join()
            return self._release(path, owner, revision)

        renewal = threading.Thread(target=renew, daemon=True)
        renewal.start()
        try:
            yield
        except BaseException:
            release()  # lost or not, the error of the work says more
            raise
        if not release():
            raise LumbungError(
                "the lease was lost: this process stood still for longer than it lasts, and another has taken it",
                where=self.address(f"leases/{name}"),
                remedy="run the day again",
            )

    def _acquire(self, path: str, owner: str) -> str | None:
        """Take a lease that is free or expired: its revision; None while another holds it."""
        stored = self._read_revision(path)
        if stored is None:
            return self._replace(path, _lease(owner, LEASE_SECONDS), owner, ABSENT)
        content, revision = stored
        if json.loads(content)["expires"] > time.time():
            return None
        # Of the revision just read: if its holder has renewed it since, or another has taken it over, this fails.
        return self._replace(path, _lease(owner, LEASE_SECONDS), owner, revision)

    def _release(self, path: str, owner: str, revision: str) -> bool:
        """Free the lease; False if another process has taken it.

        It is made to expire, and then deleted: whether a delete that is repeated and finds nothing was the first to
        come, or another process has taken the lease, ended its work and deleted it, nothing would tell.

        Args:
            path: the lease.
            owner: who holds it.
            revision: of its last renewal.
        """
        expired = self._replace(path, _lease(owner, 0), owner, revision)
        if expired is None:
            return False
        self._delete_revision(path, expired)  # unless it was deleted, or taken by the next one
        return True


def _lease(owner: str, seconds: float) -> bytes:
    return json.dumps({"owner": owner, "expires": time.time() + seconds}).encode()
