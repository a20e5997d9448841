"""Lines of a file, each read up to a bound."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase
from typing import BinaryIO


def bounded_lines(file: BinaryIO | BufferedIOBase, limit: int) -> Iterator[tuple[int, bytes]]:
    """Read lines without ever holding much more than `limit` bytes, however long a line is.

    Args:
        file: any binary file, compressed or not; read from where it stands.
        limit: bytes of a line, its end included. Of a longer one the first `limit` + 1 bytes are given, so that its
            length shows that it is cut; the rest is skipped.

    Yields:
        The line's number, from 1, and the line with its end.
    """
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        yield number, line
        while len(line) > limit and not line.endswith(b"\n"):
            line = file.readline(limit + 1)
