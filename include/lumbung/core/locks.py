"""File locks, by which processes of one machine take turns or share what they start."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def locked(path: Path, operation: int) -> Iterator[IO[str]]:
    """Hold a lock (flock), which vanishes with its process.

    Args:
        path: the lock file; it stays.
        operation: `fcntl.LOCK_EX` or `LOCK_SH`, with `LOCK_NB` or without.

    Raises:
        BlockingIOError: `LOCK_NB` was given and somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, operation)
        yield file
