"""Sheets and their headers, and files that are not workbooks."""

import gc
import io
import random
import re
import tracemalloc
import zipfile

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources import read
from support.sources import COLUMNS, make_contract


def test_a_wrong_dimension_hides_nothing(by_openpyxl, read_sheet, edited):
    by_openpyxl(["1", "Ann", "Bali"])
    edited("xl/worksheets/sheet1.xml", lambda text: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', text))
    assert read_sheet().rows == [["1", "Ann", "Bali"]]


def test_a_range_and_a_header_in_another_row(by_openpyxl, read_sheet):
    rows = [[], [None, "id", "name", "city", "note"], [None, "(text)", "(text)", "(text)"]]
    rows += [[None, f"{number}", "Ann", None, "aside"] for number in range(5)] + [[None, "Total", 5]]
    by_openpyxl(*rows, header=["Members of 2026"])
    ids = [f"{number}" for number in range(5)]
    assert [row[0] for row in read_sheet(range="B5:D9", header_row=3).rows] == ids
    assert [row[0] for row in read_sheet(range="D9:B3").rows] == ["(text)", *ids]
    assert [row[0] for row in read_sheet(range="B:D", header_row=3).rows] == ["(text)", *ids, "Total"]


def test_a_header_with_names_of_its_own(by_openpyxl, read_sheet):
    by_openpyxl(["Bali", "1", "Ann"], header=["Kota", "No. Anggota", "name"])
    columns = [{**COLUMNS[0], "from": "No. Anggota"}, COLUMNS[1], {**COLUMNS[2], "from": "Kota"}, *COLUMNS[3:]]
    assert read_sheet(columns=columns).rows == [["1", "Ann", "Bali"]]


def test_a_value_in_a_column_without_a_name_is_not_dropped_silently(by_openpyxl, read_sheet):
    by_openpyxl(["1", "Ann", "Bali", None], ["2", "Bob", None, "aside"])
    got = read_sheet()
    assert got.rows == [["1", "Ann", "Bali"]]
    assert [(reject.line, reject.reason) for reject in got.rejects] == [
        (3, "Members!D3 stands in a column without a name in the header")
    ]
    assert read_sheet(range="A:C").rows == [["1", "Ann", "Bali"], ["2", "Bob", None]]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (["id", "name", "town"], r"Members!1:1: .*missing: 'city'; unexpected: 'town'"),
        (["id", "name", "city", "id"], r"repeated: 'id'"),
        (["id", "name", "#N/A"], r"Members!C1: the header's cell is the error #N/A"),
        (["id", "name", "=A1"], r"Members!C1: the header's cell is a formula without a value"),
        (
            [None],
            r"Members!1:1: the header's row is blank or not there.*header_row and range in the contract say where",
        ),
    ],
    ids=str,
)
def test_a_header_that_differs(by_openpyxl, read_sheet, header, says):
    by_openpyxl(["1", "Ann", "Bali"], header=header)
    with pytest.raises(SourceError, match=says) as refusal:
        read_sheet()
    assert refusal.value.remedy


def test_a_header_below_the_last_row(by_openpyxl, read_sheet):
    by_openpyxl(["1", "Ann", "Bali"])
    with pytest.raises(SourceError, match="Members!9:9: the header's row is blank or not there"):
        read_sheet(header_row=9)


def test_a_missing_sheet_and_a_chart(by_xlsxwriter, read_sheet):
    def fill(workbook, sheet):
        chart = workbook.add_chart({"type": "bar"})
        chart.add_series({"values": "=Members!$A$1:$A$2"})
        workbook.add_chartsheet("Chart").set_chart(chart)
        sheet.write(1, 0, "1")

    by_xlsxwriter(fill)
    with pytest.raises(SourceError, match=r"no sheet 'members'; it has 'Members'.*Correct the sheet's name"):
        read_sheet(sheet="members")
    with pytest.raises(SourceError, match="'Chart' is a chart"):
        read_sheet(sheet="Chart")


def archive(**parts):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name, text in parts.items():
            made.writestr({"types": "[Content_Types].xml"}.get(name, name), text)
    return content.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(3000)
