"""A guess at how a CSV file is written, for the contract that `lumbung new source` begins with."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lumbung.core.errors import SourceError
from lumbung.sources.csv_header import DELIMITERS, HEAD_BYTES, HEAD_LINES, SEP, Dialect
from lumbung.sources.csv_record import number
from lumbung.sources.files import RowError, byte_order_mark

# A decimal comma, or points that group thousands; 1,234 alone may be either, and stays as it is.
_COMMA = re.compile(r",(?!\d{3}$)|\..*[.,]|^[+-]?0,")


class Layout(NamedTuple):
    """How a file seems to be written.

    Attributes:
        dialect: the keys of the contract's source.
        header: the names of its columns.
        decimals: of each column its decimal mark, where values show one that is not SQL's.
    """

    dialect: Dialect
    header: list[str]
    decimals: list[str | None]


def layout(path: Path) -> Layout:
    """The layout of a file, by its first lines.

    Raises:
        SourceError: no line among them looks like a header.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    encoding, text = _decoded(head)
    sep = SEP.fullmatch(text.partition("\n")[0].rstrip("\r"))
    records = {delimiter: list(_records(text, delimiter)) for delimiter in (sep[1] if sep else DELIMITERS)}
    delimiter = max(records, key=lambda delimiter: _regularity(records[delimiter]))
    _, width = _regularity(records[delimiter])
    for position, (line, cells) in enumerate(records[delimiter]):
        if len(cells) == width and all(cell.strip() for cell in cells) and not (sep and position == 0):
            above = "".join(cell for _, cells in records[delimiter][:position] for cell in cells)
            dialect = Dialect(delimiter, encoding, line if above.strip() else 0)
            rows = [cells for _, cells in records[delimiter][position + 1 :] if len(cells) == width]
            return Layout(dialect, cells, [_decimal([row[column] for row in rows]) for column in range(width)])
    raise SourceError(
        "no line among the first looks like a header",
        where=str(path),
        remedy="write the contract by hand, or move the file away to begin with a sample",
    )


def _decoded(head: bytes) -> tuple[str, str]:
    """The encoding, as a contract names it, and the text."""
    mark, marked = byte_order_mark(head)
    encoding = marked
    if not marked:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut off
            encoding = "utf-8"
        except UnicodeDecodeError:
            encoding = "cp1252"
    text = head[len(mark) :].decode(encoding, "replace")
    return marked.removesuffix("-le").removesuffix("-be") or encoding, text


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The first records, each after how many lines it starts."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 0
    try:
        for cells in reader:
            if line >= HEAD_LINES:
                return
            yield line, cells
            line = reader.line_num
    except csv.Error:
        return


def _regularity(records: list[tuple[int, list[str]]]) -> tuple[int, int]:
    """How many records have the same number of cells, more than one, and that number."""
    widths = Counter(len(cells) for _, cells in records if len(cells) > 1)
    return max(((times, width) for width, times in widths.items()), default=(0, 1))


def _decimal(values: list[str]) -> str | None:
    given = [value for value in values if value]
    try:
        for value in given:
            number(",")(value)
    except RowError:
        return None
    return "," if any(_COMMA.search(value.strip()) for value in given) else None
