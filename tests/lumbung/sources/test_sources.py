"""What every reader must do: the same rows give the same batches, whatever kind of source they stand in."""

import json
import random
import re
from pathlib import Path

import pyarrow as pa
import pytest

from lumbung.core.errors import SourceError
from lumbung.sources import MAX_RAW, READERS, Reject, read
from support import sources
from support.sources import NAMES, make_contract

CAPSTONE = Path(__file__).resolve().parents[4] / "shared/reference/capstone"
ODD_TEXTS = [
    " Ann ",
    "O'Brien",
    'A "quoted" b',
    '"',
    '""',
    "a,b;c|d",
    "a\tb",
    "two\nlines",
    "two\r\nlines",
    "\r",
    "back\\slash \\n \\N",
    "\\",
    "\\.",
    "NULL",
    "null",
    "None",
    "NaN",
    "{}",
    "[1]",
    "0012",
    "1e5",
    "-",
    "%s $1 :a {b}",
    "Zo\u00eb \u65e5\u672c \U0001f600 e\u0301",
    "\u00a0\u200b\u2028x",
    "\x01\x7f",
    "x" * 100_000,
]


def expected(rows, source):
    """The rows that are kept and the rejects, by the rules of the contract read plainly."""
    kept, lines, rejects = [], [], []
    for number, (row, line) in enumerate(zip(rows, source.lines(), strict=True)):
        if source.kind == "xlsx" and not any(row):
            continue  # a blank row
        key, name, city = (source.empty_text if value == "" else value for value in row)
        if key is None:
            reason = "key column id is null"
        elif not key.strip():
            reason = "key column id is blank"
        elif name is None:
            reason = "required column name is null"
        else:
            kept.append([key, name, city])
            lines.append(line)
            continue
        readable = {"id": key if key and key.strip() else None}
        rejects.append(Reject.of(line, source.raw(number).encode(), reason, readable))
    return kept, [line for line in lines if line], rejects


def test_every_kind_of_source_is_in_this_suite():
    files = (sources.CsvSource, sources.JsonArraySource, sources.JsonLinesSource, sources.XlsxSource)
    classes = (*files, sources.PostgresSource)
    assert {source.kind for source in classes} == set(READERS)


def test_rows_are_text_columns_in_the_contract_s_order(source):
    source.write([["1", "Ann", "Bali"], ["2", "Bob", None], ["3", "Eve", "Solo"]])
    got = source.read()
    assert [batch.rows.to_pydict() for batch in got.batches] == [
        {"id": ["1", "2", "3"], "name": ["Ann", "Bob", "Eve"], "city": ["Bali", None, "Solo"]}
    ]
    assert got.batches[0].rows.schema == pa.schema([(name, pa.string()) for name in NAMES])
    assert got.rejects == []
    assert got.batches[0].lines == (None if source.kind == "postgres" else source.lines())


def test_columns_may_stand_in_any_order(source):
    source.write([["Bali", "1", "Ann"]], names=("city", "id", "name"))
    assert source.read().rows == [["1", "Ann", "Bali"]]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:20]))
def test_odd_text_stays_as_it_is(source, text):
    source.write([[f"k{text}", text, text], ["2", "Ann", None]])
    assert source.read().rows == [[f"k{text}", text, text], ["2", "Ann", None]]


@pytest.mark.parametrize(
    "key", [None, "", " ", "\t", " \t ", "\n", "\u00a0", "\u3000", "\u2003"], ids=lambda key: ascii(key)
)
def test_a_row_with_a_null_or_blank_key_is_rejected(source, key):
    rows = [["1", "a", "b"], [key, "Zo\u00eb", "c, d"], ["2", "c", None]]
    source.write(rows)
    got = source.read()
    assert got.rows == [["1", "a", "b"], ["2", "c", None]]
    (reject,) = got.rejects
    null = key is None or (key == "" and source.empty_text is None)
    assert reject.reason == f"key column id is {'null' if null else 'blank'}"
    assert (reject.line, reject.raw) == (source.lines()[1], source.raw(1))


def test_nulls_are_kept_where_the_contract_allows_them(source):
    rows = [
        ["1", "a", "b"],
        [None, None, "\u00eb"],
        [None, "a", "b"],
        ["5", None, "b"],
        ["6", " ", None],
        ["7", "", ""],
    ]
    source.write(rows)
    got = source.read()
    assert got.rows[:2] == [["1", "a", "b"], ["6", " ", None]]
    kept, _, rejects = expected(rows, source)
    assert (got.rows, got.rejects) == (kept, rejects)


def test_a_reject_s_text_is_bounded(source):
    source.write([["1", None, "\u00eb" * 20_000]])
    (reject,) = source.read().rejects
    assert len(reject.raw) == MAX_RAW
    assert reject.raw.endswith("\u00eb\u2026")


