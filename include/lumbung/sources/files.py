"""What the readers of files share: opening a file, checking a row, and batches of rows."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from lumbung.catalog.contract import Contract
from lumbung.core.errors import SourceError
from lumbung.sources import Batch, Reject
from lumbung.sources.rows import faults, schema

BATCH_ROWS = 50_000
BATCH_BYTES = 64 << 20
MAX_RECORD = 1 << 20  # bytes of a row; bounds the memory that a missing quote or line break can cost

_BOMS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32"}
_BOMS |= {
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # after UTF-32: its mark starts with that of UTF-16


class RowError(Exception):
    """A row cannot be read; the message is the reject's reason."""


class Row(NamedTuple):
    """A row as read: the line it starts on, its bytes, and its values in the order of the contract's columns."""

    line: int
    raw: bytes
    values: list[str | None]


@contextmanager
def opened(contract: Contract, data_source: Path, *, is_text: bool = True) -> Iterator[tuple[Path, BinaryIO]]:
    """Open the contract's file, positioned after its byte order mark.

    Args:
        contract: a contract whose source is a file.
        data_source: folder of the files.
        is_text: whether it must be UTF-8.

    Raises:
        SourceError: the file is missing, unreadable, empty or in another encoding.
    """
    assert contract.source is not None and contract.source.path is not None  # validated with the contract
    path = data_source / contract.source.path
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError("this is a folder or a device, not a file", where=str(path), remedy="put the file there")
        with path.open("rb") as file:
            head = file.read(4)
            for bom, encoding in _BOMS.items():
                if is_text and head.startswith(bom):
                    raise SourceError(f"the file is {encoding}", where=str(path), remedy="save it as UTF-8")
            file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
            if not first_byte(file):
                raise SourceError("the file is empty", where=str(path), remedy="export the source again")
            yield path, file
    except OSError as error:
        raise SourceError(
            f"the file cannot be read ({error.strerror})",
            where=str(path),
            remedy="put a readable file there, or point LUMBUNG_DATA_SOURCE at its folder",
        ) from error


def first_byte(file: BinaryIO) -> bytes:
    """The next byte that is not white space, empty at the end of the file; the file's position stays the same."""
    start = file.tell()
    byte = b""
    while not byte and (chunk := file.read(1 << 16)):
        byte = chunk.lstrip()[:1]
    file.seek(start)
    return byte


def too_long(line: int, raw: bytes) -> Reject:
    """The reject of a row that is longer than MAX_RECORD."""
    return Reject.of(line, raw, f"the row is longer than {MAX_RECORD:,} bytes")


def check_utf8(raw: bytes) -> None:
    """Raise RowError if a row's bytes are not UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise RowError(f"byte 0x{byte:02x} at position {error.start + 1} of the row is not UTF-8") from None


def batches(contract: Contract, rows: Iterable[Row | Reject]) -> Iterator[Batch]:
    """Gather rows into batches, and reject rows whose nulls or blank keys the contract does not allow."""
    kept: list[Row] = []
    rejects: list[Reject] = []
    size = 0
    for row in rows:
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            kept.append(row)
        size += len(row.raw)
        if len(kept) + len(rejects) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _batch(contract, kept, rejects)
            kept, rejects, size = [], [], 0
    if kept or rejects:
        yield _batch(contract, kept, rejects)


def _batch(contract: Contract, rows: list[Row], rejects: list[Reject]) -> Batch:
    names = schema(contract)
    columns = list(zip(*(row.values for row in rows), strict=True)) or [()] * len(names)
    table = pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], schema=names)
    reasons = faults(contract, table)
    if reasons.null_count == len(rows):
        return Batch(table, [row.line for row in rows], rejects)
    lines = []
    for row, reason in zip(rows, reasons.to_pylist(), strict=True):
        if reason is None:
            lines.append(row.line)
        else:
            rejects.append(Reject.of(row.line, row.raw, reason))
    return Batch(table.filter(reasons.is_null()), lines, sorted(rejects, key=lambda reject: reject.line or 0))
