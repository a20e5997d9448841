"""The lake: files by path, in a folder, a bucket or a container on Azure, with create-if-absent and leases."""

from lumbung.core.settings import Settings
from lumbung.storage.lake.azure import AzureLake, connect
from lumbung.storage.lake.base import Lake, Stored, sha256
from lumbung.storage.lake.bucket import BucketLake
from lumbung.storage.lake.folder import FolderLake

__all__ = ["AzureLake", "BucketLake", "FolderLake", "Lake", "Stored", "open_lake", "sha256"]


def open_lake(settings: Settings) -> Lake:
    """The lake at `settings.lake_uri`.

    Raises:
        LumbungError: it is on Azure, and the packages for that are not installed.
    """
    if folder := settings.lake_folder:
        return FolderLake(settings.lake_uri, folder)
    if settings.is_lake_on_azure:
        return AzureLake(settings.lake_uri, connect(settings))
    return BucketLake(settings.lake_uri)
