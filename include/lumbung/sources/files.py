"""What the readers of files share: opening a file, checking a row, and batches of rows."""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from lumbung.catalog.contract import Contract
from lumbung.core.errors import SourceError
from lumbung.sources import Batch, Reject
from lumbung.sources.rows import faults, key_of, schema

BATCH_ROWS = 50_000
BATCH_BYTES = 64 << 20
MAX_RECORD = 1 << 20  # bytes of a row; bounds the memory that a missing quote or line break can cost

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it starts with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_UNPACK = "unpack it, and put the file that is in it there"
_WORKBOOK = "save it as an Excel workbook (.xlsx) without a password for kind: xlsx, or its sheet as CSV"
_SIGNATURES = {
    b"\x1f\x8b": ("compressed by gzip", _UNPACK),
    **{b"BZh%d1AY&SY" % level: ("compressed by bzip2", _UNPACK) for level in range(1, 10)},
    b"\xfd7zXZ\x00": ("compressed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a": ("a RAR archive", _UNPACK),
    b"PK\x03\x04": ("a ZIP archive", _UNPACK),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls), or one with a password", _WORKBOOK),
    b"PAR1\x15": ("Parquet", "export the source as text"),
    b"%PDF-": ("PDF", "export the source as text"),
}
_PARTS = {  # of a ZIP archive: what a program puts into its workbooks
    "xl/workbook.xml": (
        "an Excel workbook (.xlsx)",
        "write kind: xlsx in the contract's source:, or save its sheet as CSV",
    ),
    "xl/workbook.bin": ("an Excel workbook (.xlsb)", _WORKBOOK),
    "content.xml": ("a LibreOffice document (.ods)", _WORKBOOK),
}
_MARKUP = re.compile(rb"\s*<(?:!doctype html|html|(\?xml))\b", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)


class RowError(Exception):
    """A row cannot be read; the message is the reject's reason."""


class Row(NamedTuple):
    """A row as read: the line it starts on, its bytes, and its values in the order of the contract's columns."""

    line: int
    raw: bytes
    values: list[str | None]


@contextlib.contextmanager
def opened(contract: Contract, data_source: Path, *, is_text: bool = True) -> Iterator[tuple[Path, BinaryIO]]:
    """Open the contract's file; a text is positioned after its byte order mark.

    Args:
        contract: a contract whose source is a file.
        data_source: folder of the files.
        is_text: whether it must be text in the contract's encoding.

    Raises:
        SourceError: the file is missing, unreadable, empty, no text, or in another encoding than the contract's.
    """
    assert contract.source is not None and contract.source.path is not None  # validated with the contract
    path = data_source / contract.source.path
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError("this is a folder or a device, not a file", where=str(path), remedy="put the file there")
        with path.open("rb") as file:
            head = file.read(1 << 12)
            if is_text:
                _check_text(contract, path, head)
            file.seek(len(byte_order_mark(head)[0]) if is_text else 0)
            if not first_byte(file):
                raise SourceError("the file is empty", where=str(path), remedy="export the source again")
            yield path, file
    except OSError as error:
        raise SourceError(
            f"the file cannot be read ({error.strerror})",
            where=str(path),
            remedy="put a readable file there, or set the folder of its system's files, such as LUMBUNG_DATA_SOURCE"
            " (docs/reference/settings.md)",
        ) from error


def byte_order_mark(head: bytes) -> tuple[bytes, str]:
    """The byte order mark that a file begins with, and the encoding it stands for; both empty if there is none."""
    return next(((mark, encoding) for mark, encoding in _MARKS.items() if head.startswith(mark)), (b"", ""))


def contract_file(contract: Contract) -> str:
    """The contract's file, as errors name it."""
    return f"{contract.dataset}/{contract.path.name}"


