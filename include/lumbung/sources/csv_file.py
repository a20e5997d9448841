"""CSV files: UTF-8, comma, RFC 4180 quotes, one header line; columns in any order.

An empty value is NULL, quoted or not. Python's `csv` accepts stray quotes silently and lets a missing quote swallow the
rest of the file, hence this small strict parser.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lumbung.catalog.contract import Contract
from lumbung.core.errors import SourceError
from lumbung.core.lines import bounded_lines
from lumbung.sources import Batch, Reject
from lumbung.sources.files import MAX_RECORD, Row, RowError, batches, check_utf8, opened, too_long
from lumbung.sources.rows import mismatch

_FIELD = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|([^",\r\n]*+))(,|\Z)')
_PLAIN = re.compile(r'[^",\r\n]*+')


class _Record(NamedTuple):
    line: int
    raw: bytes
    fields: list[str]


def read(contract: Contract, data_source: Path, _dsn: str | None) -> Iterator[Batch]:
    """Read a CSV file, see `lumbung.sources.read`."""
    with opened(contract, data_source) as (path, file):
        records = _records(bounded_lines(file, MAX_RECORD))
        order = _header(contract, path, next(records))
        yield from batches(contract, (_row(order, record) for record in records))


def _records(lines: Iterator[tuple[int, bytes]]) -> Iterator[_Record | Reject]:
    """Join lines into records.

    Of a record with a broken quote only the first line is rejected; the other lines are put back and read as records of
    their own. A record takes lines until its number of quotes is even, so a line that is put back has been in one other
    record only, and the cost stays linear.
    """
    put_back: deque[tuple[int, bytes]] = deque()

    def next_line() -> tuple[int, bytes] | None:
        return put_back.popleft() if put_back else next(lines, None)

    while (current := next_line()) is not None:
        number, first = current
        if first in (b"\n", b"\r\n"):
            continue
        if len(first) > MAX_RECORD:
            yield too_long(number, first)
            continue
        taken: list[tuple[int, bytes]] = []
        size, odd = len(first), first.count(b'"') % 2
        while odd and size <= MAX_RECORD and (current := next_line()) is not None:
            taken.append(current)
            size += len(current[1])
            odd ^= current[1].count(b'"') % 2
        raw = _without_end(b"".join([first, *(line for _, line in taken)]))
        try:
            fields = _split(raw.decode("utf-8", "surrogateescape"), closed=not odd and size <= MAX_RECORD)
        except RowError as error:
            put_back.extendleft(reversed(taken))
            yield Reject.of(number, _without_end(first), str(error))
            continue
        try:
            check_utf8(raw)
        except RowError as error:
            yield Reject.of(number, raw, str(error))
        else:
            yield _Record(number, raw, fields)


def _without_end(record: bytes) -> bytes:
    return record[:-2] if record.endswith(b"\r\n") else record.removesuffix(b"\n")


def _split(record: str, *, closed: bool) -> list[str]:
    if not closed:
        raise RowError("broken quote: it is opened and not closed")
    if '"' not in record and "\r" not in record:
        return record.split(",")
    fields = []
    position, comma = 0, ","
    while comma:
        match = _FIELD.match(record, position)
        if match is None:
            stop = _PLAIN.match(record, position).end()  # type: ignore[union-attr]  # it matches everywhere
            quote = "broken quote: it does not enclose a whole value"
            fault = "lone carriage return" if record[stop] == "\r" else quote
            raise RowError(f"{fault}, at character {stop + 1}")
        quoted, plain, comma = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        position = match.end()
    return fields


def _header(contract: Contract, path: Path, header: _Record | Reject) -> list[int]:
    """The position of each business column in a record.

    Raises:
        SourceError: the header cannot be read, or its columns differ from the contract's.
    """
    where = f"{path}:{header.line}"
    names = [column.name for column in contract.business_columns]
    remedy = f"the header must be {','.join(names)}, in any order"
    if isinstance(header, Reject):
        raise SourceError(f"the header cannot be read: {header.reason}", where=where, remedy=remedy)
    if difference := mismatch(names, header.fields):
        if len(header.fields) == 1 and (delimiter := re.search(r"[;\t|]", header.fields[0])):
            raise SourceError(
                f"the header is one cell: the delimiter looks like {delimiter[0]!r}, not a comma",
                where=where,
                remedy="export the file with commas",
            )
        raise SourceError(f"the header's columns differ, {difference}", where=where, remedy=remedy)
    return [header.fields.index(name) for name in names]


def _row(order: list[int], record: _Record | Reject) -> Row | Reject:
    if isinstance(record, Reject):
        return record
    line, raw, fields = record
    if len(fields) != len(order):
        return Reject.of(line, raw, f"expected {len(order)} columns, found {len(fields)}")
    return Row(line, raw, [fields[index] or None for index in order])
