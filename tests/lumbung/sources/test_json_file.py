"""What is JSON's own: layouts, types, escapes and cut-off files."""

import codecs
import json

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources.files import MAX_RECORD
from support.sources import COLUMNS

ANN = {"id": "1", "name": "Ann", "city": "Bali"}
BOB = {"id": "2", "name": "Zoë", "city": None}
VALUES = [["1", "Ann", "Bali"], ["2", "Zoë", None]]
A, B = (json.dumps(row, ensure_ascii=False) for row in (ANN, BOB))
DEEP = "[" * 200_000


@pytest.mark.parametrize(
    ("content", "rows", "lines"),
    [
        (json.dumps([ANN, BOB]), VALUES, [1, 1]),
        (json.dumps([ANN, BOB], indent=2, ensure_ascii=False), VALUES, [2, 7]),
        (json.dumps([ANN, BOB], indent="\t").replace("\n", "\r\n"), VALUES, [2, 7]),
        (f"\n [\n{A}\n,{B}]\n\n", VALUES, [3, 4]),
        ("\ufeff" + json.dumps([ANN, BOB]), VALUES, [1, 1]),
        (f"{A}\n{B}", VALUES, [1, 2]),
        (f"\n{A}\r\n\r\n {B} \r\n", VALUES, [2, 4]),
        ('[{"city":"\\ud83d\\ude00 \\"q\\"\\n","name":" x ","id":"\\u00e9"}]', [["é", " x ", '😀 "q"\n']], [1]),
        ("[]", [], []),
        (" [ \n ] \n", [], []),
    ],
)
def test_good_files(read_text, content, rows, lines):
    got = read_text("json", content.encode())
    assert (got.rows, got.lines, got.rejects) == (rows, lines, [])


def test_a_field_is_named_as_the_file_does(read_text):
    columns = [{**column, "from": column["name"].upper()} for column in COLUMNS[:-1]] + COLUMNS[-1:]
    got = read_text("json", b'[{"NAME": "Ann", "ID": "1", "CITY": null}, {"name": "Bob"}]', columns=columns)
    assert got.rows == [["1", "Ann", None]]
    assert [reject.reason for reject in got.rejects] == [
        "the fields differ, missing: 'ID', 'NAME', 'CITY'; unexpected: 'name'"
    ]


BAD_ROWS = [
    (b"[1]", "the row is an array, not an object"),
    (b'"x"', "the row is a string, not an object"),
    (b"17", "the row is a number, not an object"),
    (b"NaN", "the row is a number, not an object"),
    (b"null", "the row is null, not an object"),
    (b'{"id":"9","name":"x"}', "the fields differ, missing: 'city'"),
    (b'{"id":"9","name":"x","City":"y"}', "the fields differ, missing: 'city'; unexpected: 'City'"),
    (b'{"id":"9","name":"x","city":"y","a\\ud800":1}', "the fields differ, unexpected: 'a\\ud800'"),
    (b'{"id":"9","id":"8","name":"x","city":"y"}', "the fields differ, repeated: 'id'"),
    (b'{"id":9,"name":"x","city":"y"}', "field id is a number, expected a string or null"),
    (b'{"id":' + b"9" * 5000 + b',"name":"x","city":"y"}', "field id is a number, expected a string or null"),
    (b'{"id":"9","name":true,"city":"y"}', "field name is a boolean, expected a string or null"),
    (b'{"id":"9","name":{"id":"1"},"city":"y"}', "field name is an object, expected a string or null"),
    (b'{"id":"9","name":[],"city":"y"}', "field name is an array, expected a string or null"),
    (b'{"id":"9","name":"\\udc80","city":"y"}', "field name holds a lone surrogate, which is not a character"),
    (b'{"id":"9","name":"\xff","city":"y"}', "byte 0xff at position 19 of the row is not UTF-8"),
    (b'{"id":"9","name":"\xed\xa0\x80","city":"y"}', "byte 0xed at position 19 of the row is not UTF-8"),
]


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS)
@pytest.mark.parametrize("layout", ["array", "lines"])
def test_a_bad_row_is_rejected_and_no_other(read_text, row, reason, layout):
    rows = [A.encode(), row, B.encode()]
    got = read_text("json", b"[" + b",\n".join(rows) + b"]" if layout == "array" else b"\n".join(rows))
    assert (got.rows, got.lines) == (VALUES, [1, 3])
    assert [(r.line, r.raw, r.reason) for r in got.rejects] == [(2, row.decode("utf-8", "backslashreplace"), reason)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"id":"9","na', "not JSON: Unterminated string starting at, column 11"),
        ("gibberish", "not JSON: Expecting value, column 1"),
        (A + A, "not JSON: Extra data, column 43"),
        ('{"id":' + DEEP, "the row is nested too deeply"),
    ],
)
def test_a_line_that_is_not_json_is_rejected_and_no_other(read_text, row, reason):
    got = read_text("json", f"{A}\n{row}\n{B}\n".encode())
    assert got.rows == VALUES
    assert [(r.line, r.reason) for r in got.rejects] == [(2, reason)]


