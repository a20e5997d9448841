"""What is CSV's own: quotes, and bytes that are not text."""

import codecs
import csv
import io
import random
import time

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources import MAX_RAW
from lumbung.sources.files import MAX_RECORD

HEAD = b"id,name,city\n"


@pytest.mark.parametrize(
    ("content", "rows", "lines"),
    [
        (HEAD + b"1,Ann,Bali\n2,Bob,\n", [["1", "Ann", "Bali"], ["2", "Bob", None]], [2, 3]),
        (b"city,id,name\nBali,1,Ann\n", [["1", "Ann", "Bali"]], [2]),
        (b"id,name,city\r\n1,Ann,Bali\r\n2,Bob,Solo\r\n", [["1", "Ann", "Bali"], ["2", "Bob", "Solo"]], [2, 3]),
        (HEAD + b"1,Ann,Bali", [["1", "Ann", "Bali"]], [2]),
        (codecs.BOM_UTF8 + HEAD + b"1,Ann,Bali\n", [["1", "Ann", "Bali"]], [2]),
        (
            b'"id","name","city"\n"1","A ""x"", b","Ba\r\nli"\n2,B,C\n',
            [["1", 'A "x", b', "Ba\r\nli"], ["2", "B", "C"]],
            [2, 4],
        ),
        (HEAD + "1,Zoë Ünal,日本\n".encode(), [["1", "Zoë Ünal", "日本"]], [2]),
        (HEAD + b"\n1, Ann ,BALI\n\r\n\n2,b,c\n\n", [["1", " Ann ", "BALI"], ["2", "b", "c"]], [3, 6]),
        (b"\n\n" + HEAD + b"1,Ann,\n", [["1", "Ann", None]], [4]),
        (HEAD + b'1,Ann,""\n', [["1", "Ann", None]], [2]),
        (HEAD + b'1,Ann,""""\n', [["1", "Ann", '"']], [2]),
        (HEAD, [], []),
        (b"id,name,city", [], []),
    ],
)
def test_good_files(read_text, content, rows, lines):
    got = read_text("csv", content)
    assert (got.rows, got.lines, got.rejects) == (rows, lines, [])


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"9,Ann", "expected 3 columns, found 2"),
        (b"9,Ann,Bali,Solo", "expected 3 columns, found 4"),
        (b"   ", "expected 3 columns, found 1"),
        (
            b"9,A\xffn,Bali",
            "byte 0xff at position 4 of the row is not UTF-8; encoding: cp1252 in the contract would read ÿ",
        ),
        (b"9,A\x81n,Bali", "byte 0x81 at position 4 of the row is not UTF-8"),
        ("9,Zoë\udcff,Bali".encode(errors="surrogateescape"), "byte 0xff at position 6 of the row is not UTF-8"),
        (b"9,Ann,Bali,", "expected 3 columns, found 4; the line ends in a delimiter"),
        (b'9,"Ann,Bali', "broken quote: it is opened and not closed"),
        (b'9,A"n"n,Bali', "broken quote: it does not enclose a whole value, at character 4"),
        (b'9,"A"nn,Bali', "broken quote: it does not enclose a whole value, at character 3"),
        (b'9,"Ann" ,Bali', "broken quote: it does not enclose a whole value, at character 3"),
        (b"9,A\rnn,Bali", "lone carriage return, at character 4"),
        (b'"",Ann,Bali', "key column id is null"),
    ],
)
def test_a_bad_row_is_rejected_and_no_other(read_text, record, reason):
    got = read_text("csv", HEAD + b"1,a,b\n" + record + b"\n2,c,d\n3,e,f\n")
    assert got.rows == [["1", "a", "b"], ["2", "c", "d"], ["3", "e", "f"]]
    assert got.lines == [2, 4, 5]
    assert [(r.line, r.raw, r.reason) for r in got.rejects] == [(3, record.decode("utf-8", "backslashreplace"), reason)]


def test_a_bad_byte_rejects_its_whole_record(read_text):
    got = read_text("csv", HEAD + b'1,"a\n\xe9",b\n2,c,d\n')
    assert got.rows == [["2", "c", "d"]]
    assert [(r.line, r.raw) for r in got.rejects] == [(2, '1,"a\n\\xe9",b')]


def test_the_lines_after_a_broken_quote_are_rows_of_their_own(read_text):
    got = read_text("csv", HEAD + b'1,"a,b\n2,"c\nd",e\n3,f"f,g\n4,h,i\n')
    assert got.rows == [["2", "c\nd", "e"], ["4", "h", "i"]]
    assert [r.line for r in got.rejects] == [2, 5]


