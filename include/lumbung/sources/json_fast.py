"""A fast lane for JSON: chunks of rows by Arrow's reader, where they are certain to be what the exact reader makes.

A chunk is taken if all of it shows this; else its rows go through `json_file` one by one, good or not:

- Between two rows is always the same text: white space, and a comma in an array. It is in no string, as a raw line feed
  cannot be in one, and where the text has none all its commas are replaced by one.
- All rows take the same number of lines; in a file of lines, one.
- Arrow reads as many objects as there are such texts, so that each begins and ends at one. It refuses an unknown field,
  a repeated one, values other than strings and nulls, and lone surrogates.
- All nulls are written: a field that is missing is null to Arrow.
- All text is UTF-8.
- No row with what is around it is longer than half of `MAX_RECORD`, so none is too long however that is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.json as arrow
from numpy.typing import NDArray

from lumbung.catalog.contract import Contract
from lumbung.sources import Batch
from lumbung.sources.files import MAX_RECORD, checked
from lumbung.sources.rows import schema

_LARGEST = 2 << 20  # a tenth less CPU than 1 MB or 4 MB
_LONGEST_ROW = MAX_RECORD // 2
_SMALLEST = _LARGEST // 16
_STRETCH, _LONGEST_STRETCH = _SMALLEST, 16 * _LARGEST

_SPACE = re.compile(rb"[ \t\r\n]*+")
_BETWEEN = {True: re.compile(rb"\}[ \t\r\n]*+,[ \t\r\n]*+\{"), False: re.compile(rb"\}[ \t\r]*+\n[ \t\r\n]*+\{")}
_NULLS = (": null", ":null", " : null")
_PLAIN_NAME = re.compile(r'[^"\\]+')


@dataclass
class Place:
    """How far a file is read, together with the file's own position.

    Attributes:
        line: the line of the file's position, from 1.
        is_first: whether no row has been read yet.
        is_end: whether all is read.
    """

    line: int = 1
    is_first: bool = True
    is_end: bool = False


class _Layout(NamedTuple):
    """Where the rows of a chunk are, the last one left out.

    Attributes:
        starts: position of each row's opening brace.
        ends: position after each row's closing brace.
        text: the rows with only white space between them, if that is all they are.
        row_lines: lines from one row to the next.
        size: bytes up to the row that is left out.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    text: NDArray[np.uint8]
    row_lines: int
    size: int

    @property
    def longest(self) -> int:
        """Bytes of the longest row with the white space around it."""
        return int(np.diff(np.concatenate([[0], self.starts[1:], [self.size]])).max())


