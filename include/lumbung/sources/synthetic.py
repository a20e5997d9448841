"""Folders of synthetic source files, which appear together when all of them are written."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

from lumbung.core.errors import LumbungError


@contextlib.contextmanager
def replaced(folder: Path, names: Collection[str], *, room: str) -> Iterator[dict[str, Path]]:
    """Temporary files by name, which replace the files of a folder at the end: a killed run leaves what was there.

    Args:
        folder: made if it is not there. It may hold the files, and no others.
        names: the files.
        room: what they take on the disk, such as "400 bytes a contract".

    Raises:
        LumbungError: the folder holds other files, or cannot be written.
    """
    parts = {name: folder / f".{name}.part" for name in names}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_other_files(folder, {*names, *(part.name for part in parts.values())})
        try:
            yield parts
            for name, part in parts.items():
                part.replace(folder / name)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
    except OSError as error:
        raise LumbungError(
            f"the sources cannot be written ({error.strerror})",
            where=str(error.filename or folder),
            remedy=f"give a folder that can be written, with room for {room}",
        ) from error


def _refuse_other_files(folder: Path, ours: set[str]) -> None:
    if strangers := sorted(path.name for path in folder.iterdir() if path.name not in ours):
        raise LumbungError(
            f"the folder holds other files: {', '.join(strangers[:5])}{', …' if strangers[5:] else ''}",
            where=str(folder),
            remedy="give a new or empty folder",
        )
