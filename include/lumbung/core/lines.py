"""Lines of a file, each read up to a bound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Readable[T](Protocol):
    """A file of bytes, compressed or not, or of text whose lines end in a line feed only."""

    def readline(self, limit: int, /) -> T:
        """The next line, or its first `limit` bytes or characters."""


def bounded_lines[T: (bytes, str)](file: Readable[T], limit: int, *, first: int = 1) -> Iterator[tuple[int, T]]:
    """Read lines without ever holding much more than `limit` bytes or characters, however long a line is.

    Args:
        file: read from where it stands.
        limit: bytes or characters of a line, its end included. Of a longer one the first `limit` + 1 are given, so
            that its length shows that it is cut; the rest is skipped.
        first: the number of the first line.

    Yields:
        The line's number, and the line with its end.
    """
    number = first
    while line := file.readline(limit + 1):
        yield number, line
        while len(line) > limit and line[-1:] not in ("\n", b"\n"):
            line = file.readline(limit + 1)
        number += 1
