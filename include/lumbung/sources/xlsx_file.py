"""Workbooks: a sheet of an `.xlsx` file; a row names the columns, in any order, and the rows below it are read.

The document is streamed; only the workbook's list of different texts is held in memory. Rows without a value are
skipped. The line of a row is its number in the sheet.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils import column_index_from_string, get_column_letter
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from lumbung.catalog.contract import Contract, Source
from lumbung.core.errors import SourceError, first_line
from lumbung.sources import Batch, Reject
from lumbung.sources.files import MAX_RECORD, Row, batches, opened, too_long
from lumbung.sources.rows import key_of, mismatch
from lumbung.sources.xlsx_cells import LAST_COLUMN, LAST_ROW, Area, Cell, Sheet

_SAVE = "open it in a spreadsheet program and save it as an Excel workbook (.xlsx)"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of .xls, and of encrypted workbooks
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_HTML = (b"<html", b"<!doctype", b"<table", b"<head", b"<body", b"<meta", b"<style", b"<div")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    OSError,
    EOFError,
    RuntimeError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
)
"""What openpyxl and what it reads with raise at a file that is not as it should be."""


def read(contract: Contract, data_source: Path, _dsn: str | None) -> Iterator[Batch]:
    """Read a sheet, see `lumbung.sources.read`."""
    assert contract.source is not None  # validated with the contract
    with opened(contract, data_source, is_text=False) as (path, file), _sheet(contract.source, path, file) as sheet:
        yield from batches(contract, _rows(contract, path, sheet))


@contextmanager
def _sheet(source: Source, path: Path, file: BinaryIO) -> Iterator[Sheet]:
    """Open the contract's sheet.

    Raises:
        SourceError: the file is not a workbook, or has no such sheet.
    """
    if kind := _other_kind(file):
        raise SourceError(f"the file is {kind}, not an Excel workbook (.xlsx)", where=f"{path}", remedy=_SAVE)
    try:
        workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    try:
        names = workbook.sheetnames
        if source.sheet not in names:
            what = f"the workbook has no sheet {source.sheet!r}; it has {', '.join(map(repr, names)) or 'none'}"
            raise SourceError(
                what, where=f"{path}", remedy="correct the sheet's name in the contract or in the workbook"
            )
        sheet = workbook[source.sheet]
        if not isinstance(sheet, ReadOnlyWorksheet):
            raise SourceError(
                f"the sheet {source.sheet!r} is a chart", where=f"{path}", remedy="name a sheet with cells"
            )
        yield Sheet(workbook, sheet)
    finally:
        workbook.close()


def _other_kind(file: BinaryIO) -> str:
    """What a file is that is not a workbook; empty if it may be one. Its position is the start again."""
    head = file.read(4096)
    file.seek(0)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"PK\x03\x04"):
        return _other_archive(file)
    if head.startswith(_OLE):
        return _ole_kind(file)
    if b"urn:schemas-microsoft-com:office:spreadsheet" in text:
        return "an XML spreadsheet of Excel 2003"
    if text.startswith(_HTML) or (text.startswith(b"<") and b"<table" in text):
        return "an HTML page"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text in UTF-16"
    if b"\0" not in head:
        return "text, such as CSV"
    return "in a format that is not known"


def _ole_kind(file: BinaryIO) -> str:
    rest = b""
    try:
        while chunk := file.read(1 << 20):
            if _ENCRYPTED in rest + chunk:
                return "encrypted with a password"
            rest = chunk[-len(_ENCRYPTED) :]
    finally:
        file.seek(0)
    return "a workbook of Excel 97 to 2003 (.xls)"


def _other_archive(file: BinaryIO) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            if "[Content_Types].xml" in names:
                types = archive.read("[Content_Types].xml")
                if b"spreadsheetml.sheet.main" in types or b"ms-excel.sheet.macroEnabled.main" in types:
                    return "a Strict Open XML workbook" if _is_strict(archive) else ""
                return "a binary workbook (.xlsb)" if b"ms-excel.sheet.binary" in types else "another Office document"
            if "mimetype" in names and b"opendocument" in archive.read("mimetype"):
                return "an OpenDocument file"
    except _DAMAGE:
        return ""  # openpyxl meets the same damage, and its error says which
    finally:
        file.seek(0)
    return "a zip archive"


def _is_strict(archive: zipfile.ZipFile) -> bool:
    """Whether the workbook is of the variant whose names openpyxl does not know."""
    return "xl/workbook.xml" in archive.namelist() and b"purl.oclc.org/ooxml" in archive.read("xl/workbook.xml")


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError(f"the workbook cannot be read ({first_line(error)})", where=f"{path}", remedy=_SAVE)


def _rows(contract: Contract, path: Path, sheet: Sheet) -> Iterator[Row | Reject]:
    source = contract.source
    assert source is not None
    names = [column.source_name for column in contract.business_columns]
    area = _area(source.range)
    header_row = source.header_row or area.first_row
    columns: dict[int, str] = {}
    for number, cells in _cells(path, sheet):
        if number > max(area.last_row, header_row):
            break
        if number < header_row:
            continue
        within = {column: cell for column, cell in cells.items() if area.first_column <= column <= area.last_column}
        if not columns:
            header = within if number == header_row else {}
            columns = _header(source, path, header_row, header, names)
        elif number >= area.first_row and within:
            yield _row(contract, columns, number, within)
    if not columns:
        _header(source, path, header_row, {}, names)


def _area(text: str | None) -> Area:
    """The area of a range such as B3:F200 or B:F; None: the whole sheet."""
    match = re.fullmatch(r"([A-Z]+)(\d*):([A-Z]+)(\d*)", text or "")
    if match is None:
        return Area(1, 1, LAST_ROW, LAST_COLUMN)
    columns = sorted(column_index_from_string(match[group]) for group in (1, 3))
    rows = sorted((int(match[2] or 1), int(match[4] or LAST_ROW)))
    return Area(rows[0], columns[0], rows[1], columns[1])


def _cells(path: Path, sheet: Sheet) -> Iterator[tuple[int, dict[int, Cell]]]:
    try:
        yield from sheet.rows()
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _header(source: Source, path: Path, row: int, cells: dict[int, Cell], names: list[str]) -> dict[int, str]:
    """The name of each column, by its number.

    Args:
        source: the contract's source.
        path: the file.
        row: the number of the header's row.
        cells: the row's cells.
        names: the business columns.

    Raises:
        SourceError: the row is blank, a name cannot be read, or the names differ from the contract's.
    """
    where = f"{path}, {source.sheet}!{row}:{row}"
    remedy = f"the row must name {', '.join(names)}, in any order; header_row and range in the contract say where"
    if not cells:
        raise SourceError("the header's row is blank or not there", where=where, remedy=remedy)
    for column, cell in cells.items():
        if cell.fault:
            where = f"{path}, {source.sheet}!{get_column_letter(column)}{row}"
            raise SourceError(f"the header's cell {cell.fault}", where=where, remedy="write the column's name there")
    if difference := mismatch(names, (cell.text for cell in cells.values())):
        raise SourceError(f"the header's columns differ, {difference}", where=where, remedy=remedy)
    return {column: cell.text for column, cell in cells.items()}


def _row(contract: Contract, columns: dict[int, str], number: int, cells: dict[int, Cell]) -> Row | Reject:
    """A row's values in the order of the contract, or why it is rejected.

    Args:
        contract: the contract.
        columns: the name of each column, by its number.
        number: the row's number.
        cells: its cells.
    """
    assert contract.source is not None
    sheet = contract.source.sheet
    names = [column.source_name for column in contract.business_columns]
    values = {columns.get(column, get_column_letter(column)): cell.text for column, cell in cells.items()}
    shown = {name: values.get(name) for name in names} | values
    raw = json.dumps(shown, ensure_ascii=False).encode("utf-8", "backslashreplace")
    faults = [
        f"{sheet}!{get_column_letter(column)}{number} {cell.fault or 'stands in a column without a name in the header'}"
        for column, cell in cells.items()
        if cell.fault or column not in columns
    ]
    if faults:
        if any(column not in columns for column in cells):
            return Reject.of(number, raw, "; ".join(faults))
        sound = {columns[column]: cell.text for column, cell in cells.items() if not cell.fault}
        return Reject.of(number, raw, "; ".join(faults), key_of(contract, [sound.get(name) for name in names]))
    if len(raw) > MAX_RECORD:
        return too_long(number, raw)
    return Row(number, raw, [values.get(name) for name in names])
