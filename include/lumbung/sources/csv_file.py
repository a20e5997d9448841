"""CSV files: RFC 4180 quotes, one header line, columns in any order; UTF-8 and commas, unless the contract says else.

An empty value is NULL, quoted or not.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lumbung.catalog.contract import Contract
from lumbung.core.errors import SourceError
from lumbung.core.lines import bounded_lines
from lumbung.sources import Batch, Reject
from lumbung.sources.csv_header import positions, refusal
from lumbung.sources.csv_record import ESCAPE, escaped, is_utf8_instead, not_text, number, splitter, without_end
from lumbung.sources.files import MAX_RECORD, Row, RowError, batches, byte_order_mark, opened
from lumbung.sources.rows import key_of

_UNMARKED = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}  # without a byte order mark: as Windows writes them


class _Record(NamedTuple):
    line: int
    raw: bytes
    fields: list[str]


class _Damaged(NamedTuple):
    """A record that could be split, but whose text cannot be taken, and why."""

    line: int
    raw: bytes
    fields: list[str]
    fault: str


def read(contract: Contract, data_source: Path, _dsn: str | None) -> Iterator[Batch]:
    """Read a CSV file, see `lumbung.sources.read`."""
    source = contract.source
    assert source  # `opened` needs it too
    with opened(contract, data_source) as (path, file):
        file.seek(0)
        mark, marked = byte_order_mark(file.read(4))
        file.seek(len(mark))
        encoding = marked or _UNMARKED.get(source.encoding, source.encoding)
        # A record's text ends in a line feed only: a carriage return may stand in quotes.
        lines = bounded_lines(io.TextIOWrapper(file, encoding, ESCAPE, newline="\n"), MAX_RECORD)
        records = _records(islice(lines, source.skip_rows, None), splitter(source.delimiter), encoding)
        header = next(records, None)
        if header is None:
            raise SourceError(
                f"there is no header after the {source.skip_rows} lines that the contract skips",
                where=str(path),
                remedy="export the source again, or correct skip_rows",
            )
        row = _row_of(contract, path, header)
        yield from batches(contract, map(row, records))


def _records(
    lines: Iterator[tuple[int, str]], split: Callable[[str], list[str]], encoding: str
) -> Iterator[_Record | _Damaged | Reject]:
    """Join lines into records.

    Of a record with a broken quote only the first line is rejected; the other lines are put back and read as records of
    their own. A record takes lines until its number of quotes is even, so a line that is put back has been in one other
    record only, and the cost stays linear.

    Args:
        lines: numbers and lines, in which bytes that are not text are escaped.
        split: splits a record into its values.
        encoding: what the file is read as.
    """
    put_back: deque[tuple[int, str]] = deque()

    def next_line() -> tuple[int, str] | None:
        return put_back.popleft() if put_back else next(lines, None)

    while (current := next_line()) is not None:
        number, first = current
        if first in ("\n", "\r\n"):
            continue
        if len(first) > MAX_RECORD:
            yield Reject.of(number, escaped(first), f"the row is longer than {MAX_RECORD:,} characters")
            continue
        taken: list[tuple[int, str]] = []
        size, odd = len(first), first.count('"') % 2
        while odd and size <= MAX_RECORD and (current := next_line()) is not None:
            taken.append(current)
            size += len(current[1])
            odd ^= current[1].count('"') % 2
        record = without_end("".join([first, *(line for _, line in taken)]) if taken else first)
        fields: list[str] = []
        fault = "broken quote: it is opened and not closed" if odd or size > MAX_RECORD else ""
        if not fault:
            try:
                fields = split(record)
            except RowError as error:
                fault = str(error)
        if fault:
            put_back.extendleft(reversed(taken))
            yield Reject.of(number, escaped(without_end(first)), fault)
            continue
        try:
            raw = record.encode()
        except UnicodeEncodeError:  # at an escaped byte
            yield _Damaged(number, escaped(record), fields, not_text(record, encoding))
            continue
        if is_utf8_instead(record, encoding):
            yield _Damaged(number, raw, fields, f"the row is UTF-8, not {encoding.upper()}")
        else:
            yield _Record(number, raw, fields)


def _row_of(
    contract: Contract, path: Path, header: _Record | _Damaged | Reject
) -> Callable[[_Record | _Damaged | Reject], Row | Reject]:
    """A function that makes a row of a record: its values in the order of the contract's columns.

    Raises:
        SourceError: the header cannot be read, or its columns differ from the contract's.
    """
    if isinstance(header, _Damaged):
        header = Reject.of(header.line, header.raw, header.fault)
    if isinstance(header, Reject):
        what = f"the header cannot be read: {header.reason}"
        raise refusal(contract, path, header.line or 1, what, header.raw)
    try:
        order = positions(contract, header.fields)
    except RowError as error:
        raise refusal(contract, path, header.line, str(error), header.raw.decode()) from None
    numbers = [
        (index, column.name, number(column.decimal))
        for index, column in enumerate(contract.business_columns)
        if column.decimal
    ]

    def damaged(record: _Damaged) -> Reject:
        key = None
        if len(record.fields) == len(order):
            # Only ASCII is trusted: other characters may be wrong there.
            key = key_of(contract, [text if (text := record.fields[at]).isascii() else None for at in order])
        return Reject.of(record.line, record.raw, record.fault, key)

    def row(record: _Record | _Damaged | Reject) -> Row | Reject:
        if not isinstance(record, _Record):
            return record if isinstance(record, Reject) else damaged(record)
        line, raw, fields = record
        if len(fields) != len(order):
            last = "; the line ends in a delimiter" if len(fields) > len(order) and not fields[-1] else ""
            return Reject.of(line, raw, f"expected {len(order)} columns, found {len(fields)}{last}")
        values = [fields[index] or None for index in order]
        for index, name, convert in numbers:
            try:
                values[index] = (value := values[index]) and convert(value)
            except RowError as error:
                return Reject.of(line, raw, f"column {name}: {error}", key_of(contract, values))
        return Row(line, raw, values)

    return row
