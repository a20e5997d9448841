"""A lake in a container of Azure Blob Storage."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, override
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError, first_line
from lumbung.core.settings import Settings, variable
from lumbung.storage.lake.base import Stored
from lumbung.storage.lake.objects import ABSENT, ObjectLake

WRITER = "lumbung_writer"  # in a blob's metadata, whose names have no dashes here
FOLDER_MARK = "hdi_isfolder"  # in the metadata of a blob that stands for a folder
# The newest that Azurite 3.35.0 supports: what is tested is what is sent.
API_VERSION = "2025-11-05"
# A file up to this size is one request; a larger one is sent in blocks. Both are held in memory.
SINGLE_BYTES = 64 * 1024 * 1024
BLOCK_BYTES = 32 * 1024 * 1024
RETRIES = 4  # after 2, 4, 8 and 16 seconds


class AzureError(LumbungError):
    """Azure refuses a request."""


class AzureUnavailableError(AzureError):
    """Azure cannot be reached, or cannot do it now; the client has repeated the request."""

    transient: ClassVar[bool] = True


class AzureLake(ObjectLake):
    """A lake in a container, under an optional prefix; an object's revision is its ETag.

    Accounts with a hierarchical namespace have folders, which they and some tools show as empty blobs with a mark in
    their metadata. They are not files here, and empty ones are deleted as in a folder.

    Args:
        uri: `az://container[/prefix]` or `abfss://container@account.dfs.core.windows.net[/prefix]`.
        container: a container client of azure-storage-blob, see `connect`.
    """

    def __init__(self, uri: str, container: Any) -> None:
        super().__init__(uri)
        self.outages = (AzureError,)
        self.container = container

    def _blob(self, path: str) -> Any:
        return self.container.get_blob_client(self.prefix + path)

    @contextlib.contextmanager
    def _asked(self, path: str) -> Iterator[None]:
        """Turn the client's errors into errors with a place and a remedy."""
        from azure.core.exceptions import AzureError as ClientError
        from azure.core.exceptions import ClientAuthenticationError

        try:
            yield
        except ClientError as error:
            status = getattr(error, "status_code", None)  # None: there was no answer
            is_denied = isinstance(error, ClientAuthenticationError) or (status and status < 500 and status != 429)
            kind = AzureError if is_denied else AzureUnavailableError
            remedy = "check the lake with `lumbung doctor`, then run again"
            raise kind(first_line(error), where=self.address(path), remedy=remedy) from error

    def _read[T](self, path: str, take: Callable[[Any], T]) -> tuple[T, str] | None:
        """What `take` makes of a download, and the blob's ETag; None if there is no such blob."""
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        with self._asked(path):
            while True:
                try:
                    download = self._blob(path).download_blob()
                    return take(download), download.properties.etag
                except ResourceModifiedError:  # replaced while a large one was read in parts
                    continue
                except ResourceNotFoundError as error:
                    _raise_without_container(error)
                    return None

    @override
    def _read_revision(self, path: str) -> tuple[bytes, str] | None:
        return self._read(path, lambda download: bytes(download.readall()))

    @override
    def _download(self, path: str, file: Path) -> None:
        def write(download: Any) -> None:
            with file.open("wb") as stream:
                download.readinto(stream)

        if self._read(path, write) is None:
            raise LumbungError("there is no such file", where=self.address(path), remedy="run the day again")

    @override
    def write(self, path: str, content: bytes) -> None:
        with self._asked(path):
            self._blob(path).upload_blob(content, overwrite=True)

    @override
    def _replace(self, path: str, content: bytes, writer: str, revision: str) -> str | None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

        blob = self._blob(path)
        condition: dict[str, Any] = {"overwrite": False}
        if revision != ABSENT:
            condition = {"overwrite": True, "etag": revision, "match_condition": MatchConditions.IfNotModified}
        with self._asked(path):
            try:
                return str(blob.upload_blob(content, metadata={WRITER: writer}, **condition)["etag"])
            except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError) as error:
                _raise_without_container(error)
            try:
                present = blob.get_blob_properties()
            except ResourceNotFoundError:
                return None
        return str(present.etag) if present.metadata.get(WRITER) == writer else None

    @override
    def put(self, file: Path, path: str) -> None:
        with self._asked(path):
            if file.stat().st_size <= SINGLE_BYTES:
                self._blob(path).upload_blob(file.read_bytes(), overwrite=True)
            else:
                _upload_blocks(file, self._blob(path))
        file.unlink()

    @override
    def names(self, folder: str, start: str = "") -> list[str]:
        prefix = self._folder_prefix(folder)
        with self._asked(folder):
            # The client could ask for names from `start` on, which Azurite passes over, and for which accounts is not
            # documented. So all are listed; 5,000 are one request.
            items = [item.name for item in self.container.walk_blobs(name_starts_with=prefix, delimiter="/")]
        names = {name.removeprefix(prefix).rstrip("/") for name in items if name != prefix}
        return sorted(name for name in names if name >= start)

    def _listed(self, folder: str) -> tuple[list[Stored], list[str]]:
        """The files under a folder, and the folders that have a mark of their own, both by path."""
        files, folders = [], []
        with self._asked(folder):
            blobs = self.container.list_blobs(name_starts_with=self._folder_prefix(folder), include=["metadata"])
            for blob in blobs:
                path = blob.name.removeprefix(self.prefix)
                if (blob.metadata or {}).get(FOLDER_MARK) == "true":
                    folders.append(path)
                else:
                    files.append(Stored(path, blob.size, blob.last_modified))
        return sorted(files, key=lambda file: file.path), sorted(folders)

    @override
    def files(self, folder: str) -> list[Stored]:
        return self._listed(folder)[0]

    @override
    def delete_empty(self, folder: str) -> None:
        files, folders = self._listed(folder)
        for path in reversed(folders):
            if not any(file.path.startswith(f"{path}/") for file in files):
                self.delete(path)

    @override
    def delete(self, path: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with self._asked(path):
            try:
                self._blob(path).delete_blob()
            except ResourceNotFoundError as error:
                _raise_without_container(error)

    @override
    def _delete_revision(self, path: str, revision: str) -> None:
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        with self._asked(path), contextlib.suppress(ResourceModifiedError, ResourceNotFoundError):
            self._blob(path).delete_blob(etag=revision, match_condition=MatchConditions.IfNotModified)


def connect(settings: Settings) -> Any:
    """A client of the container that `settings.lake_uri` names; it asks nothing yet.

    Raises:
        LumbungError: the packages that it needs are not installed.
    """
    try:
        from azure.identity import DefaultAzureCredential
        from azure.storage.blob import BlobServiceClient, ExponentialRetry
    except ImportError as error:
        raise LumbungError(
            f"a lake on Azure needs packages that are not installed ({error})",
            where=variable("lake_uri"),
            remedy="run `make install-azure`; an image is built with `--build-arg EXTRAS=azure`",
        ) from error
    logging.getLogger("azure").setLevel(logging.WARNING)  # it would report each request
    options: dict[str, Any] = {
        "api_version": API_VERSION,
        # The client's own waits 15 seconds before it repeats a request: a lease is renewed that often. The kinds of
        # failure have bounds of their own, which are 3 whatever the total is.
        "retry_policy": ExponentialRetry(
            initial_backoff=0,
            increment_base=2,
            random_jitter_range=1,
            retry_total=RETRIES,
            retry_connect=RETRIES,
            retry_read=RETRIES,
            retry_status=RETRIES,
        ),
        "max_single_put_size": SINGLE_BYTES,
        "max_chunk_get_size": BLOCK_BYTES,
    }
    parts = urlsplit(settings.lake_uri)
    if settings.azure.connection_string:
        service = BlobServiceClient.from_connection_string(
            settings.azure.connection_string.get_secret_value(), **options
        )
    else:
        host = (parts.hostname or "").replace(".dfs.", ".blob.", 1)
        if parts.scheme == "az":
            host = f"{settings.azure.account}.blob.core.windows.net"
        service = BlobServiceClient(f"https://{host}", DefaultAzureCredential(), **options)
    return service.get_container_client(parts.username or parts.netloc)


def _raise_without_container(error: Any) -> None:
    """Raises an error that is about the container, not about a blob in it."""
    if error.error_code == "ContainerNotFound":
        raise error


def _upload_blocks(file: Path, blob: Any) -> None:
    """Upload a file in blocks whose names no other upload uses.

    The client's own upload names blocks by their place. The blocks of two uploads of one blob at the same time would
    replace each other, and what is then committed may be a mixture.

    Args:
        file: the local file.
        blob: a client of the blob.
    """
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobBlock

    while True:
        upload = uuid.uuid4().hex
        blocks: list[BlobBlock] = []
        with file.open("rb") as stream:
            while content := stream.read(BLOCK_BYTES):
                blocks.append(BlobBlock(f"{upload}{len(blocks):08}"))
                blob.stage_block(blocks[-1].id, content)
        try:
            blob.commit_block_list(blocks)
        except HttpResponseError as error:
            # Another upload has been committed meanwhile, which discards these blocks.
            if getattr(error, "error_code", None) != "InvalidBlockList":
                raise
        else:
            return