def test_an_endless_line_is_rejected(read_text):
    got = read_text("json", f'{A}\n{{"id":"{"x" * 2 * MAX_RECORD}"}}\n{B}\n'.encode())
    assert got.rows == VALUES
    assert [(r.line, r.reason) for r in got.rejects] == [(2, f"the row is longer than {MAX_RECORD:,} bytes")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("\ufeff \n", "the file is empty"),
        ('"text"', "the file is neither an array nor objects"),
        ("17", "the file is neither an array nor objects"),
        ("id,name\n", "the file is neither an array nor objects"),
        ("id;name;city\n1;a;b\n", "the file looks like CSV. Write kind: csv in source: of staging/member.yaml"),
        (
            f'{{"page": 1, "rows": [{A}]}}',
            "json:1: the first line is an object around the rows, which are in its field 'rows'",
        ),
        (json.dumps(ANN, indent=2), "json:1: the first line is not a complete object"),
        (json.dumps({"rows": [ANN]}, indent=2), "Expected an array of objects, or one object a line"),
        ("[", "json:1: the file is cut off"),
        (f"[{A},\n{B}", "json:2: the file is cut off"),
        (f"[{A},\n{B},\n", "json:3: the file is cut off"),
        (f"[{A},\n{B[:-3]}", "json:2: the file is cut off"),
        (f'[{A},\n{{"id": "\\u00', "json:2: the file is cut off"),
        (f'[{A},\n{{"id":\n', "json:3: the file is cut off"),
        (f"[{A},\n{A},\n{{'id': 1}}]", "json:3: not JSON: Expecting property name"),
        (f"[{A},\n{B},\n]", "json:3: not JSON: "),
        (f"[{A}\n{B}]", "json:2: not JSON: found '{' instead of a comma or the closing bracket"),
        (f"[{A},\n\n{{\n\n'id'}}]" + " " * 2 * MAX_RECORD, "json:5: not JSON: Expecting property name"),
        (f"[{A}]\n\n{B}", "json:3: something follows the array's closing bracket"),
        (f"[{A}]]", "json:1: something follows the array's closing bracket"),
        (f"[{A},\n{DEEP}", "json:2: the row is nested too deeply"),
        (f'[{A},\n{{"id":"{"x" * 2 * MAX_RECORD}"}}]', "json:2: the row is longer than"),
    ],
)
def test_a_file_that_is_refused(read_text, content, message):
    with pytest.raises(SourceError) as refusal:
        read_text("json", content.encode())
    assert message in str(refusal.value)
    assert "member.json" in refusal.value.where
    assert refusal.value.remedy


def test_utf_16_is_refused_by_name(read_text):
    with pytest.raises(SourceError, match="the file is UTF-16"):
        read_text("json", codecs.BOM_UTF16_LE + json.dumps([ANN]).encode("utf-16-le"))


def test_bad_bytes_outside_of_strings_refuse_an_array(read_text):
    with pytest.raises(SourceError, match="json:2: not JSON"):
        read_text("json", b'[\n{"id"\xff:"1"}]')


@pytest.mark.parametrize("filler", ["", "é", "日", "😀"])
def test_rows_may_lie_across_chunks(read_text, monkeypatch, filler):
    monkeypatch.setattr("lumbung.sources.json_file._CHUNK", 7)
    rows = [{"id": str(n), "name": filler * n + "x", "city": None} for n in range(20)]
    content = json.dumps(rows, indent=1, ensure_ascii=False)
    got = read_text("json", content.replace("[", "[12345678901234567890,", 1).encode())
    assert got.rows == [list(row.values()) for row in rows]
    assert got.lines == [2 + 5 * n for n in range(20)]
    assert [(r.line, r.raw) for r in got.rejects] == [(1, "12345678901234567890")]