def test_random_rows_are_kept_or_rejected_by_the_rules(source):
    dice = random.Random(11)
    pieces = ["a", "\u00eb", " ", "\t", '"', ",", "\n", "\\", "{", "}", "[", "]", "'", "\u00a0", "\U0001f600"]
    texts = [None, "", *("".join(dice.choices(pieces, k=dice.randint(1, 5))) for _ in range(200))]
    rows = [dice.choices(texts, k=3) for _ in range(3000)]
    source.write(rows)
    got = source.read()
    kept, lines, rejects = expected(rows, source)
    assert (got.rows, got.lines, got.rejects) == (kept, lines, rejects)
    assert min(len(kept), len(rejects)) > 100


def test_reading_twice_gives_the_same(source):
    source.write([["1", "Ann", "Bali"], [None, "Bob", None]])
    first, second = source.read(), source.read()
    assert (first.rows, first.rejects) == (second.rows, second.rejects)
    assert len(first.rejects) == 1


@pytest.mark.parametrize(
    "source", ["csv", "json_array", "xlsx", "postgres"], indirect=True
)  # JSON lines: an empty file
def test_a_source_without_rows_has_no_batch(source):
    source.write([])
    assert source.read().batches == []


def test_a_missing_source(source):
    with pytest.raises(SourceError, match=source.missing_message) as refusal:
        source.read()
    assert refusal.value.where == source.where
    assert refusal.value.remedy


@pytest.mark.parametrize("names", [("id", "name"), ("id", "name", "City"), ("id", "name", "town")], ids=repr)
def test_no_row_is_read_without_a_column_of_the_contract(source, names):
    """In a table or below a header that is a fault of the source, in JSON of each row."""
    source.write([["1", "Ann", "Bali"][: len(names)]] * 3, names=names)
    try:
        got = source.read()
    except SourceError as refusal:
        messages = [refusal.what]
        assert refusal.where.startswith(source.where)
        assert refusal.remedy
    else:
        assert got.rows == []
        messages = [reject.reason for reject in got.rejects]
        assert len(messages) == 3
    assert all(re.search(r"missing: 'city'|no column city", message) for message in messages)


def test_many_rows_come_in_bounded_batches(source):
    source.write([[f"{number}", "n" * 40, "c" * 20] for number in range(1, source.many + 1)])
    got = source.read()
    assert sorted(int(row[0]) for row in got.rows) == list(range(1, source.many + 1))
    assert len(got.batches) > 1
    assert max(batch.rows.num_rows for batch in got.batches) <= 100_000
    assert got.rejects == []


def test_reading_may_stop_early(source):
    source.write([[f"{number}", "n" * 100, "c"] for number in range(source.many)])
    batches = read(source.contract, data_source=source.folder, dsn=source.dsn)
    assert next(batches).rows.num_rows
    batches.close()
    source.write([["1", "a", "b"]])  # in PostgreSQL it would wait forever on a transaction left open
    assert source.read().rows == [["1", "a", "b"]]


def test_a_contract_without_a_source():
    contract = make_contract("csv").model_copy(update={"source": None})
    with pytest.raises(SourceError, match="names no source"):
        list(read(contract, data_source=Path(), dsn=None))


def test_a_reject_is_bounded_text():
    reject = Reject.of(1, b"\xff" * 20_000, "why")
    assert len(reject.raw) == MAX_RAW
    assert reject.raw.startswith("\\xff\\xff")
    assert reject.raw.endswith("…")
    assert Reject.of(1, b"x" * MAX_RAW, "why").raw == "x" * MAX_RAW


@pytest.mark.parametrize(
    ("file", "columns", "count", "first", "lines"),
    [
        ("mentor.csv", "id first_name last_name", 20, "847DDCF5-830B-4759-A994-CAD5A4D45CF3 Greene Farley", (2, 21)),
        ("course_category.csv", "id type", 5, "065D39AD-F716-E7DA-49C4-FEBC9D7FB222 self_improvement", (2, 6)),
        ("course_enrollment.csv", "student_id course_id", 28, None, (2, 29)),
        ("course.json", "id title mentor_id course_category_id", 19, None, (2, 110)),
        ("student.json", "id first_name last_name street_address country city phone_number", 20, None, (2, 173)),
    ],
)
def test_reference(file, columns, count, first, lines):
    if not (CAPSTONE / file).exists():
        pytest.skip(f"no reference file {file}")
    names = columns.split()
    described = [{"name": name, "required": True, "description": name} for name in [*names, "snapshot_date"]]
    kind = file.rsplit(".")[-1]
    got = sources.Content(make_contract(kind, columns=described, key=names[:1], path=file), CAPSTONE)
    assert (len(got.rows), got.rejects, (got.lines[0], got.lines[-1])) == (count, [], lines)
    if first:
        assert got.rows[0] == [word.replace("_", " ") for word in first.split(" ")]
    if kind == "json":
        assert got.rows == [list(row.values()) for row in json.loads((CAPSTONE / file).read_text())]