@pytest.mark.parametrize("line", [b'a","\n', b'"a\n', b'a"b,"c\n', b'""",\n', b'x,y"\n', b'"",""""\n'])
def test_broken_quotes_cost_linear_time(read_text, line):
    start = time.monotonic()
    got = read_text("csv", HEAD + line * 100_000)
    assert got.rows == []
    assert got.rejects
    assert time.monotonic() - start < 60


def test_an_open_quote_holds_no_more_than_the_bound(read_text):
    got = read_text("csv", HEAD + b'0,"open,b\n' + (b"1," + b"a" * 95 + b",b\n") * 20_000 + b'2,"c",d\n')
    assert [(r.line, r.reason) for r in got.rejects] == [(2, "broken quote: it is opened and not closed")]
    assert len(got.rows) == 20_001


def test_an_endless_line_is_rejected_and_cut(read_text):
    got = read_text("csv", HEAD + b'1,"a\n' + b"x" * (3 * MAX_RECORD) + b'",b\n2,c,d\n')
    assert got.rows == [["2", "c", "d"]]
    assert [r.line for r in got.rejects] == [2, 3]
    assert got.rejects[1].reason == f"the row is longer than {MAX_RECORD:,} characters"
    assert len(got.rejects[1].raw) == MAX_RAW
    assert got.rejects[1].raw.endswith("x…")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (codecs.BOM_UTF8, "the file is empty"),
        (codecs.BOM_UTF8 + b" \r\n\n", "the file is empty"),
        ("id,name,city\n".encode("utf-16"), "the file is UTF-16"),
        (codecs.BOM_UTF16_BE + "id,name,city\n".encode("utf-16-be"), "the file is UTF-16"),
        ("id,name,city\n".encode("utf-32"), "the file is UTF-32"),
        (b"id,city\n1,a\n", ":1: the header's columns differ, missing: 'name'."),
        (b"id,name,city,age\n", ":1: the header's columns differ, unexpected: 'age'."),
        (b"id,Name,city \n", ":1: the header's columns differ, missing: 'name', 'city'; unexpected: 'Name', 'city '."),
        (b"id,name,city,id\n", ":1: the header's columns differ, repeated: 'id'."),
        (
            b"\n1,Ann,Bali\n",
            ":2: the header's columns differ, missing: 'id', 'name', 'city'; unexpected: '1', 'Ann', 'Bali'",
        ),
        (b'id,"name,city\n1,a,b\n', ":1: the header cannot be read: broken quote"),
        (b"id,n\xe9me,city\n", ":1: the header cannot be read: byte 0xe9"),
        (b"id,name,city,\n", ":1: the header's columns differ, unexpected: ''. Export the file without"),
        (b"id,name,city\r1,a,b\r", ":1: the header cannot be read: lone carriage return"),
        (b"x" * (2 * MAX_RECORD), ":1: the header cannot be read: the row is longer"),
    ],
)
def test_a_file_that_is_refused(read_text, content, message):
    with pytest.raises(SourceError) as refusal:
        read_text("csv", content)
    assert message in str(refusal.value)
    assert "member.csv" in refusal.value.where
    assert refusal.value.remedy
    assert len(str(refusal.value)) < 1000


def test_python_s_csv_agrees(read_text):
    chance = random.Random(7)
    rows = [[str(n), *("".join(chance.choices('ab",\n\r é;', k=6)) for _ in "ab")] for n in range(500)]
    for ending, quoting in (("\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL)):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator=ending, quoting=quoting)
        writer.writerows([["id", "name", "city"], *rows])
        got = read_text("csv", out.getvalue().encode())
        assert (got.rows, got.rejects) == (rows, [])


def test_rows_come_in_batches(read_text, monkeypatch):
    monkeypatch.setattr("lumbung.sources.files.BATCH_ROWS", 50)
    got = read_text("csv", HEAD + b"".join(b"%d,a,b\n" % n for n in range(110)) + b"bad\n" * 20)
    assert [(batch.rows.num_rows, len(batch.rejects)) for batch in got.batches] == [(50, 0), (50, 0), (10, 20)]
    assert got.lines == list(range(2, 112))
    monkeypatch.setattr("lumbung.sources.files.BATCH_BYTES", 30)
    assert len(read_text("csv", HEAD + b"1,a,0123456789012345\n" * 9).batches) == 5
