"""Cells as openpyxl, XlsxWriter and LibreOffice write them."""
# ruff: noqa: DTZ001 - cells have no time zone

import json
import shutil
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from openpyxl.utils.datetime import MAC_EPOCH

LIBREOFFICE = Path(__file__).with_name("xlsx") / "libreoffice.xlsx"
UNCALCULATED = "is a formula without a value: let a spreadsheet program calculate it and save the file"


def reasons(content):
    return [(reject.line, reject.reason) for reject in content.rejects]


VALUES = [
    (12, "General", "12"),
    (12.0, "0.00", "12"),
    (-3, "General", "-3"),
    (1.1, "General", "1.1"),
    (0.125, "0.0%", "0.125"),
    (1250000, '"Rp"#,##0', "1250000"),
    (12345678901234, "0", "12345678901234"),
    (1e-7, "0.00E+00", "0.0000001"),
    (1e21, "General", "1" + "0" * 21),
    (True, "General", "true"),
    (False, "General", "false"),
    ("0012", "General", "0012"),
    ("0012", "@", "0012"),
    (" Siti ", "General", " Siti "),
    ("true", "General", "true"),
    ("=not a formula", None, "=not a formula"),
    (date(2026, 11, 10), "dd/mm/yyyy", "2026-11-10"),
    (date(2026, 11, 10), "[$-421]dddd, d mmmm yyyy", "2026-11-10"),
    (date(2026, 11, 10), "mmm", "2026-11-10"),
    (date(1900, 1, 1), "yyyy-mm-dd", "1900-01-01"),
    (date(1900, 2, 28), "yyyy-mm-dd", "1900-02-28"),
    (date(1900, 3, 1), "yyyy-mm-dd", "1900-03-01"),
    (date(9999, 12, 31), "yyyy-mm-dd", "9999-12-31"),
    (datetime(2026, 11, 10, 7, 30), "yyyy-mm-dd hh:mm", "2026-11-10 07:30:00"),
    (datetime(2026, 11, 10), "yyyy-mm-dd hh:mm", "2026-11-10 00:00:00"),
    (datetime(2026, 11, 10, 7, 30), "yyyy-mm-dd", "2026-11-10 07:30:00"),
    (datetime(2026, 11, 10, 7, 30), "h:mm AM/PM", "2026-11-10 07:30:00"),
    (datetime(2026, 11, 10, 23, 59, 59, 999000), "yyyy-mm-dd h:mm:ss.000", "2026-11-10 23:59:59.999"),
    (time(7, 30), "h:mm", "07:30:00"),
    (time(7, 30, 15, 250000), "mm:ss.0", "07:30:15.250"),
    (time(0, 0), "h:mm", "00:00:00"),
    (0.9999999999, "h:mm", "00:00:00"),  # as a sum of times may be
    (timedelta(hours=36, minutes=15), "[h]:mm:ss", "36:15:00"),
]


WRITERS = ["openpyxl", "openpyxl 1904", "openpyxl ISO", "XlsxWriter", "XlsxWriter 1904"]


@pytest.mark.parametrize(
    ("writer", "value", "number_format", "text"),
    [(writer, *case) for writer in WRITERS for case in VALUES if not ("1904" in writer and "1900-" in case[2])],
    ids=lambda value: ascii(value)[:30],
)
def test_a_value_as_text(by_openpyxl, by_xlsxwriter, read_sheet, writer, value, number_format, text):
    if writer.startswith("openpyxl"):

        def change(sheet):
            cell = sheet.cell(2, 3, value)
            if number_format is None:
                cell.data_type = "s"
            else:
                cell.number_format = number_format

        epoch = {"epoch": MAC_EPOCH} if "1904" in writer else {}
        by_openpyxl(["1", "Ann"], change=change, **epoch, iso_dates="ISO" in writer)
    else:

        def fill(workbook, sheet):
            number = workbook.add_format({"num_format": number_format or "General"})
            sheet.write_row(1, 0, ["1", "Ann"])
            write = sheet.write_string if isinstance(value, str) else sheet.write
            write(1, 2, value, number)

        by_xlsxwriter(fill, date_1904="1904" in writer)
    assert read_sheet().rows == [["1", "Ann", text]]


def test_day_zero_and_days_outside_the_calendar(by_openpyxl, read_sheet):
    def change(sheet):
        for row, serial in enumerate((0, 60, -1, 2958466, 61), 2):
            sheet.cell(row, 1, f"{row}")
            sheet.cell(row, 2, "Ann")
            sheet.cell(row, 3, serial).number_format = "yyyy-mm-dd"

    by_openpyxl(change=change)
    got = read_sheet()
    assert got.rows == [["6", "Ann", "1900-03-01"]]
    assert [reason.split("is not a date: ")[1] for _, reason in reasons(got)] == [
        f"{serial} is outside the calendar" for serial in (0, 60, -1, 2958466)
    ]
    by_openpyxl(change=change, epoch=MAC_EPOCH)
    assert [row[2] for row in read_sheet().rows[:2]] == ["1904-01-01", "1904-03-01"]


