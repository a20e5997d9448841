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
WRITER = "lumbung-writer"  # in an object's metadata


class BucketLake(Lake):
    """A lake in a bucket, under an optional prefix.

    An object appears when its upload is complete, so every write is atomic.

    Leases are objects that hold their owner and the time they expire. Every write of an object gives it a new
    generation, and a write or delete can be made conditional on the present generation (0: no such object). So of
    several processes that take a free or expired lease exactly one succeeds, and a holder renews and releases only a
    lease that is still its own. Nothing reports that a process has died, hence the expiry: the lease of a killed holder
    is free after LEASE_SECONDS at most. A live holder renews it every quarter of that, so the clocks of two machines
    may differ by three quarters of it.

    The client repeats a request whose answer was lost. If the first one had arrived, the repeated one is refused,
    because of this process's own write. So each conditional write names its writer in the object's metadata, and when
    one is refused, the object says whose it is.

    A holder that stands still for longer than LEASE_SECONDS (a suspended machine, a long outage) loses the lease to
    the next process. Nothing can stop it at that moment, but its work does not end as a success: releasing a lost lease
    raises.

    Args:
        uri: `gs://bucket` or `gs://bucket/prefix`.
        client: a client of google-cloud-storage; by default one with the default credentials.
    """

    def __init__(self, uri: str, client: Any = None) -> None:
        # For traces that are not collected, the client would ask for the bucket after each file that is not there.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
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
        return self._replace(path, content, uuid.uuid4().hex, generation=0) is not None

    def _replace(self, path: str, content: bytes, writer: str, generation: int) -> int | None:
        """Write an object if it still has a generation.

        Args:
            path: the file.
            content: its new content.
            writer: a name for this write that no other write uses.
            generation: the expected one; 0 if the object must not exist.

        Returns:
            The object's generation by this writer; None if the object has another one than expected, by another.
        """
        from google.api_core.exceptions import NotFound, PreconditionFailed

        blob = self._blob(path)
        blob.metadata = {WRITER: writer}
        try:
            blob.upload_from_string(content, if_generation_match=generation)
        except (PreconditionFailed, NotFound):
            blob = self.bucket.get_blob(blob.name)
            if blob is None or (blob.metadata or {}).get(WRITER) != writer:
                return None
        return int(blob.generation)

    @override
    def put(self, file: Path, path: str) -> None:
        self._blob(path).upload_from_filename(str(file))
        file.unlink()

    @override
    def names(self, folder: str, start: str = "") -> list[str]:
        prefix = self._folder_prefix(folder)
        blobs = self.bucket.client.list_blobs(
            self.bucket, prefix=prefix, delimiter="/", start_offset=prefix + start if start else None
        )
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

        generation = self._wait_for_lease(name, lambda: self._acquire(path, owner), POLL_SECONDS)
        released = threading.Event()

        def renew() -> None:
            nonlocal generation
            while not released.wait(LEASE_SECONDS / 4):
                # Errors of an outage are no reason to give up: it may be over before the lease expires. If it is not,
                # and another process takes the lease, the generation differs and the release reports the loss.
                with contextlib.suppress(GoogleAPICallError, RetryError, OSError):
                    renewed = self._replace(path, _lease(owner, LEASE_SECONDS), owner, generation)
                    if renewed is None:
                        return
                    generation = renewed

        def release() -> bool:
            # The thread ends first: a renewal under way would change the generation that the release asks for.
            released.set()
            renewal.join()
            return self._release(path, owner, generation)

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

    def _acquire(self, path: str, owner: str) -> int | None:
        """Take a lease that is free or expired: its generation; None while another holds it."""
        from google.api_core.exceptions import NotFound

        blob = self._blob(path)
        try:
            lease = json.loads(blob.download_as_bytes())
        except NotFound:
            return self._replace(path, _lease(owner, LEASE_SECONDS), owner, generation=0)
        if lease["expires"] > time.time():
            return None
        # Of the generation just read: if its holder has renewed it since, or another has taken it over, this fails.
        return self._replace(path, _lease(owner, LEASE_SECONDS), owner, generation=int(blob.generation))

    def _release(self, path: str, owner: str, generation: int) -> bool:
        """Free the lease; False if another process has taken it.

        It is made to expire, and then deleted: whether a delete that is repeated and finds nothing was the first to
        come, or another process has taken the lease, ended its work and deleted it, nothing would tell.

        Args:
            path: the lease.
            owner: who holds it.
            generation: of its last renewal.
        """
        from google.api_core.exceptions import NotFound, PreconditionFailed

        expired = self._replace(path, _lease(owner, 0), owner, generation)
        if expired is None:
            return False
        with contextlib.suppress(NotFound, PreconditionFailed):  # deleted, or taken by the next one
            self._blob(path).delete(if_generation_match=expired)
        return True


def _lease(owner: str, seconds: float) -> bytes:
    return json.dumps({"owner": owner, "expires": time.time() + seconds}).encode()
