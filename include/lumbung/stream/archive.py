"""An archive of tweets: JSON-lines files, `.gz` too, in a folder, or a single one.

A line is a v1.1 tweet, a v2 tweet, or a v2 answer (`data`, `includes.users`), mixed freely.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from lumbung.core.errors import SourceError
from lumbung.core.lines import bounded_lines
from lumbung.stream import envelope
from lumbung.stream.feed import UnreadableError
from lumbung.stream.items import Item, Refused, unpack

MAX_LINE_BYTES = 16 * 2**20
SHOWN_BYTES = 1000
SHOWN_FILES = 5
BOM = b"\xef\xbb\xbf"
_NAME = re.compile(r"[^.].*\.(jsonl|ndjson|json)(\.gz)?", re.IGNORECASE)


class Archive:
    """The tweets of an archive, file by file in the order of their paths; memory does not grow with it.

    `collected_at` is when the file was last changed, so that the same file gives the same envelopes.

    Args:
        path: a folder, searched at any depth, or a file.

    Raises:
        SourceError: there is no such path, or no JSON-lines file in the folder.
    """

    name = "archive"
    requests = 0
    mills = 0

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        if not path.exists():
            raise SourceError("no such file or folder", where=str(path), remedy="give the archive's path")
        self.files = [path] if path.is_file() else self._found(path)

    def _found(self, folder: Path) -> list[Path]:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        lines = [path for path in files if _NAME.fullmatch(path.name)]
        if not lines:
            raise SourceError(
                "no JSON-lines file is in the folder",
                where=str(folder),
                remedy="put files ending in .jsonl, .ndjson or .json there, with .gz after it if compressed",
            )
        if others := [str(path.relative_to(folder)) for path in files if not _NAME.fullmatch(path.name)]:
            more = f" and {len(others) - SHOWN_FILES} more" if len(others) > SHOWN_FILES else ""
            self.notes.append(f"left out, as they are not JSON lines: {', '.join(others[:SHOWN_FILES])}{more}")
        return lines

    def items(self) -> Generator[Item]:
        """Envelopes and what is not a tweet, line by line; a file that breaks off is refused from there.

        Raises:
            SourceError: a file cannot be opened.
        """
        for path in self.files:
            try:
                file = path.open("rb")
            except OSError as error:
                raise SourceError(
                    f"the file cannot be opened: {error.strerror}",
                    where=str(path),
                    remedy="fix it, then collect again",
                ) from error
            with file:
                yield from _file(str(path), file)


def _file(name: str, file: BufferedReader) -> Iterator[bytes | Refused]:
    collected_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    compressed = file.peek(2)[:2] == b"\x1f\x8b"
    stream = gzip.GzipFile(fileobj=file) if compressed else file
    number = 0
    try:
        for number, line in bounded_lines(stream, MAX_LINE_BYTES):
            content = line.removeprefix(BOM) if number == 1 else line
            yield from _line(name, number, content, collected_at)
    except (EOFError, OSError, zlib.error) as error:
        yield Refused(name, number + 1, f"the rest of the file cannot be read: {error}", b"")


def _line(file: str, number: int, line: bytes, collected_at: datetime) -> Iterator[bytes | Refused]:
    if not line.strip():
        return
    if len(line) > MAX_LINE_BYTES:
        yield Refused(file, number, f"the line has more than {MAX_LINE_BYTES:,} bytes", line[:SHOWN_BYTES])
        return
    try:
        value = envelope.loads(line)
        page = envelope.tweets(value)
        if page is None:
            envelope.read(value)
    except UnreadableError as error:
        yield Refused(file, number, str(error), line.rstrip(b"\r\n"))
    else:
        if page is None:
            yield envelope.wrap(line.decode(), source="archive", collected_at=collected_at)
        else:
            yield from unpack(page, source="archive", collected_at=collected_at, file=file, line=number)
