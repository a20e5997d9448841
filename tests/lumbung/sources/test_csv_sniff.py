"""The guess at a CSV file's layout, from files as programs write them."""

import codecs

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources.csv_sniff import Dialect, Layout, layout

EXPORT = (
    "Daftar Harga;;;\r\n"
    "Per 31-10-2026;;;\r\n"
    "\r\n"
    'No;"Nama\nCabang";Harga (Rp);2026\r\n'
    "001;Café Senen;1.250.000,50;\r\n"
    '002;"Toko ""A"";B";-7,5;x\r\n'
    "003;Sri;;y\r\n"
)
EXCEL = Layout(Dialect(";", "cp1252", 3), ["No", "Nama\nCabang", "Harga (Rp)", "2026"], [None, None, ",", None])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (EXPORT.encode("cp1252"), EXCEL),
        (codecs.BOM_UTF8 + EXPORT.encode(), EXCEL._replace(dialect=Dialect(";", "utf-8", 3))),
        (EXPORT.replace(";", "\t").encode("utf-16"), EXCEL._replace(dialect=Dialect("\t", "utf-16", 3))),
        (b"sep=;\nid;price\n1;1.000.000\n", Layout(Dialect(";", "utf-8", 1), ["id", "price"], [None, ","])),
        (b"sep=|\nid|a;b\n1|c;d\n", Layout(Dialect("|", "utf-8", 1), ["id", "a;b"], [None, None])),
        (b"id,price\n1,12.5\n2,1.000\n", Layout(Dialect(",", "utf-8", 0), ["id", "price"], [None, None])),
        (b'id,price\n1,"12,5"\n', Layout(Dialect(",", "utf-8", 0), ["id", "price"], [None, ","])),
        # Thousands of one country, thousandths of another: what is not known is not guessed.
        (b'id,price\n1,"1,250"\n2,"12,500"\n', Layout(Dialect(",", "utf-8", 0), ["id", "price"], [None, None])),
        (b"id;part\n1;0,125\n2;1,250\n", Layout(Dialect(";", "utf-8", 0), ["id", "part"], [None, ","])),
        (b"\n\nid|text\n1|a, b; c, d\n2|e\n", Layout(Dialect("|", "utf-8", 0), ["id", "text"], [None, None])),
        (b"id\n1\n2\n", Layout(Dialect(",", "utf-8", 0), ["id"], [None])),
        ("id,é\n".encode() * 30_000, Layout(Dialect(",", "utf-8", 0), ["id", "é"], [None, None])),
    ],
)
def test_layouts(tmp_path, content, expected):
    (tmp_path / "price.csv").write_bytes(content)
    assert layout(tmp_path / "price.csv") == expected


@pytest.mark.parametrize("content", [b"", b"\n\n", b";;\n;;\n"])
def test_a_file_without_a_header(tmp_path, content):
    (tmp_path / "price.csv").write_bytes(content)
    with pytest.raises(SourceError, match="looks like a header"):
        layout(tmp_path / "price.csv")
