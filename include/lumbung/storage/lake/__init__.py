"""The lake: files by path, in a folder or in a Cloud Storage bucket, with create-if-absent and leases."""

from lumbung.core.settings import Settings
from lumbung.storage.lake.base import Lake, Stored, sha256
from lumbung.storage.lake.bucket import BucketLake
from lumbung.storage.lake.folder import FolderLake

__all__ = ["BucketLake", "FolderLake", "Lake", "Stored", "open_lake", "sha256"]


def open_lake(settings: Settings) -> Lake:
    """The lake at `settings.lake_uri`."""
    folder = settings.lake_folder
    return FolderLake(settings.lake_uri, folder) if folder else BucketLake(settings.lake_uri)
