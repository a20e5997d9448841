"""The cells of a sheet as text.

openpyxl shows either a workbook's formulas or their values, so it cannot tell a formula without a value from an empty
cell, and it turns some dates into times. Hence its parser is used one level lower, where a cell's element is still
there, and serial numbers become dates here (ECMA-376, part 1, 18.17.4).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from openpyxl import Workbook
from openpyxl.cell.read_only import ReadOnlyCell
from openpyxl.styles.numbers import STRIP_RE, is_date_format, is_timedelta_format
from openpyxl.utils import column_index_from_string
from openpyxl.utils.datetime import MAC_EPOCH
from openpyxl.utils.escape import unescape
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet._reader import DATA_TAG, FORMULA_TAG, ROW_TAG, VALUE_TAG, WorkSheetParser
from openpyxl.xml.functions import iterparse

from lumbung.sources.files import RowError

MILLISECONDS_A_DAY = 86_400_000
LAST_ROW, LAST_COLUMN = 1 << 20, 1 << 14  # of a sheet
LAST_DAY = date(9999, 12, 31)
_MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?ref\s*=\s*["']([A-Z]+)(\d+):([A-Z]+)(\d+)["']""")
_CALCULATE = re.compile(rb"""fullCalcOnLoad\s*=\s*["'](?:1|true)["']""")
_CHUNK = 1 << 16

Kind = Literal["number", "date", "time", "datetime", "duration"]


class Cell(NamedTuple):
    """A cell that is not empty.

    Attributes:
        text: its text; of a cell with a fault what stands in it.
        fault: why its value cannot be read; empty if it can.
    """

    text: str
    fault: str = ""


