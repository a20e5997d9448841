"""A lake in a Cloud Storage bucket."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, override
from urllib.parse import urlsplit

from lumbung.storage.lake.base import Stored
from lumbung.storage.lake.objects import ObjectLake

WRITER = "lumbung-writer"  # in an object's metadata


class BucketLake(ObjectLake):
    """A lake in a bucket, under an optional prefix; an object's revision is its generation.

    Args:
        uri: `gs://bucket` or `gs://bucket/prefix`.
        client: a client of google-cloud-storage; by default one with the default credentials.
    """

    def __init__(self, uri: str, client: Any = None) -> None:
        # For traces that are not collected, the client would ask for the bucket after each file that is not there.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        # Here and below: google-cloud-storage is slow to import, and a lake in a folder does not need it.
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.cloud import storage  # type: ignore[attr-defined]

        super().__init__(uri)
        self.outages = (GoogleAPICallError, RetryError)
        self.bucket = (client or storage.Client()).bucket(urlsplit(self.uri).netloc)

    def _blob(self, path: str) -> Any:
        return self.bucket.blob(self.prefix + path)

    @override
    def _read_revision(self, path: str) -> tuple[bytes, str] | None:
        from google.api_core.exceptions import NotFound

        blob = self._blob(path)
        try:
            return bytes(blob.download_as_bytes()), f"{blob.generation}"
        except NotFound:
            return None

    @override
    def write(self, path: str, content: bytes) -> None:
        self._blob(path).upload_from_string(content)

    @override
    def _replace(self, path: str, content: bytes, writer: str, revision: str) -> str | None:
        from google.api_core.exceptions import NotFound, PreconditionFailed

        blob = self._blob(path)
        blob.metadata = {WRITER: writer}
        try:
            blob.upload_from_string(content, if_generation_match=int(revision or 0))  # 0: no such object
        except (PreconditionFailed, NotFound):
            blob = self.bucket.get_blob(blob.name)
            if blob is None or (blob.metadata or {}).get(WRITER) != writer:
                return None
        return f"{blob.generation}"

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
    def _delete_revision(self, path: str, revision: str) -> None:
        from google.api_core.exceptions import NotFound, PreconditionFailed

        with contextlib.suppress(NotFound, PreconditionFailed):
            self._blob(path).delete(if_generation_match=int(revision))

    @override
    def _download(self, path: str, file: Path) -> None:
        self._blob(path).download_to_filename(str(file))