def _check_text(contract: Contract, path: Path, head: bytes) -> None:
    """Raise SourceError if a file is known not to be text, or to be in another encoding than the contract's."""
    source = contract.source
    assert source
    mark, encoding = byte_order_mark(head)
    if encoding not in ("", "utf-8", source.encoding) and not encoding.startswith(f"{source.encoding}-"):
        name = encoding[:6]
        advice = f"write encoding: {name} in source: of {contract_file(contract)}, or " if source.kind == "csv" else ""
        raise SourceError(f"the file is {name.upper()}", where=str(path), remedy=f"{advice}save it as UTF-8")
    if markup := _MARKUP.match(head, len(mark)):
        title = _TITLE.search(head)
        named = f" with the title {title[1].decode(errors='replace').strip()!r}" if title else ""
        raise SourceError(
            f"the file is {'XML' if markup[1] else 'an HTML page'}{named}",
            where=str(path),
            remedy="look at it in a browser: it may be the message of a failed download; then export the source again",
        )
    refuse_binary(path, head)


def refuse_binary(path: Path, head: bytes) -> None:
    """Raise SourceError if a file's first bytes are those of a known format that is not text."""
    for signature, (what, remedy) in _SIGNATURES.items():
        if head.startswith(signature):
            # A broken archive is still one; what is in it does not matter then.
            with contextlib.suppress(zipfile.BadZipFile, ValueError), zipfile.ZipFile(path) as archive:
                parts = archive.namelist()
                what, remedy = next((known for part, known in _PARTS.items() if part in parts), (what, remedy))
            raise SourceError(f"the file is {what}", where=str(path), remedy=remedy)


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


def batches(contract: Contract, rows: Iterable[Row | Reject | Batch]) -> Iterator[Batch]:
    """Gather rows into batches, and reject rows whose nulls or blank keys the contract does not allow.

    Args:
        contract: the contract.
        rows: the source's rows in its order; a batch among them is checked already.
    """
    parts: list[Batch] = []
    kept: list[Row] = []
    rejects: list[Reject] = []
    count = size = 0
    for row in rows:
        if isinstance(row, Batch):
            if kept or rejects:
                parts.append(_batch(contract, kept, rejects))
                kept, rejects = [], []
            parts.append(row)
            count += row.rows.num_rows + len(row.rejects)
            size += row.rows.nbytes
        else:
            if isinstance(row, Reject):
                rejects.append(row)
            else:
                kept.append(row)
            count += 1
            size += len(row.raw)
        if count >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _joined(parts, _batch(contract, kept, rejects))
            parts, kept, rejects, count, size = [], [], [], 0, 0
    if count:
        yield _joined(parts, _batch(contract, kept, rejects))


def checked(contract: Contract, rows: pa.RecordBatch, lines: Sequence[int], raw: Callable[[int], bytes]) -> Batch:
    """A batch without the rows that the contract does not allow, which are its rejects.

    Args:
        contract: the contract.
        rows: its business columns.
        lines: the line each row starts on.
        raw: gives the bytes of a row by its position.
    """
    reasons = faults(contract, rows)
    if reasons.null_count == rows.num_rows:
        return Batch(rows, list(lines), [])
    kept, rejects = [], []
    for position, (line, reason) in enumerate(zip(lines, reasons.to_pylist(), strict=True)):
        if reason is None:
            kept.append(line)
        else:
            values = [column[position].as_py() for column in rows.columns]
            rejects.append(Reject.of(line, raw(position), reason, key_of(contract, values)))
    return Batch(rows.filter(reasons.is_null()), kept, rejects)


def _batch(contract: Contract, rows: list[Row], rejects: list[Reject]) -> Batch:
    names = schema(contract)
    columns = list(zip(*(row.values for row in rows), strict=True)) or [()] * len(names)
    table = pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], schema=names)
    batch = checked(contract, table, [row.line for row in rows], lambda position: rows[position].raw)
    if not batch.rejects:
        return dataclasses.replace(batch, rejects=rejects)
    return dataclasses.replace(batch, rejects=sorted([*rejects, *batch.rejects], key=lambda reject: reject.line or 0))


def _joined(parts: list[Batch], last: Batch) -> Batch:
    """One batch of several that follow each other."""
    if not parts:
        return last
    parts = [*parts, last]
    return Batch(
        pa.concat_batches([part.rows for part in parts]),
        [line for part in parts for line in part.lines or ()],
        [reject for part in parts for reject in part.rejects],
    )