class Area(NamedTuple):
    """A rectangle of cells, from 1, all bounds included."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


class Sheet:
    """A sheet of an open workbook."""

    def __init__(self, workbook: Workbook, sheet: ReadOnlyWorksheet) -> None:
        self._sheet: Any = sheet  # its stubs leave out what is private
        self._is_1904 = workbook.epoch == MAC_EPOCH
        self._has_placeholders = _wants_calculation(sheet)
        self._kinds: dict[int, Kind] = {}

    def rows(self) -> Iterator[tuple[int, dict[int, Cell]]]:
        """The rows that have cells: the number, and the cells that are not empty by the number of their column."""
        merged = sorted(self._merged())
        with self._sheet._get_source() as source:
            parser = _Parser(source, self._sheet._shared_strings, self._has_placeholders)
            for number, cells in parser.rows():
                merged = [area for area in merged if area.last_row >= number]
                row = {}
                for cell in cells:
                    if cell["value"] is None or _is_covered(merged, number, cell["column"]):
                        continue
                    if (shown := self._cell(cell)).text:
                        row[cell["column"]] = shown
                yield number, row

    def _merged(self) -> Iterator[Area]:
        """The merged areas, which stand after the rows: only their first cell counts, whatever is left in others."""
        with self._sheet._get_source() as source:
            rest = b""
            while chunk := source.read(_CHUNK):
                text = rest + chunk
                for column, row, last_column, last_row in _MERGED.findall(text):
                    first, last = (column_index_from_string(name.decode()) for name in (column, last_column))
                    yield Area(int(row), first, int(last_row), last)
                rest = text[text.rfind(b"<") :] if b"<" in text else b""

    def _cell(self, cell: dict[str, Any]) -> Cell:
        value = cell["value"]
        try:
            return Cell(self._text(cell["data_type"], value, cell["style_id"]))
        except RowError as fault:
            return Cell(f"{value}".encode("utf-8", "backslashreplace").decode(), str(fault))

    def _text(self, data_type: str, value: Any, style: int) -> str:
        match data_type:
            case "f":
                raise RowError("is a formula without a value: let a spreadsheet program calculate it and save the file")
            case "e":
                raise RowError(f"is the error {value}")
            case "b":
                return "true" if value else "false"
            case "d":
                return _iso(value)
            case "n" if isinstance(value, float) and not math.isfinite(value):
                raise RowError("is not a finite number")
            case "n":
                kind = self._kind(style)
                return number(value) if kind == "number" else moment(value, kind, is_1904=self._is_1904)
        return _checked(unescape(value))

    def _kind(self, style: int) -> Kind:
        if style not in self._kinds:
            self._kinds[style] = kind_of(ReadOnlyCell(self._sheet, 1, 1, None, style_id=style).number_format)
        return self._kinds[style]


def _wants_calculation(sheet: Any) -> bool:
    """Whether the workbook asks to be calculated when it is opened.

    Programs that do not calculate write so, and 0 for each formula's value. openpyxl says so of all workbooks.
    """
    archive = sheet.parent._archive
    names = [name for name in archive.namelist() if name.endswith("workbook.xml")]
    return any(_CALCULATE.search(archive.read(name)) for name in names)


class _Parser(WorkSheetParser):
    """openpyxl's parser of a sheet, with numbers as they are stored, formulas without a value, and flat memory."""

    def __init__(self, source: Any, texts: Any, has_placeholders: bool) -> None:
        super().__init__(source, texts, data_only=True)
        self._has_placeholders = has_placeholders

    def rows(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The rows, each dropped from the document once it is read; the parent's `parse` keeps all of them."""
        data = None
        for event, element in iterparse(self.source, ("start", "end")):
            if event == "start":
                if element.tag == DATA_TAG:
                    data = element
            elif element.tag == ROW_TAG and data is not None:
                yield self.parse_row(element)
                data.clear()
            elif element.tag == DATA_TAG:
                return

    def parse_cell(self, element: Any) -> dict[str, Any]:
        cell: dict[str, Any] = super().parse_cell(element)
        if cell["data_type"] == "e":
            cell["value"] = cell["value"] or "(unknown)"
        formula = element.find(FORMULA_TAG)
        if formula is None:
            return cell
        is_empty_text = cell["data_type"] == "str" and element.find(VALUE_TAG) is not None
        is_missing = cell["value"] is None and not is_empty_text
        is_placeholder = self._has_placeholders and cell["data_type"] == "n" and cell["value"] == 0
        if is_missing or is_placeholder:
            cell |= {"data_type": "f", "value": f"={formula.text or ''}"}
        return cell


def _is_covered(merged: list[Area], row: int, column: int) -> bool:
    """Whether a cell lies in a merged area and is not its first one; the areas are in the order of their first row."""
    for area in merged:
        if area.first_row > row:
            break
        if area.first_column <= column <= area.last_column and area[:2] != (row, column):
            return True
    return False


def kind_of(number_format: str) -> Kind:
    """What numbers with a number format are."""
    if is_timedelta_format(number_format):
        return "duration"
    if not is_date_format(number_format):
        return "number"
    letters = set(STRIP_RE.sub("", number_format.split(";")[0]).lower())
    if not letters & {"h", "s"}:
        return "date"
    return "datetime" if letters & {"d", "y"} else "time"


def number(value: float) -> str:
    """A number in decimal notation, with as few digits as tell it from others, and without `.0`."""
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(serial: float, kind: Kind, *, is_1904: bool) -> str:
    """A serial number as a date, time, datetime or duration; a date with a time of day is a datetime.

    Args:
        serial: days since the calendar's begin.
        kind: what the cell's number format shows.
        is_1904: whether day 0 is 1904-01-01; else day 1 is 1900-01-01, and day 60 is not a day.

    Raises:
        RowError: it is not a date of the calendar.
    """
    total = round(Decimal(repr(serial)) * MILLISECONDS_A_DAY)
    days, rest = divmod(total, MILLISECONDS_A_DAY)
    if kind == "duration":
        return f"{'-' if total < 0 else ''}{_clock(abs(total))}"
    is_before_midnight = kind == "time" and 0 <= serial < 1  # rounded it may be midnight of the next day
    if is_before_midnight or (kind != "date" and days == 0 and not (is_1904 and kind == "datetime")):
        return _clock(rest)
    if is_1904:
        first, in_calendar = date(1904, 1, 1), days >= 0
    else:
        first, in_calendar = date(1899, 12, 31 if days < 60 else 30), days > 0 and days != 60
    if not in_calendar or days > (LAST_DAY - first).days:
        raise RowError(f"is not a date: {number(serial)} is outside the calendar")
    day = first + timedelta(days=days)
    return f"{day}" if kind == "date" and not rest else f"{day} {_clock(rest)}"


def _clock(milliseconds: int) -> str:
    seconds, fraction = divmod(milliseconds, 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:03}" if fraction else text


def _iso(value: date | time | timedelta) -> str:
    """A value that the file itself writes in ISO 8601."""
    if isinstance(value, timedelta):
        return _clock(round(value.total_seconds() * 1000))
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds").removesuffix(".000")
    if isinstance(value, time):
        return value.isoformat("milliseconds").removesuffix(".000")
    return value.isoformat()


def _checked(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError("holds a lone surrogate, which is not a character") from None
    return text
