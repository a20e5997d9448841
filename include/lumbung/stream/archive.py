"""An archive of tweets: a folder or a file, as it was collected or exported, compressed or packed.

What is in a file is seen from its content: `containers` opens it, `json_objects` finds the objects, `shapes` says what
they are. Each tweet becomes an envelope; everything else is refused, with the file, the line and the reason.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from lumbung.core.errors import SourceError
from lumbung.stream import containers, envelope, shapes
from lumbung.stream.containers import HEAD_BYTES, NEIGHBOUR_BYTES, LeftOut, Text, Unread
from lumbung.stream.feed import UnreadableError
from lumbung.stream.items import Checkpoint, Item, Refused, unpack
from lumbung.stream.json_objects import ASSIGNMENT, Broken, Found, Objects

MAX_LINE_BYTES = 16 * 2**20
SHOWN_FILES = 5
EMPTY = "no file of tweets is in it"


class Archive:
    """The tweets of an archive, file by file in the order of their paths; memory does not grow with it.

    `collected_at` is when the file was last changed, so that the same file gives the same envelopes.

    Args:
        path: a folder, searched at any depth, or a file.

    Raises:
        SourceError: there is no such path, or no file in the folder that may hold tweets.
    """

    name = "archive"
    requests = 0
    mills = 0

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise SourceError("no such file or folder", where=str(path), remedy="give the archive's path")
        self.path, self.is_file = path, path.is_file()
        self._left_out: list[str] = []
        self._nameless: list[str] = []
        self.files = [path] if self.is_file else self._found(path)

    @property
    def notes(self) -> list[str]:
        """Which files were passed over, and which tweets have no author's name."""
        notes = []
        if self._left_out:
            notes.append(f"left out, as they hold no tweets: {_some(self._left_out)}")
        if self._nameless:
            notes.append(f"no account.js with the author's name is beside {_some(self._nameless)}")
        return notes

    def _found(self, folder: Path) -> list[Path]:
        found = []
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
            with _opened(path) as file:
                if containers.is_candidate(path.name, file.read(HEAD_BYTES)):
                    found.append(path)
                else:
                    self._leave_out(str(path))
        if not found:
            raise SourceError(
                "no JSON-lines file is in the folder",
                where=str(folder),
                remedy="put files ending in .jsonl, .ndjson or .json there, or others that hold JSON; they may be"
                " compressed, or in a zip or tar",
            )
        return found

    def items(self) -> Generator[Item]:
        """Envelopes and what is not a tweet, line by line; a file that breaks off is refused from there.

        Raises:
            SourceError: a file cannot be opened, or nothing of one could be read; the latter after all else was given.
        """
        unread: list[Refused] = []
        for path in self.files:
            is_read, first = False, None
            with _opened(path) as file:
                for item in self._file(path, file):
                    if isinstance(item, Refused) and not item.is_notice:
                        first = first or item
                    else:
                        is_read = True
                    yield item
            if first and not is_read:
                unread.append(first)
        if unread:
            yield Checkpoint(lambda: None)
            more = f"; nor of {len(unread) - 1} more files" if len(unread) > 1 else ""
            raise SourceError(
                f"nothing could be read of it: {unread[0].reason}{more}",
                where=f"{unread[0].file}:{unread[0].line}",
                remedy="give tweets as JSON in UTF-8, or move the file out of the archive; what the other files hold is"
                " in the spool, and what was refused is there with its reason",
            )

    def _file(self, path: Path, file: BufferedReader) -> Iterator[bytes | Refused]:
        def neighbour(name: str) -> bytes | None:
            beside = path.parent / name
            if not beside.is_file():
                return None
            with _opened(beside) as opened:
                return opened.read(NEIGHBOUR_BYTES)

        collected_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        is_empty = True
        for entry in containers.texts(str(path), file, neighbour, is_given=self.is_file):
            match entry:
                case LeftOut():
                    self._leave_out(entry.name)
                    continue
                case Unread():
                    yield Refused(entry.name, 1, entry.reason, b"")
                case Text() if entry.export and entry.export not in shapes.EXPORTED:
                    if entry.name != str(path) or not self.is_file:
                        self._leave_out(entry.name)
                        continue
                    yield Refused(entry.name, 1, f"{entry.export} of a data export, which holds no tweets", b"")
                case Text():
                    yield from self._text(entry, collected_at)
            is_empty = False
        if is_empty and self.is_file:
            yield Refused(str(path), 1, EMPTY, b"")

    def _text(self, text: Text, collected_at: datetime) -> Iterator[bytes | Refused]:
        author = _author(text.neighbour("account.js")) if text.export else None
        if text.export and not author:
            self._nameless.append(text.name)
        objects = Objects(text.stream, MAX_LINE_BYTES, shapes.is_tweet_or_page)
        broken: Broken | None = None
        for found in objects:
            if broken:
                yield Refused(text.name, broken.line, broken.reason, broken.raw)
            broken = found if isinstance(found, Broken) else None
            if isinstance(found, Found) and text.export in shapes.EXPORTED_DELETED:
                yield _notice(text, found, "a tweet that its author has deleted")
            elif isinstance(found, Found):
                yield from _object(text, found, author, collected_at)
        if error := text.stream.error:
            # The object in which it breaks off is a part of it.
            line, raw = (broken.line, broken.raw) if broken else (objects.line, b"")
            yield Refused(text.name, line, f"the rest of the file cannot be read: {error}", raw)
        elif broken:
            yield Refused(text.name, broken.line, broken.reason, broken.raw)

    def _leave_out(self, name: str) -> None:
        self._left_out.append(name.removeprefix(f"{self.path}/"))


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise SourceError(
            f"the file cannot be opened: {error.strerror}", where=str(path), remedy="fix it, then collect again"
        ) from error


def _object(text: Text, found: Found, author: str | None, collected_at: datetime) -> Iterator[bytes | Refused]:
    value = found.value
    if kind := shapes.notice(value):
        yield _notice(text, found, f"not a tweet, but the stream's notice {kind}")
        return
    for missing in shapes.missing(value):
        yield Refused(text.name, found.line, missing.reason, json.dumps(missing.error).encode(), is_notice=True)
    holder = shapes.contained(value)
    if holder is None and shapes.with_author(value, author) is value:
        try:
            envelope.read(value)
        except UnreadableError as error:
            yield Refused(text.name, found.line, str(error), found.text.encode())
        else:
            yield envelope.wrap(found.text, source="archive", collected_at=collected_at)
        return
    member, page = holder or ("tweet", [value])
    yield from unpack(
        [shapes.with_author(tweet, author) for tweet in page],
        source="archive",
        collected_at=collected_at,
        file=text.name,
        line=found.line,
        member=member,
    )


def _notice(text: Text, found: Found, reason: str) -> Refused:
    return Refused(text.name, found.line, reason, found.text.encode(), is_notice=True)


def _author(account: bytes | None) -> str | None:
    """The user name in a data export's account.js."""
    try:
        content = ASSIGNMENT.sub("", (account or b"").decode(), count=1)
        name = json.loads(content.strip().rstrip(";"))[0]["account"]["username"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) and name else None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_FILES} more" if len(names) > SHOWN_FILES else ""
    return f"{', '.join(names[:SHOWN_FILES])}{more}"
