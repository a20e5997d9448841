"""One record of a CSV file: its values, its numbers, and bytes that are not text in the file's encoding.

Python's `csv` accepts stray quotes silently and lets a missing quote swallow the rest of the file, hence this small
strict parser.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import cache

from lumbung.sources.files import RowError

ESCAPE = "lumbung.escape"
"""Of `open`'s errors: each byte that is not text becomes U+DC00 + the byte, which no text holds."""

_ESCAPED = re.compile("[\udc00-\udcff]")
_WESTERN = ("cp1252", "iso8859-1", "iso8859-15")  # nearly all bytes are text in them, so that no other fault shows
_OTHER_MARK = {",": ".", ".": ","}


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPE, _escape)


@cache
def splitter(delimiter: str) -> Callable[[str], list[str]]:
    """A function that splits a record into its values, and raises RowError at a stray quote or carriage return."""
    mark = re.escape(delimiter)
    field = re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|([^"{mark}\r\n]*+))({mark}|\Z)')
    plain = re.compile(rf'[^"{mark}\r\n]*+')

    def split(record: str) -> list[str]:
        if '"' not in record and "\r" not in record:
            return record.split(delimiter)
        fields = []
        position, end = 0, delimiter
        while end:
            match = field.match(record, position)
            if match is None:
                stop = plain.match(record, position).end()  # type: ignore[union-attr]  # it matches everywhere
                quote = "broken quote: it does not enclose a whole value"
                fault = "lone carriage return" if record[stop] == "\r" else quote
                raise RowError(f"{fault}, at character {stop + 1}")
            quoted, unquoted, end = match.groups()
            fields.append(unquoted if quoted is None else quoted.replace('""', '"'))
            position = match.end()
        return fields

    return split


def without_end(record: str) -> str:
    """A record without its line's end."""
    return record[:-2] if record.endswith("\r\n") else record.removesuffix("\n")


def escaped(record: str) -> bytes:
    """A record as UTF-8, in which each byte that is not text is shown by a backslash and its hexadecimal digits."""
    return _ESCAPED.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", record).encode()


def not_text(record: str, encoding: str) -> str:
    """Why a record is rejected that holds a byte which is not text.

    Args:
        record: the record.
        encoding: what the file was read as.
    """
    at = _ESCAPED.search(record)
    assert at, "called for a record with such a byte"
    byte = ord(at[0]) - 0xDC00
    reason = f"byte 0x{byte:02x} at position {at.start() + 1} of the row is not {encoding.upper()}"
    # Letters that are UTF-8 speak against another encoding: there the byte is damage.
    if encoding == "utf-8" and _ESCAPED.sub("", record).isascii():
        letter = bytes([byte]).decode("cp1252", "ignore")
        return f"{reason}; encoding: cp1252 in the contract would read {letter}" if letter else reason
    return reason


def is_utf8_instead(record: str, encoding: str) -> bool:
    """Whether a record that was read as a Western encoding is UTF-8, and its text wrong: Ã« for ë.

    Args:
        record: the record, all of it text.
        encoding: what the file was read as.
    """
    if encoding not in _WESTERN or record.isascii():
        return False
    try:
        record.encode(encoding).decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def number(mark: str) -> Callable[[str], str]:
    """A function that writes a number with a decimal point, and raises RowError if it is none.

    Args:
        mark: its decimal mark, a comma or a point; the other one groups thousands.
    """
    group, point = re.escape(_OTHER_MARK[mark]), re.escape(mark)
    whole = rf"(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}})++|[0-9]++)"
    pattern = re.compile(rf"[+-]?(?:{whole}(?:{point}[0-9]+)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?")

    def convert(value: str) -> str:
        text = value.strip()
        if not pattern.fullmatch(text):
            raise RowError(f"{value[:60]!r} is not a number with the decimal mark {mark!r}")
        return text.replace(_OTHER_MARK[mark], "").replace(mark, ".")

    return convert
