"""What the API of models serves, and who is let in."""

from __future__ import annotations

from collections.abc import Iterator

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings, variable
from lumbung.models.release import newest_release
from lumbung.serving.api.keys import MADE, Keys
from lumbung.serving.schema import Finding
from lumbung.storage.lake import Lake, open_lake


def check(settings: Settings) -> Iterator[Finding]:
    """The release's files are there, and a file of keys can be read."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield _served(open_lake(settings))
    except (LumbungError, GoogleAPIError, GoogleAuthError, OSError):  # the check of the lake says why
        yield Finding("models", True, "not known: the lake cannot be read")
    if settings.api.keys_file:
        Keys((), settings.api.keys_file)
        yield Finding("API keys", True, f"{settings.api.keys_file} can be read")
    elif settings.api.keys:
        yield Finding("API keys", True, f"{variable('api_keys')} is set")
    else:
        yield Finding("API keys", True, f"one is made in {settings.home / MADE} when models are served")


def _served(lake: Lake) -> Finding:
    release = newest_release(lake)
    if release is None:
        return Finding("models", True, "nothing is served yet")
    paths = {model.file.path for model in release.models if not model.pruned}
    folders = {path.rpartition("/")[0] for path in paths}
    missing = sorted(paths - {f"{folder}/{name}" for folder in folders for name in lake.names(folder)})
    if missing:
        return Finding(
            "models",
            False,
            f"release {release.generation} names files that are gone: {', '.join(map(lake.address, missing))}",
            "put them back from a copy of the lake; or delete the .json beside each and run lumbung models run",
        )
    latest = " and ".join(release.latest.values())
    found = f"release {release.generation} serves {len(paths)} files of models by {release.by}; latest: {latest}"
    return Finding("models", True, found)
