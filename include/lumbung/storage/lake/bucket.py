"""A lake in a Cloud Storage bucket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, override
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError
from lumbung.storage.lake.base import Lake, Stored

LEASE_SECONDS = 60.0
POLL_SECONDS = 2.0


class BucketLake(Lake):
    """A lake in a bucket, under an optional prefix.

    An object appears when its upload is complete, so every write is atomic.

    Leases are objects that hold their owner and the time they expire. Every write of an object gives it a new
    generation, and a write or delete can be made conditional on the present generation (0: no such object). So of
    several processes that take a free or expired lease exactly one succeeds, and a holder renews and releases only a
    lease that is still its own. Nothing reports that a process has died, hence the expiry: the lease of a killed holder
    is free after LEASE_SECONDS at most. A live holder renews it every quarter of that, so the clocks of two machines
    may differ by three quarters of it.

    A holder that stands still for longer than LEASE_SECONDS (a suspended machine, a long outage) loses the lease to
    the next process. Nothing can stop it at that moment, but its work does not end as a success: releasing a lost lease
    raises.

    Args:
        uri: `gs://bucket` or `gs://bucket/prefix`.
        client: a client of google-cloud-storage; by default one with the default credentials.
    """

    def __init__(self, uri: str, client: Any = None) -> None:
        # Here and below: google-cloud-storage is slow to import, and a lake in a folder does not need it.
        from google.cloud import storage  # type: ignore[attr-defined]

        super().__init__(uri)
        parts = urlsplit(self.uri)
        self.bucket = (client or storage.Client()).bucket(parts.netloc)
        self.prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""

    def _blob(self, path: str) -> Any:
        return self.bucket.blob(self.prefix + path)

    def _folder_prefix(self, folder: str) -> str:
        """What the names of all objects under a folder begin with."""
        return f"{self.prefix}{folder.strip('/')}/" if folder.strip("/") else self.prefix

    @override
    def read(self, path: str) -> bytes | None:
        from google.api_core.exceptions import NotFound

        try:
            return bytes(self._blob(path).download_as_bytes())
        except NotFound:
            return None

    @override
    def write(self, path: str, content: bytes) -> None:
        self._blob(path).upload_from_string(content)

    @override
    def create(self, path: str, content: bytes) -> bool:
        return self._replace(path, content, generation=0) is not None

    def _replace(self, path: str, content: bytes, generation: int) -> int | None:
        """Write an object if it still has a generation.

        Args:
            path: the file.
            content: its new content.
            generation: the expected one; 0 if the object must not exist.

        Returns:
            The new generation; None if the object has another one than expected.
        """
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob(path)
        try:
            blob.upload_from_string(content, if_generation_match=generation)
        except PreconditionFailed:
            return None
        return int(blob.generation)

    @override
    def put(self, file: Path, path: str) -> None:
        self._blob(path).upload_from_filename(str(file))
        file.unlink()

    @override
    def names(self, folder: str) -> list[str]:
        prefix = self._folder_prefix(folder)
        blobs = self.bucket.client.list_blobs(self.bucket, prefix=prefix, delimiter="/")
        files = {blob.name for blob in blobs}  # before .prefixes, which is filled while blobs are listed
        # The console of a bucket marks a folder by an object with the folder's name.
        return sorted(name.removeprefix(prefix).rstrip("/") for name in {*files, *blobs.prefixes} - {prefix})

    @override
    def files(self, folder: str) -> list[Stored]:
        blobs = self.bucket.client.list_blobs(self.bucket, prefix=self._folder_prefix(folder))
        return [Stored(blob.name.removeprefix(self.prefix), blob.size, blob.updated) for blob in blobs]

    @override
    def delete_empty(self, folder: str) -> None:
        """Does nothing: a bucket has no folders."""

    @override
    def delete(self, path: str) -> None:
        from google.api_core.exceptions import NotFound

        with contextlib.suppress(NotFound):
            self._blob(path).delete()

    @override
    @contextlib.contextmanager
    def local(self, path: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
            file = Path(folder) / Path(path).name
            self._blob(path).download_to_filename(str(file))
            yield file

    @override
    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[None]:
        from google.api_core.exceptions import GoogleAPICallError, RetryError

        path, owner = f"leases/{name}.json", f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"

        def content() -> bytes:
            return json.dumps({"owner": owner, "expires": time.time() + LEASE_SECONDS}).encode()

        generation = self._wait_for_lease(name, lambda: self._acquire(path, content()), POLL_SECONDS)
        released = threading.Event()

        def renew() -> None:
            nonlocal generation
            while not released.wait(LEASE_SECONDS / 4):
                # Errors of an outage are no reason to give up: it may be over before the lease expires. If it is not,
                # and another process takes the lease, the generation differs and the release reports the loss.
                with contextlib.suppress(GoogleAPICallError, RetryError, OSError):
                    renewed = self._replace(path, content(), generation)
                    if renewed is None:
                        return
                    generation = renewed

        def release() -> bool:
            # The thread ends first: a renewal under way would change the generation that the release asks for.
            released.set()
            renewal.join()
            return self._release(path, generation)

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

    def _acquire(self, path: str, content: bytes) -> int | None:
        """Take a lease that is free or expired: its generation; None while another holds it."""
        from google.api_core.exceptions import NotFound

        blob = self._blob(path)
        try:
            lease = json.loads(blob.download_as_bytes())
        except NotFound:
            return self._replace(path, content, generation=0)
        if lease["expires"] > time.time():
            return None
        # Of the generation just read: if its holder has renewed it since, or another has taken it over, this fails.
        return self._replace(path, content, generation=int(blob.generation))

    def _release(self, path: str, generation: int) -> bool:
        """Delete the lease; False if another process holds it by now."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        try:
            self._blob(path).delete(if_generation_match=generation)
        except (NotFound, PreconditionFailed):
            return False
        return True
