"""Files of the lake as the engine of a Spark session reads them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake

COPIERS = 8


def readable(settings: Settings, lake: Lake, paths: Sequence[str], copies: ExitStack) -> list[str]:
    """The files as the engine of a session reads them.

    Sail gets local copies of what is in a store of objects: its own client for `gs://` refuses impersonated
    credentials, and each would be a second identity. A Spark Connect server has its own.

    Args:
        settings: name the engine and the lake.
        lake: the lake.
        paths: the files in the lake.
        copies: deletes the copies when it is closed.

    Raises:
        LumbungError: the lake's folder has a name that Spark takes for a pattern of names.
    """
    folder = settings.lake_folder
    if folder and set(str(folder)) & set("*?[]{}"):
        raise LumbungError(
            "Spark takes this folder's name for a pattern",
            where=str(folder),
            remedy="move it to a path without * ? [ ] { }",
        )
    if settings.spark.engine == "sail":
        with ThreadPoolExecutor(COPIERS) as pool:  # a bucket answers each after a while
            return [str(file) for file in pool.map(copies.enter_context, map(lake.local, paths))]
    return [str(folder / path) if folder else lake.address(path) for path in paths]
