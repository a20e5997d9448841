"""The JSON objects of a stream, one after the other, in bounded memory.

Most archives have an object a line. Others have several on one, because compressed files were joined, or one over many
lines, or all of them in an array. So brackets and commas between objects are passed over, and an object that does not
end on its line continues on the next ones. After a broken line reading resumes at the next line that begins an object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

from lumbung.stream import envelope
from lumbung.stream.feed import UnreadableError

PIECE_BYTES = 2**20
SHOWN_BYTES = 1000
# A JavaScript file, as X's data export has them, begins with a variable.
ASSIGNMENT = re.compile(r"""[\s\ufeff]*(?:(?:var|let|const)\s+)?[A-Za-z_$][\w$.\[\]'"]*\s*=(?=\s*(?:[\[{]|$))""")

_BETWEEN = re.compile(r"[\s\ufeff,;\[\]]*")
_NEXT_OBJECT = re.compile(r"\n[\s,\[]*(?=\{)")
# Bytes that are not UTF-8, as Python decodes them.
_NO_UTF_8 = re.compile("[\udc80-\udcff]")
# An error so near to a cut may be due to it: `tru`, `\ud83d\ude`.
_CUT_CHARACTERS = 12
# How many places of a broken line are tried, and how long it may be.
_RESCUES, _RESCUE_CHARACTERS = 200, 2**20


@dataclass(frozen=True)
class Found:
    """An object: the line it begins on, from 1, what it is, and its text as it came."""

    line: int
    value: dict[str, Any]
    text: str


@dataclass(frozen=True)
class Broken:
    """Text that is not an object: the line it begins on, from 1, why, and its bytes as they came."""

    line: int
    reason: str
    raw: bytes


class Objects:
    """Reads a stream's objects.

    Args:
        stream: UTF-8, from where it stands.
        limit: bytes of an object at most; a longer one counts as broken.
        is_wanted: whether an object is of the kind that is looked for; only those are taken out of a broken line.

    Attributes:
        line: the line that is read, from 1.
    """

    def __init__(self, stream: BufferedIOBase, limit: int, is_wanted: Callable[[dict[str, Any]], bool]) -> None:
        self.stream, self.limit, self.is_wanted = stream, limit, is_wanted
        self.line = 1
        self._piece_bytes = min(PIECE_BYTES, limit + 1)
        # What has not ended yet, and at how many bytes it is parsed again: at double the size each time, so that
        # a long object is not parsed at each of its lines.
        self._open = bytearray()
        self._look_at = 0
        self._constants: list[str] = []  # NaN and the like, which are not JSON, in the object that was read last
        self._decoder = json.JSONDecoder(parse_constant=self._constants.append)

    def __iter__(self) -> Iterator[Found | Broken]:
        is_first = True
        while piece := self._piece():
            # A line without its end that is not cut either.
            is_end = not piece.endswith(b"\n") and len(piece) < self._piece_bytes
            if is_first and (variable := ASSIGNMENT.match(piece.decode("utf-8", "replace"))):
                piece = piece[len(variable[0].encode()) :]
            is_first = False
            self._open += piece
            if is_end or len(self._open) >= min(self._look_at, self.limit + 1):
                yield from self._take(is_end=is_end)
                if len(self._open) > self.limit:
                    yield self._give_up()
        yield from self._take(is_end=True)

    def _piece(self) -> bytes:
        """A line, or a piece of a long one."""
        piece = self.stream.readline(self._piece_bytes)
        while piece[-1:] > b"\x7f" and (more := self.stream.readline(1)):  # never cut within a character
            piece += more
        return piece

    def _take(self, *, is_end: bool) -> Iterator[Found | Broken]:
        """Read what is there; an object that may be incomplete stays open."""
        text = self._open.decode("utf-8", "surrogateescape")
        self._open.clear()
        self._look_at = position = done = 0
        while True:
            start = _after_separators(text, position)
            self.line += text.count("\n", position, start)
            if start == len(text):
                return
            self._constants.clear()
            try:
                value, position = self._decode(text, start)
            except (ValueError, RecursionError) as error:
                if text[start] == "{" and not is_end and _may_go_on(error, text):
                    self._open += _bytes(text[start:])
                    self._look_at = 2 * len(self._open)
                    return
                # Text between objects belongs to the broken part, if it is on the same line.
                begin = max(done, text.rfind("\n", done, start) + 1)
                place = self._rescue(text, start, is_end=is_end)
                if place is None and not is_end and "\n" not in text[start:]:
                    yield self._skip_line(_bytes(text[begin:]))
                    return
                position = _end_of_broken(text, start) if place is None else place
                yield _broken(self.line, text[begin:position])
            else:
                yield _found(self.line, value, text[start:position], self._constants)
            self.line += text.count("\n", start, position)
            done = position

    def _decode(self, text: str, start: int) -> tuple[dict[str, Any], int]:
        """The object that begins there, and where it ends."""
        if text[start] != "{":
            raise ValueError("not an object")
        return self._decoder.raw_decode(text, start)

    def _rescue(self, text: str, start: int, *, is_end: bool) -> int | None:
        """Where complete objects begin, the first a wanted one, up to the line's end: half a line may precede them."""
        end = text.find("\n", start)
        if end < 0 and is_end:
            end = len(text)
        if end < 0 or end - start > _RESCUE_CHARACTERS:
            return None
        place = start
        for _ in range(_RESCUES):
            place = text.find('{"', place + 1, end)
            if place < 0:
                return None
            if self._is_whole(text, place, end):
                return place
        return None

    def _is_whole(self, text: str, place: int, end: int) -> bool:
        """Whether there are only objects up to the end, the first of them a wanted one."""
        is_first = True
        while place < end:
            try:
                value, after = self._decode(text, place)
            except (ValueError, RecursionError):
                return False
            if is_first and not self.is_wanted(value):
                return False
            is_first, place = False, _after_separators(text, after)
        return True

    def _skip_line(self, begun: bytes) -> Broken:
        line, raw, size, more = self.line, bytearray(begun), len(begun), begun
        while not more.endswith(b"\n") and (more := self._piece()):
            size += len(more)
            if size <= self.limit:
                raw += more
        self.line += more.endswith(b"\n")
        if size > self.limit:
            return Broken(line, f"the line has more than {self.limit:,} bytes", bytes(raw[:SHOWN_BYTES]))
        return _broken(line, raw.decode("utf-8", "surrogateescape"))

    def _give_up(self) -> Broken:
        """Leave out the line, or the rest of the file where the object began on an earlier one."""
        begun = bytes(self._open)
        self._open.clear()
        if b"\n" not in begun:
            return self._skip_line(begun)
        while self._piece():
            pass
        reason = f"an object of more than {self.limit:,} bytes; the rest of the file is not read"
        return Broken(self.line, reason, begun[:SHOWN_BYTES])


def _after_separators(text: str, position: int) -> int:
    between = _BETWEEN.match(text, position)
    assert between  # it matches nothing too
    return between.end()


def _may_go_on(error: Exception, text: str) -> bool:
    """Whether an object is only not complete: the error is at the end."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    if text.endswith("\n"):
        return error.pos >= len(text.rstrip())
    return error.pos >= len(text) - _CUT_CHARACTERS or error.msg.startswith("Unterminated string")


def _end_of_broken(text: str, start: int) -> int:
    """Where to resume after a broken part: at a line that begins an object; after other text, at the next line."""
    if text[start] == "{":
        after = _NEXT_OBJECT.search(text, start)
        return after.end() if after else len(text)
    return (text.find("\n", start) + 1) or len(text)


def _found(line: int, value: dict[str, Any], text: str, constants: list[str]) -> Found | Broken:
    if constants:
        return Broken(line, f"not JSON: {constants[0]} is not JSON", _bytes(text))
    if not text.isascii() and _NO_UTF_8.search(text):
        return _broken(line, text)
    return Found(line, value, text)


def _broken(line: int, text: str) -> Broken:
    raw = _bytes(text).rstrip(b"\r\n")
    try:
        envelope.loads(raw)
    except UnreadableError as error:
        return Broken(line, str(error), raw)
    return Broken(line, "not a JSON object", raw)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