def test_errors_and_formulas_without_a_value_are_rejects_with_the_cell_s_address(by_openpyxl, read_sheet):
    by_openpyxl(
        ["1", "Ann", "#N/A"], ["2", "Bob", "=B3"], ["3", "Eve", None], ["=A1", "#REF!", "x"], ["5", "Fay", "'#N/A"]
    )
    got = read_sheet()
    assert got.rows == [["3", "Eve", None], ["5", "Fay", "'#N/A"]]
    assert reasons(got) == [
        (2, "Members!C2 is the error #N/A"),
        (3, f"Members!C3 {UNCALCULATED}"),
        (5, f"Members!A5 {UNCALCULATED}; Members!B5 is the error #REF!"),
    ]
    assert [json.loads(reject.raw)["city"] for reject in got.rejects] == ["#N/A", "=B3", "x"]


def test_a_number_that_is_not_finite_is_a_reject(by_openpyxl, read_sheet, edited):
    by_openpyxl(["1", "Ann", 7], ["2", "Bob", 8])
    edited("xl/worksheets/sheet1.xml", lambda text: text.replace(b"<v>7</v>", b"<v>1e999</v>"))
    got = read_sheet()
    assert (got.rows, reasons(got)) == ([["2", "Bob", "8"]], [(2, "Members!C2 is not a finite number")])


def test_a_formula_with_a_value_is_that_value(by_xlsxwriter, read_sheet, edited):
    def fill(_workbook, sheet):
        for row, value in enumerate(("Solo", 2.5, True, "#DIV/0!", 0), 1):
            sheet.write_row(row, 0, [f"{row}", "Ann"])
            sheet.write_formula(row, 2, "=D1", None, value)

    by_xlsxwriter(fill)
    got = read_sheet()
    assert [row[2] for row in got.rows] == ["Solo", "2.5", "true"]
    # 0 is what the writer puts where no value is given; the workbook says that it was never calculated.
    assert reasons(got) == [(5, "Members!C5 is the error #DIV/0!"), (6, f"Members!C6 {UNCALCULATED}")]
    edited("xl/workbook.xml", lambda text: text.replace(b' fullCalcOnLoad="1"', b""))
    assert [row[2] for row in read_sheet().rows] == ["Solo", "2.5", "true", "0"]


def test_merged_hidden_and_blank(by_openpyxl, read_sheet):
    def change(sheet):
        sheet.merge_cells("B2:B3")
        sheet.row_dimensions[4].hidden = True
        sheet.column_dimensions["C"].hidden = True
        sheet.cell(9, 1, "5").number_format = "@"
        sheet.cell(9, 2, "Eve")
        sheet.cell(40, 3).number_format = "0.00"

    by_openpyxl(["1", "Ann", "Bali"], ["2", None, "Solo"], ["3", "Bob", "Ende"], [], ["", None, ""], change=change)
    got = read_sheet()
    assert got.rows == [["1", "Ann", "Bali"], ["3", "Bob", "Ende"], ["5", "Eve", None]]
    assert got.lines == [2, 4, 9]
    assert reasons(got) == [(3, "required column name is null")]


def test_a_workbook_of_libreoffice(tmp_path, read_sheet):
    shutil.copy(LIBREOFFICE, tmp_path / "member.xlsx")
    got = read_sheet()
    assert dict(zip(got.lines, got.rows, strict=True)) == {
        2: ["0007", "12", "0.125"],
        3: ["2", "2026-11-10", "2026-11-10 00:00:00"],
        4: ["3", "07:30:00", "36:15:00"],
        5: ["4", "true", "10"],
        7: ["6", "merged", None],
        10: ["7", "two\nlines", None],
    }
    assert reasons(got) == [(6, "Members!C6 is the error #DIV/0!")]


def test_rich_texts_and_inline_texts(by_xlsxwriter, read_sheet):
    def fill(workbook, sheet):
        sheet.write_row(1, 0, ["1", "Zoë\r\n\x01"])
        sheet.write_rich_string(1, 2, "So", workbook.add_format({"bold": True}), "lo")

    for inline in (False, True):
        by_xlsxwriter(fill, constant_memory=inline)
        assert read_sheet().rows == [["1", "Zoë\r\n\x01", "Solo"]]
