"""CSV files as Excel and other programs write them, read by keys of the contract."""

import codecs
import csv
import io
import random

import pytest

from support.sources import COLUMNS, NAMES

PRICES = [
    {"name": "id", "from": "Kode", "required": True, "description": "key"},
    {"name": "name", "from": "Nama Cabang", "description": "text"},
    {"name": "price", "from": "Harga (Rp)", "decimal": ",", "description": "number"},
    {"name": "snapshot_date", "type": "DATE", "required": True, "description": "partition"},
]
EXPORT = """Laporan Harga;;
Kode;Nama Cabang;Harga (Rp)
A1;Café “Élan”;1.250.000,50
A2;"Toko; Baru
Ende";-7,5
A3;Sri;
A4;Ika;12.5
A5;Ayu;75000
"""


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (EXPORT.encode("cp1252"), "windows-1252"),
        (codecs.BOM_UTF8 + EXPORT.encode(), "cp1252"),
        (codecs.BOM_UTF8 + EXPORT.encode(), "utf-8"),
        (EXPORT.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + EXPORT.encode("utf-16-be"), "UTF-16"),
        (EXPORT.encode("utf-16-le"), "utf-16"),
        (EXPORT.encode("utf-32"), "utf-32"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_export_of_an_indonesian_excel(read_text, content, encoding, line_end):
    content = content.decode(codec := codec_of(content, encoding)).replace("\n", line_end).encode(codec)
    got = read_text("csv", content, columns=PRICES, delimiter=";", encoding=encoding, skip_rows=1)
    assert got.rows == [
        ["A1", "Café “Élan”", "1250000.50"],
        ["A2", f"Toko; Baru{line_end}Ende", "-7.5"],
        ["A3", "Sri", None],
        ["A5", "Ayu", "75000"],
    ]
    assert got.lines == [3, 4, 6, 8]
    assert [(reject.line, reject.raw, reject.reason) for reject in got.rejects] == [
        (7, "A4;Ika;12.5", "column price: '12.5' is not a number with the decimal mark ','")
    ]


def codec_of(content, encoding):
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8"
    has_mark = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16-le" if encoding == "utf-16" and not has_mark else encoding


def test_skipped_lines_are_lines_of_the_file(read_text):
    content = b'A "report\n\nof,3\nid,name,city\n1,Ann,Bali\nbad\n'
    got = read_text("csv", content, skip_rows=3)
    assert (got.rows, got.lines) == ([["1", "Ann", "Bali"]], [5])
    assert [reject.line for reject in got.rejects] == [6]


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "^", "]", "-", "\\", " ", "¦", "a"])
def test_any_character_is_a_delimiter(read_text, delimiter):
    chance = random.Random(f"lumbung {delimiter}")
    rows = [[str(n), *("".join(chance.choices(f'b,"\n\r é{delimiter}', k=6)) for _ in "ab")] for n in range(300)]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([NAMES, *rows])
    got = read_text("csv", out.getvalue().encode(), delimiter=delimiter)
    assert (got.rows, got.rejects) == (rows, [])


@pytest.mark.parametrize(
    ("encoding", "row", "raw", "reason"),
    [
        ("cp1252", b"2,B\x81\xe9,\x80", "2,B\\x81é,€", "byte 0x81 at position 4 of the row is not CP1252"),
        ("ascii", b"2,B\xc3\xa9,c", "2,B\\xc3\\xa9,c", "byte 0xc3 at position 4 of the row is not ASCII"),
        ("shift_jis", b"2,\x83\x65\x81,\xff", "2,テ\\x81,\\xff", "byte 0x81 at position 4 of the row is not SHIFT_JIS"),
        ("cp1252", "2,Zoë,c".encode(), "2,ZoÃ«,c", "the row is UTF-8, not CP1252"),
        ("cp1252", b'2,"\xe9,c', '2,"é,c', "broken quote: it is opened and not closed"),
        ("cp1252", b"2,\xe9", "2,é", "expected 3 columns, found 2"),
        ("cp1252", b",\xe9,c", ",é,c", "key column id is null"),
    ],
)
def test_a_reject_is_readable_in_any_encoding(read_text, encoding, row, raw, reason):
    got = read_text("csv", b"id,name,city\n1,a,b\n" + row + b"\n3,e,f\n", encoding=encoding)
    assert got.rows == [["1", "a", "b"], ["3", "e", "f"]]
    assert [(reject.line, reject.raw, reject.reason) for reject in got.rejects] == [(3, raw, reason)]


@pytest.mark.parametrize("order", ["le", "be"])
def test_broken_utf_16_rejects_its_row_only(read_text, order):
    text = "id,name,city\n1,\ud800x,b\n2,é,f\n3,a,b".encode(f"utf-16-{order}", "surrogatepass")
    got = read_text("csv", text + b"\x63", encoding=f"utf-16-{order}")
    assert got.rows == [["2", "é", "f"]]
    assert [(reject.line, reject.raw) for reject in got.rejects] == [
        (2, f"1,{'\\x00\\xd8' if order == 'le' else '\\xd8\\x00'}x,b"),
        (4, "3,a,b\\x63"),
    ]


@pytest.mark.parametrize(
    ("decimal", "value", "number"),
    [
        (",", "1.234", "1234"),
        (",", "1.234.567,891", "1234567.891"),
        (",", "+0,5", "+0.5"),
        (",", ",5", ".5"),
        (",", " 7,25 ", "7.25"),
        (",", "1,5E+06", "1.5E+06"),
        (".", '"1,234,567.5"', "1234567.5"),
        (".", "12.5", "12.5"),
        (",", "12.5", None),
        (",", "1.2345", None),
        (",", "1234.567", None),
        (",", '"1,2,3"', None),
        (",", "1.000.00,5", None),
        (",", "Rp5", None),
        (",", "5%", None),
        (",", "5,", None),
        (",", "-", None),
        (",", "NaN", None),
        (",", "٣", None),
    ],
)
def test_numbers_with_a_decimal_mark(read_text, decimal, value, number):
    columns = [*COLUMNS[:2], {**COLUMNS[2], "decimal": decimal}, COLUMNS[3]]
    got = read_text("csv", f"id;name;city\n1;a;{value}\n".encode(), columns=columns, delimiter=";")
    assert got.rows == ([["1", "a", number]] if number else [])
    shown = value.strip('"')
    reason = f"column city: {shown!r} is not a number with the decimal mark {decimal!r}"
    assert [reject.reason for reject in got.rejects] == ([] if number else [reason])


def test_a_long_number_is_refused_in_linear_time(read_text):
    columns = [*COLUMNS[:2], {**COLUMNS[2], "decimal": ","}, COLUMNS[3]]
    got = read_text("csv", b"id;name;city\n1;a;" + b"1.000" * 200_000 + b"x\n", columns=columns, delimiter=";")
    assert len(got.rejects) == 1
    assert len(got.rejects[0].reason) < 200
