"""JSON files: an array of objects, or one object a line; every value is a string or null."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lumbung.catalog.contract import Contract
from lumbung.core.errors import SourceError
from lumbung.core.lines import bounded_lines
from lumbung.sources import Batch, Reject
from lumbung.sources.csv_header import fitting
from lumbung.sources.files import (
    MAX_RECORD,
    Row,
    RowError,
    batches,
    check_utf8,
    contract_file,
    first_byte,
    opened,
    too_long,
)
from lumbung.sources.json_fast import FastLane, Place
from lumbung.sources.rows import key_of, mismatch

_CHUNK = 1 << 18
_SPACE = re.compile(r"[ \t\r\n]*+")
_LONGEST_WORD = len("-Infinity")  # how far before the end of a cut text the decoder may report the fault
_ENDLESS = f"the row is longer than {MAX_RECORD:,} characters, or is never closed"
_SHAPE = "expected an array of objects, or one object a line"

_TEXT = {str, type(None)}
_KINDS = {
    str: "a string",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    tuple: "an object",
    type(None): "null",
}

# Objects are decoded as tuples of pairs, so that a repeated field shows. Numbers are always refused, so what they are
# decoded as does not matter: float() takes any number of digits, int() raises on too many.
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=float)


def read(contract: Contract, data_source: Path, _dsn: str | None) -> Iterator[Batch]:
    """Read a JSON file, see `lumbung.sources.read`."""
    with opened(contract, data_source) as (path, file):
        start = first_byte(file)
        if start == b"[":
            yield from batches(contract, _rows(contract, path, file, is_array=True))
        elif start == b"{":
            yield from batches(contract, _rows(contract, path, file, is_array=False))
        elif fitting(contract, path):
            remedy = f"write kind: csv in source: of {contract_file(contract)}"
            raise SourceError("the file looks like CSV", where=str(path), remedy=remedy)
        else:
            raise SourceError("the file is neither an array nor objects", where=str(path), remedy=_SHAPE)


def _rows(contract: Contract, path: Path, file: BinaryIO, *, is_array: bool) -> Iterator[Row | Reject | Batch]:
    """The file's rows in turn: a stretch of them one by one, then chunks of them while they are plain."""
    place = Place()
    lane = FastLane(contract, file, is_array=is_array)
    read_stretch = _array if is_array else _lines
    while True:
        yield from read_stretch(contract, path, file, place, lane.stretch)
        if place.is_end:
            return
        yield from lane.batches(place)


def _lines(contract: Contract, path: Path, file: BinaryIO, place: Place, size: int) -> Iterator[Row | Reject]:
    """Rows from the file's position on, one a line.

    Args:
        contract: the contract.
        path: the file's, for errors.
        file: the file, at the start of a line.
        place: how far it is read; is moved along.
        size: bytes after which to stop.
    """
    names, stop = _names(contract), file.tell() + size
    for number, line in bounded_lines(file, MAX_RECORD, first=place.line):
        if file.tell() - len(line) >= stop:
            file.seek(-len(line), io.SEEK_CUR)
            place.line = number
            return
        if line.isspace():
            continue
        is_first, place.is_first = place.is_first, False
        if len(line) > MAX_RECORD:
            yield too_long(number, line)
            continue
        text = line.decode("utf-8", "surrogateescape").strip()
        try:
            value = _DECODER.decode(text)
        except json.JSONDecodeError as error:
            if is_first:
                raise SourceError(
                    f"the first line is not a complete object ({error.msg}, column {error.colno})",
                    where=f"{path}:{number}",
                    remedy=_SHAPE,
                ) from error
            yield Reject.of(number, _bytes(text), f"not JSON: {error.msg}, column {error.colno}")
        except RecursionError:
            yield Reject.of(number, _bytes(text), "the row is nested too deeply")
        else:
            if is_first and (field := _wrapper(names, value)):
                raise SourceError(
                    f"the first line is an object around the rows, which are in its field {field!r}",
                    where=f"{path}:{number}",
                    remedy=f"export the array alone; {_SHAPE}",
                )
            yield _row(contract, names, number, text, value)
    place.is_end = True


def _wrapper(names: list[str], value: Any) -> str | None:
    """The field of an object that holds an array of objects, if it has none of the contract's fields."""
    if type(value) is not tuple or not {name for name, _ in value}.isdisjoint(names):
        return None
    return next((name for name, rows in value if type(rows) is list and rows and type(rows[0]) is tuple), None)


def _array(contract: Contract, path: Path, file: BinaryIO, place: Place, size: int) -> Iterator[Row | Reject]:
    """Rows of an array, from the file's position on: its opening bracket, or the start of a row.

    Args:
        contract: the contract.
        path: the file's, for errors.
        file: the file.
        place: how far it is read; is moved along.
        size: bytes of rows after which to stop.
    """
    names, text = _names(contract), _Text(path, file, place.line)
    is_empty = False
    if place.is_first:
        text.take("[")
        is_empty = text.peek() == "]"
        place.is_first = False
    if not is_empty:
        row = _row(contract, names, *text.value())
        yield row
        while text.takes(","):
            size -= len(row.raw)
            if size <= 0:
                place.line = text.stop()
                return
            row = _row(contract, names, *text.value())
            yield row
    text.take("]")
    if text.peek():
        raise text.refusal("something follows the array's closing bracket")
    place.is_end = True