class FastLane:
    """What of a file is read chunk by chunk.

    Attributes:
        stretch: bytes that are to be read row by row before a chunk is tried again.
    """

    def __init__(self, contract: Contract, file: BinaryIO, *, is_array: bool) -> None:
        """A lane that starts where the file stands when `batches` is called: at a row or at white space before it.

        Args:
            contract: the contract.
            file: the file.
            is_array: whether its rows are in an array, not one a line.
        """
        self._contract, self._file, self._is_array = contract, file, is_array
        self._fields = pa.schema([(column.source_name, pa.string()) for column in contract.business_columns])
        self._size, self.stretch = _LARGEST, _STRETCH

    def batches(self, place: Place) -> Iterator[Batch]:
        """Rows from the file's position on, up to those that are not plain.

        Args:
            place: is moved along with the file's position.
        """
        self.stretch = min(2 * self.stretch, _LONGEST_STRETCH)  # if nothing is plain, trying must not cost much
        while True:
            start = self._file.tell()
            chunk = self._file.read(self._size)
            batch, size, lines = self._plain(chunk, place.line)
            self._file.seek(start + size)
            if batch:
                place.line, place.is_first = place.line + lines, False
                self._size, self.stretch = min(4 * self._size, _LARGEST), _STRETCH
                yield batch
            elif self._size > _SMALLEST:
                self._size //= 4
            else:
                return

    def _plain(self, chunk: bytes, line: int) -> tuple[Batch | None, int, int]:
        """The rows that a chunk begins with, and their bytes and lines; none, unless all are plain."""
        layout = _layout(chunk, is_array=self._is_array)
        rows = layout and self._parsed(layout.text)
        if not layout or not rows or rows.num_rows != len(layout.starts) or layout.longest > _LONGEST_ROW:
            return None, 0, 0
        if not self._are_nulls_written(rows, chunk[: layout.size]):
            return None, 0, 0
        above = chunk.count(b"\n", 0, int(layout.starts[0]))
        lines = (np.arange(rows.num_rows) * layout.row_lines + line + above).tolist()
        batch = checked(self._contract, rows, lines, lambda row: chunk[layout.starts[row] : layout.ends[row]])
        return batch, layout.size, above + layout.row_lines * rows.num_rows

    def _parsed(self, text: NDArray[np.uint8]) -> pa.RecordBatch | None:
        """Objects by Arrow's reader; None: it refuses them."""
        try:
            table = arrow.read_json(
                pa.BufferReader(text),
                arrow.ReadOptions(use_threads=False, block_size=len(text) + 1),
                arrow.ParseOptions(explicit_schema=self._fields, unexpected_field_behavior="error"),
            )
            table.validate(full=True)  # UTF-8
        except pa.ArrowInvalid:
            return None
        (rows,) = table.to_batches()  # of the one block
        return pa.RecordBatch.from_arrays(rows.columns, schema=schema(self._contract))

    def _are_nulls_written(self, rows: pa.RecordBatch, text: bytes) -> bool:
        """Whether no field is missing.

        In rows that Arrow has taken, a contract's field in quotes and followed by a colon is that field, and no part of
        a string: after a quote inside of a string it would be the end of an unknown field.
        """
        for field, values in zip(self._fields, rows.columns, strict=True):
            if values.null_count:
                written = (text.count(f'"{field.name}"{null}'.encode()) for null in _NULLS)
                if values.null_count not in accumulate(written) or not _PLAIN_NAME.fullmatch(field.name):
                    return False
        return True


def _layout(chunk: bytes, *, is_array: bool) -> _Layout | None:
    """Where the rows are, if they are laid out alike as far as can be seen without parsing them."""
    start = _SPACE.match(chunk).end()  # type: ignore[union-attr]  # it matches everywhere
    found = _BETWEEN[is_array].search(chunk, start)
    if not found or not chunk.startswith(b"{", start):
        return None
    between = found[0]
    comma, last = between.find(b","), chunk.rindex(between)
    size, stop = last + max(comma, between.rfind(b"\n")) + 1, last + len(between)
    has_feed, commas = b"\n" in between, 0
    if not has_feed:
        commas = chunk.count(between, 0, stop)
        between = between.replace(b",", b"\n")
        chunk = chunk[:stop].replace(found[0], between)
    feeds = _line_feeds(chunk, start)
    inner = int(np.searchsorted(feeds, found.start()))
    step = inner + between.count(b"\n")
    ends = feeds[inner::step] - between.index(b"\n")
    ends = ends[ends <= last]
    text = np.frombuffer(chunk, np.uint8)
    is_between = text[ends[:, None] + np.arange(len(between))] == np.frombuffer(between, np.uint8)
    if ends[-1] != last or not is_between.all() or (inner and not is_array):
        return None
    if not has_feed and len(ends) != commas:  # a row may have ended in a line feed without a comma
        return None
    if has_feed and is_array:
        text = text.copy()
        text[ends + comma] = ord(" ")
    starts = np.concatenate([[start], ends[:-1] + len(between) - 1])
    return _Layout(starts, ends + 1, text[start : stop - 1], step if has_feed else step - 1, size)


def _line_feeds(text: bytes, start: int) -> NDArray[np.int64]:
    """The positions of line feeds from a position on."""
    return np.flatnonzero(np.frombuffer(text, np.uint8)[start:] == ord("\n")) + start
