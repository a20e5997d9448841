"""A header that is refused: the error says what the file is, and its remedy leads to the rows."""

import re

import pytest
import yaml

from lumbung.core.errors import SourceError
from support.sources import COLUMNS

ROWS = [["1", "Ann", "Bali"], ["2", "Bob", None]]
TEXT = "id,name,city\n1,Ann,Bali\n2,Bob,\n"
SEMICOLONS = TEXT.replace(",", ";")


def remedied(keys, remedy):
    """The keys of a contract, changed as a remedy says."""
    keys = {**keys, "columns": [dict(column) for column in keys.get("columns", COLUMNS)]}
    for name, column in re.findall(r'from: (".*?") at the column (\w+)', remedy):
        next(c for c in keys["columns"] if c["name"] == column)["from"] = yaml.safe_load(name)
    for key, value in re.findall(r'(delimiter|encoding|skip_rows): (".*?"|\S+)', remedy):
        keys[key] = yaml.safe_load(value)
    for key in re.findall(r"\b(delimiter|encoding|skip_rows)\b(?!:)", remedy):
        del keys[key]
    return keys


@pytest.mark.parametrize(
    ("content", "keys", "what"),
    [
        (SEMICOLONS.encode(), {}, "member.csv:1: the delimiter looks like ';', not ','."),
        (TEXT.replace(",", "\t").encode(), {}, "the delimiter looks like '\\t', not ','."),
        (TEXT.replace(",", "|").encode(), {}, "the delimiter looks like '|', not ','."),
        (b'"id";"name";"city"\n"1";"Ann";"Bali"\n"2";"Bob";""\n', {}, "the delimiter looks like ';', not ','."),
        (TEXT.encode(), {"delimiter": ";"}, "the delimiter looks like ',', not ';'. Remove delimiter in source:"),
        (f"sep=;\n{SEMICOLONS}".encode(), {}, "member.csv:1: sep=; tells Excel the delimiter, and is not the header."),
        (f"sep=,\r\n{TEXT}".encode(), {}, "sep=, tells Excel the delimiter"),
        (
            f'"sep=;"\n{SEMICOLONS}'.encode(),
            {"delimiter": ";"},
            "Write skip_rows: 1 in source: of staging/member.yaml.",
        ),
        (
            f"Laporan;;\n\n{SEMICOLONS}".encode(),
            {},
            "the header is line 3 of the file, and the contract skips 0 lines.",
        ),
        (TEXT.encode(), {"skip_rows": 1}, "the header is line 1 of the file, and the contract skips 1 lines. Remove"),
        (TEXT.encode("utf-16"), {}, "the file is UTF-16. Write encoding: utf-16 in source:"),
        (TEXT.replace(",", "\t").encode("utf-16"), {}, "the file is UTF-16. Write encoding: utf-16 in source:"),
        (TEXT.encode("utf-16-be"), {}, "the file looks like UTF-16-BE, not UTF-8."),
        (TEXT.encode("utf-16"), {"encoding": "utf-16-be"}, "the file is UTF-16. Write encoding: utf-16 in source:"),
        (TEXT.encode(), {"encoding": "utf-16"}, "the file looks like UTF-8, not UTF-16. Remove encoding in source:"),
        (TEXT.encode("utf-32"), {}, "the file is UTF-32. Write encoding: utf-32 in source:"),
        (b"ID, Name ,city\n1,Ann,Bali\n2,Bob,\n", {}, "missing: 'id', 'name'; unexpected: 'ID', ' Name '. Write from:"),
        (b"sep=;\nID;NAME;CITY\n1;Ann;Bali\n2;Bob;\n", {}, "sep=; tells Excel the delimiter"),
    ],
)
def test_the_remedy_leads_to_the_rows(read_text, content, keys, what):
    said = []
    for _ in range(4):
        try:
            got = read_text("csv", content, **keys)
            break
        except SourceError as error:
            said.append(str(error))
            keys = remedied(keys, error.remedy)
    assert what in said[0]
    assert (got.rows, got.rejects) == (ROWS, [])


def test_a_header_in_another_encoding(read_text):
    columns = [{**COLUMNS[0], "from": "clé"}, *COLUMNS[1:]]
    content = "clé,name,city\n1,Zoë,b\n"
    with pytest.raises(SourceError, match=r"looks like CP1252, not UTF-8\. Write encoding: cp1252 in source:"):
        read_text("csv", content.encode("cp1252"), columns=columns)
    assert read_text("csv", content.encode("cp1252"), columns=columns, encoding="cp1252").rows == [["1", "Zoë", "b"]]
    with pytest.raises(SourceError, match=r"looks like UTF-8, not CP1252\. Remove encoding in source:"):
        read_text("csv", content.encode(), columns=columns, encoding="cp1252")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Kode;Nama;Kota\n1;a;b\n", "the delimiter looks like ';', not ','. Write delimiter: \";\" in source:"),
        (b'[\n {"id": "1"}\n]', "the file looks like JSON. Write kind: json in source: of staging/member.yaml."),
        (b'{"id": "1", "name": "a", "city": "b"}\n', "the file looks like JSON."),
        (bytes(500), "the header holds NUL bytes"),
        (b"id,name,city\r1,a,b\r", "lone carriage return, at character 13. Save the file with line feeds"),
        (b"id,name\n1,a\n", "missing: 'city'. Make the header id,name,city, in any order, or correct the columns in"),
    ],
)
def test_a_header_that_no_key_takes(read_text, content, message):
    with pytest.raises(SourceError) as refusal:
        read_text("csv", content)
    assert message in str(refusal.value)


@pytest.mark.parametrize("name", ["PAR1", "BZh", "PK", "Rar!", "%PDF", "sep=", "[id]", "{id}"])
def test_a_header_that_begins_like_another_kind_of_file(read_text, name):
    columns = [{**COLUMNS[0], "from": name}, *COLUMNS[1:]]
    assert read_text("csv", f"{name},name,city\n1,a,b\n".encode(), columns=columns).rows == [["1", "a", "b"]]


def test_a_file_that_ends_before_its_header(read_text):
    with pytest.raises(SourceError, match="no header after the 3 lines that the contract skips"):
        read_text("csv", b"id,name,city\n1,a,b\n", skip_rows=3)