class _Text:
    """A cursor over the text of an array; it holds one row and one chunk of it at most."""

    def __init__(self, path: Path, file: BinaryIO, line: int) -> None:
        self._path, self._file = path, file
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._ended = "", 0, False
        self._line, self._counted = line, 0  # the line at `_counted`, up to where lines are counted

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches everywhere
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._more()

    def takes(self, mark: str) -> bool:
        """Step over a bracket or comma, if it comes next."""
        if self.peek() != mark:
            return False
        self._at += 1
        return True

    def take(self, mark: str) -> None:
        """Step over a bracket, which must come next.

        Raises:
            SourceError: something else comes next, or the file ends.
        """
        if self.takes(mark):
            return
        character = self.peek()
        if not character:
            raise self._truncated()
        raise self.refusal(f"not JSON: found {character!r} instead of a comma or the closing bracket")

    def value(self) -> tuple[int, str, Any]:
        """Step over a value.

        Returns:
            The line it starts on, its text, and the decoded value.

        Raises:
            SourceError: it is not JSON, nested too deeply, too long, or never closed.
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self.refusal("the row is nested too deeply") from None
            except json.JSONDecodeError as error:
                if not self._ended and len(self._text) - self._at <= MAX_RECORD:
                    self._more()
                    continue
                raise self._fault(error) from error
            if end - self._at > MAX_RECORD:
                raise self.refusal(_ENDLESS)
            if end < len(self._text) or self._ended:  # else a number might go on in the next chunk
                break
            self._more()
        line, text = self._line_here(), self._text[self._at : end]
        self._at = end
        return line, text, value

    def stop(self) -> int:
        """Leave the file where the cursor is; the line there."""
        unread = len(_bytes(self._text[self._at :])) + len(self._decoder.getstate()[0])
        self._file.seek(-unread, io.SEEK_CUR)
        return self._line_here()

    def refusal(self, what: str, position: int | None = None) -> SourceError:
        """The error at the cursor's line, or at the line of a position in the text."""
        line = self._line_here() + self._text.count("\n", self._at, position or self._at)
        return SourceError(what, where=f"{self._path}:{line}", remedy="fix the file or export it again")

    def _fault(self, error: json.JSONDecodeError) -> SourceError:
        text = self._text.rstrip()
        at_end = error.pos > len(text) - _LONGEST_WORD and not text.endswith("]")
        at_end |= error.msg.startswith("Unterminated string")
        if at_end and self._ended:
            return self._truncated()
        if at_end:
            return self.refusal(_ENDLESS)
        return self.refusal(f"not JSON: {error.msg}", error.pos)

    def _truncated(self) -> SourceError:
        return self.refusal("the file is cut off: the array is never closed", len(self._text))

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _more(self) -> None:
        self._line_here()
        chunk = self._file.read(_CHUNK)
        self._text = self._text[self._at :] + self._decoder.decode(chunk, final=not chunk)
        self._at, self._counted, self._ended = 0, 0, not chunk


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _names(contract: Contract) -> list[str]:
    """The fields of a row, in the order of the business columns."""
    return [column.source_name for column in contract.business_columns]


def _row(contract: Contract, names: list[str], line: int, text: str, value: Any) -> Row | Reject:
    """A row, or why it is rejected.

    Args:
        contract: the contract.
        names: its fields.
        line: the line it starts on.
        text: its text, bytes that are not UTF-8 escaped.
        value: the decoded value.
    """
    raw = _bytes(text)
    try:
        if not raw.isascii():
            check_utf8(raw)
        return Row(line, raw, _values(names, value, escapes="\\" in text))
    except RowError as error:
        return Reject.of(line, raw, str(error), _readable_key(contract, names, value))


def _readable_key(contract: Contract, names: list[str], row: Any) -> dict[str, str | None] | None:
    """The key of a row that is rejected, if it has the contract's fields; in a damaged row only ASCII is trusted."""
    fields = dict(row) if type(row) is tuple else {}
    if fields.keys() != set(names) or len(fields) != len(row):
        return None
    return key_of(contract, [text if type(text := fields[name]) is str and text.isascii() else None for name in names])


def _values(names: list[str], row: Any, *, escapes: bool) -> list[str | None]:
    """A row's values in the order of `names`.

    Args:
        names: the business columns.
        row: the decoded JSON value.
        escapes: whether its text has backslashes; only an escape can make a lone surrogate.

    Raises:
        RowError: it is not an object of exactly these fields with strings and nulls.
    """
    if type(row) is not tuple:
        raise RowError(f"the row is {_KINDS[type(row)]}, not an object")
    fields = dict(row)
    if len(fields) != len(row) or fields.keys() != set(names):
        raise RowError(f"the fields differ, {mismatch(names, (name for name, _ in row))}")
    values = [fields[name] for name in names]
    if not _TEXT.issuperset(map(type, values)):
        name = next(name for name in names if type(fields[name]) not in _TEXT)
        raise RowError(f"field {name} is {_KINDS[type(fields[name])]}, expected a string or null")
    if escapes:
        for name, value in fields.items():
            try:
                (value or "").encode()
            except UnicodeEncodeError:
                raise RowError(f"field {name} holds a lone surrogate, which is not a character") from None
    return values
