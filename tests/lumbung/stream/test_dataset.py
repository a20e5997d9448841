"""Rows of CSV, NDJSON and Parquet files, in the file's order, whatever the columns are called."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lumbung.core.errors import LumbungError, SourceError
from lumbung.sources import Reject
from lumbung.sources.files import MAX_RECORD
from lumbung.storage.lake import sha256
from lumbung.stream import dataset
from lumbung.stream.dataset import Columns, Dataset

COLUMNS = Columns(names=("id", "size", "at"), required=("id", "at"), aliases={"at": "time"})


@pytest.fixture
def write(tmp_path):
    def written(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture
def contract(write):
    return lambda text: write(text, "contract.yaml")


def rows(file, contract=None):
    """All rows; of a reject its line and the beginning of its reason."""
    source = Dataset(file, COLUMNS, contract)
    read = [(row.line, row.reason.partition(":")[0]) if isinstance(row, Reject) else row for row in source.rows()]
    assert source.count() == len(read)
    return read


def test_csv_in_any_order_with_other_columns(write):
    assert rows(write("other,time,id,size\nx,t1,a,1\n,t2,b,\n")) == [(2, ("a", "1", "t1")), (3, ("b", None, "t2"))]


def test_a_column_that_need_not_be_there(write):
    assert rows(write("id,at\na,t\n")) == [(2, ("a", None, "t"))]
    assert rows(write('{"id": "a", "at": "t"}\n', "a.ndjson")) == [(1, ("a", None, "t"))]


def test_the_delimiter_and_the_encoding_of_csv_are_guessed(write):
    assert rows(write("id;size;at\né;1,5;t\n".encode("cp1252"))) == [(2, ("é", "1,5", "t"))]
    assert rows(write("\ufeffid\tat\na\tt\n".encode("utf-16-le"))) == [(2, ("a", None, "t"))]


def test_rejects_of_csv_stand_between_the_rows(write):
    content = 'id,size,at\na,1,t\n"broken,2,t\nb,2\n\nc,3,t\n"d\nd",4,t\ne,5,t,\n'
    read = rows(write(content))
    assert read == [
        (2, ("a", "1", "t")),
        (3, "broken quote"),
        (4, "expected 3 columns, found 2"),
        (6, ("c", "3", "t")),
        (7, ("d\nd", "4", "t")),
        (9, "expected 3 columns, found 4; the line ends in a delimiter"),
    ]


def test_a_contract_maps_columns_and_says_how_csv_is_written(write, contract):
    file = write("report of today\nsecond line\nwho|how much|when|id\na|1.234,5|t|no\n")
    mapping = contract("""
        description: rows of another program
        columns:
          - {name: id, from: who, description: somebody}
          - {name: size, from: how much, decimal: ","}
          - {name: at, from: when}
        source: {delimiter: "|", skip_rows: 2}
    """)
    assert rows(file, mapping) == [(4, ("a", "1234.5", "t"))]


def test_a_contract_maps_fields_of_ndjson_and_columns_of_parquet(write, contract, tmp_path):
    mapping = contract("columns: [{name: id, from: user id}, {name: at, from: created}]")
    values = {"user id": 7, "size": 1.5, "created": None}
    assert rows(write(json.dumps(values), "a.jsonl"), mapping) == [(1, (7, 1.5, None))]
    pq.write_table(pa.Table.from_pylist([values]), tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet", mapping) == [(1, (7, 1.5, None))]


def test_ndjson_keeps_types_and_passes_blank_lines(write):
    lines = ['{"id": "a", "size": 1, "at": 5}', "", '{"at": null, "size": [1], "id": true, "more": {}}', '{"id": "c"}']
    assert rows(write("\ufeff" + "\r\n".join(lines), "a.ndjson")) == [
        (1, ("a", 1, 5)),
        (3, (True, [1], None)),
        (4, ("c", None, None)),
    ]


def test_rejects_of_ndjson_stand_between_the_rows(write):
    good = b'{"id": "a", "at": 1}'
    long = b'{"id": "' + b"x" * MAX_RECORD + b'"}'
    lines = [b"no", good, b"[1]", b'{"id": "\xff"}', b'{"id": NaN}', long, b'{"id": "\\ud800"}', good[:-1], good]
    read = rows(write(b"\n".join(lines), "a.ndjson"))
    assert read == [
        (1, "not a JSON object"),
        (2, ("a", None, 1)),
        (3, "not a JSON object"),
        (4, "byte 0xff at position 9 of the row is not UTF-8"),
        (5, "not a JSON object"),
        (6, f"the row is longer than {MAX_RECORD:,} bytes"),
        (7, "not a JSON object"),
        (8, "not a JSON object"),
        (9, ("a", None, 1)),
    ]


@pytest.mark.parametrize(
    ("more", "is_row"), [(b'"\xff"', False), (b'"\\ud800"', False), (b"1e999", True), (b"tru", False), (b"{}", True)]
)
def test_fields_that_are_not_read_count_the_same_in_the_first_line_and_later(write, more, is_row):
    line = b'{"id": "a", "at": 1, "more": ' + more + b"}\n"
    read = rows(write(line + b'{"id": "b", "at": 2}\n' + line, "a.ndjson"))
    assert [type(row[1]) is tuple for row in read] == [is_row, True, is_row]


def test_parquet_in_several_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "PARQUET_ROWS", 7)
    at = datetime(2026, 9, 1, 5, tzinfo=UTC)
    table = pa.table(
        {
            "time": pa.array([at.timestamp() * 10**9] * 30, pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "size": pa.array([Decimal("1.50")] * 30),
            "id": [f"{number}" for number in range(30)],
            "unread": [{"a": 1}] * 30,
        }
    )
    pq.write_table(table, tmp_path / "a", row_group_size=11)
    read = rows(tmp_path / "a")
    assert [line for line, _ in read] == list(range(1, 31))
    assert read[29] == (30, ("29", Decimal("1.50"), at))


def test_the_format_is_seen_from_the_content_where_the_name_does_not_say(write):
    assert rows(write('{"id": "a", "at": 1}\n', "data")) == [(1, ("a", None, 1))]
    assert rows(write("id,at\na,1\n", "data")) == [(2, ("a", None, "1"))]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b" \n\n", "a.csv", "the file is empty"),
        (b'[{"id": 1}]', "a.json", "the file is a JSON array"),
        (b"id,size\na,1\n", "a.csv", "a.csv:1: there is no column at; the file has id, size"),
        (b'\n{"id": 1}\n', "a.ndjson", "a.ndjson:2: there is no column at; the file has id"),
        (b"id,at,id\n1,2,3\n", "a.csv", "the header names a column twice: id"),
        (b"no\n[1]\n", "a.ndjson", "a.ndjson:1: no row can be read; the first one: not a JSON object: "),
        (b"PAR1 broken", "a.parquet", "the file cannot be read"),
        (b"\x1f\x8b\x08\x00abc,def", "a.csv", "compressed by gzip"),
        (b"\x1f\x8b\x08\x00abc,def", "a.ndjson", "compressed by gzip"),
    ],
)
def test_what_cannot_be_read_as_a_whole(write, content, name, message):
    with pytest.raises(SourceError, match=message.replace(".", r"\.")):
        Dataset(write(content, name), COLUMNS).count()


def test_a_missing_file(tmp_path):
    with pytest.raises(SourceError, match="the dataset cannot be read"):
        rows(tmp_path / "a.csv")


def test_a_parquet_file_that_is_damaged_within(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a" * 1000] * 50, "at": list(range(50))}), path, compression="none")
    content = bytearray(path.read_bytes())
    content[20:60] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(SourceError, match="the file cannot be read"):
        Dataset(path, COLUMNS).count()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns: [{name: other, from: x}]", r"no such columns: other\. Name some of id, size, at"),
        ("columns: [{name: id, from: x}, {name: id, from: y}]", "columns named twice: id"),
        ("columns: [{name: id}]", "columns.0.from: Field required"),
        ("columns: []\nsource: {delimiter: ab}", "is not one character"),
        ("columns: []\nsource: {encoding: nothing}", "is not a file encoding"),
        ("columns: []\nformat: csv", "format: Extra inputs"),
        ("[", "not a YAML contract"),
        ("columns: [{name: id, from: x}]", r"there is no column x; .* Correct from: of id in"),
    ],
)
def test_a_wrong_contract(write, contract, text, message):
    with pytest.raises(LumbungError, match=message):
        rows(write("id,at\na,1\n"), contract(text))


def test_the_checksum_is_of_the_file_and_the_contract(write, contract):
    file, mapping = write("id,at\na,1\n"), contract("columns: []")
    assert Dataset(file, COLUMNS).sha256 == sha256(file)
    both = Dataset(file, COLUMNS, mapping).sha256
    assert both not in (sha256(file), sha256(mapping))
    contract("columns: [{name: size, from: id}]")
    assert Dataset(file, COLUMNS, mapping).sha256 != both


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv", "a.parquet"])
def test_progress_of_counting(tmp_path, monkeypatch, name):
    monkeypatch.setattr(dataset, "COUNTED_ROWS", 10)
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.table({"id": list(range(35)), "at": list(range(35))}), path)
    elif name == "a.csv":
        path.write_text("id,at\n" + "1,2\n" * 35)
    else:
        path.write_text('{"id": 1, "at": 2}\n' * 35)
    calls = []
    assert Dataset(path, COLUMNS).count(lambda *call: calls.append(call)) == 35
    header = name == "a.csv"
    assert calls == [(count + header, 35 + header) for count in (10, 20, 30)]