NO_WORKBOOKS = {
    "text, such as CSV": b"id,name,city\n1,Ann,Bali\n",
    "text in UTF-16": "id\tname\tcity\n".encode("utf-16"),
    "an HTML page": b"\xef\xbb\xbf\n <HTML><body><table><tr><td>id</td></tr></table>",
    "an XML spreadsheet of Excel 2003": b'<?xml version="1.0"?>'
    b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
    "a workbook of Excel 97 to 2003 (.xls)": OLE + bytes(3 << 20),
    "encrypted with a password": OLE + bytes((1 << 20) - 3020) + "EncryptedPackage".encode("utf-16-le"),
    "an OpenDocument file": archive(mimetype="application/vnd.oasis.opendocument.spreadsheet"),
    "a binary workbook (.xlsb)": archive(types="application/vnd.ms-excel.sheet.binary.macroEnabled.main"),
    "another Office document": archive(types="wordprocessingml.document.main+xml"),
    "a zip archive": archive(member="id,name"),
    "in a format that is not known": b"\x00\x01\x02",
}


@pytest.mark.parametrize("kind", NO_WORKBOOKS)
def test_a_file_that_is_no_workbook(tmp_path, read_sheet, kind):
    file = tmp_path / "member.xlsx"
    file.write_bytes(NO_WORKBOOKS[kind])
    with pytest.raises(SourceError) as refusal:
        read_sheet()
    assert refusal.value.what == f"the file is {kind}, not an Excel workbook (.xlsx)"
    assert refusal.value.where == str(file)
    assert "save it as an Excel workbook" in refusal.value.remedy


def test_a_workbook_whose_parts_are_encrypted(tmp_path, by_openpyxl, read_sheet):
    by_openpyxl(["1", "Ann", "Bali"])
    file = tmp_path / "member.xlsx"
    content = bytearray(file.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(header, at + 1)) >= 0:
            content[at + flags] |= 1
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot be read \(.*encrypted"):
        read_sheet()


def test_a_strict_workbook(by_openpyxl, read_sheet, edited):
    by_openpyxl(["1", "Ann", "Bali"])
    names = (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    )
    edited("xl/workbook.xml", lambda text: text.replace(*names))
    with pytest.raises(SourceError, match="a Strict Open XML workbook"):
        read_sheet()


def test_a_damaged_workbook_gives_the_same_rows_or_is_refused(tmp_path, by_openpyxl, read_sheet, edited):
    by_openpyxl(*([f"{number}", "Ann", number / 8] for number in range(50)))
    edited("docProps/app.xml", lambda text: text)  # packed anew, so that the parts are small
    file = tmp_path / "member.xlsx"
    content, good, chance = file.read_bytes(), read_sheet().rows, random.Random("lumbung xlsx")
    refused = 0
    for _ in range(150):
        data, at = bytearray(content), chance.randrange(len(content))
        match chance.randrange(3):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + chance.randint(1, 200)]
        file.write_bytes(data)
        try:
            assert read_sheet().rows == good
        except SourceError as error:
            assert error.remedy
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", b"<v>7</v>", b"<v>x</v>"),
        ("xl/worksheets/sheet1.xml", b'r="A2"', b'r="22"'),
        ("xl/worksheets/sheet1.xml", b't="n"><v>7</v>', b't="s"><v>7</v>'),
        ("xl/worksheets/sheet1.xml", b"</sheetData>", b""),
        ("xl/workbook.xml", b"<sheets>", b"<sheets"),
        ("xl/styles.xml", b"<fill>", b"<fill"),
    ],
)
def test_a_workbook_that_breaks_the_format(by_openpyxl, read_sheet, edited, part, old, new):
    by_openpyxl(["1", "Ann", 7])

    def change(text):
        assert old in text
        return text.replace(old, new, 1)

    edited(part, change)
    with pytest.raises(SourceError, match=r"the workbook cannot be read \(.*save it as an Excel workbook"):
        read_sheet()


def test_memory_does_not_grow_with_the_rows(tmp_path, by_xlsxwriter, monkeypatch):
    monkeypatch.setattr("lumbung.sources.files.BATCH_ROWS", 500)

    def peak(count):
        def fill(_workbook, sheet):
            for row in range(1, count + 1):
                sheet.write_row(row, 0, [f"{row}", "Ann", row / 4])

        by_xlsxwriter(fill, constant_memory=True)
        gc.collect()
        tracemalloc.start()
        batches = read(make_contract("xlsx"), data_source=tmp_path, dsn=None)
        assert sum(batch.rows.num_rows for batch in batches) == count
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    peak(10)  # imports
    assert peak(6_000) < 1.3 * peak(2_000)
