"""The lake: a folder, a bucket or a container on Azure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from lumbung.cli.doctor.machine import writable
from lumbung.core.errors import LumbungError, first_line
from lumbung.core.settings import Settings, variable
from lumbung.serving.schema import Finding
from lumbung.storage.lake import open_lake
from lumbung.storage.lake.azure import AzureError

OF_BUCKET = "see the credentials and the bucket's name; you need the role Storage Object User on it, and see"
OF_CONTAINER = (
    "see the credentials and the container's name; you need the role Storage Blob Data Contributor on it"
    f" (`az login` on a laptop), or {variable('azure_connection_string')}, and see"
)


def check(settings: Settings) -> Iterator[Finding]:
    """Whether the lake can be written, listed and read."""
    if folder := settings.lake_folder:
        yield writable("lake", folder, "lake_uri")
        return
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    probe = f"doctor/{uuid.uuid4().hex}"
    try:
        lake = open_lake(settings)
        lake.write(probe, b"probe")
        is_kept = lake.read(probe) == b"probe" and probe.rpartition("/")[2] in lake.names("doctor")
        lake.delete(probe)
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        yield Finding("lake", False, f"{settings.lake_uri}: {first_line(error)}", f"{OF_BUCKET} {variable('lake_uri')}")
    except AzureError as error:
        yield Finding("lake", False, f"{settings.lake_uri}: {error.what}", f"{OF_CONTAINER} {variable('lake_uri')}")
    except LumbungError as error:
        yield Finding("lake", False, f"{settings.lake_uri}: {error.what}", error.remedy)
    else:
        yield Finding("lake", is_kept, f"{settings.lake_uri} is written, listed and read", "see the store's retention")
