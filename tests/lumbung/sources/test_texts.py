"""Texts that a contract allows: listed ones, days and timestamps."""

import json
from calendar import monthrange
from datetime import date

import pyarrow as pa
import pytest

from lumbung.catalog.contract import Column
from lumbung.sources import Reject, texts
from support.sources import COLUMNS, NAMES, make_contract

DAYS = ["2026-02-28", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "1582-10-10"]
NO_DAYS = [
    *("2026-02-29", "2026-02-30", "1900-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "0000-01-01"),
    *("2026-1-01", "26-01-01", "20260101", "2026/01/01", "01-02-2026", "2026-01-01T00:00", "2026-01-01 ", " "),
    *("\n", "2026-01-01\n", "+2026-01-01", "10000-01-01", "today", "٢٠٢٦-01-01"),
]
MOMENTS = [
    *("2026-01-01", "2026-01-01T10:00", "2026-01-01 10:00", "2026-01-01 23:59:59", "2026-01-01T10:00:00.1"),
    *("2026-01-01T10:00:00.123456789Z", "2026-01-01T10:00Z", "2026-01-01 10:00+07:00", "2026-01-01T10:00:00-18:00"),
    # The first and the last that are in these years in UTC, where Jakarta's clocks were 7:07:12 ahead at first.
    *("0001-01-01T07:07:12", "0001-01-01T00:00Z", "0001-01-01T09:00+09:00", "9999-12-31T23:59:59.999999999Z"),
    *("9999-12-31", "9999-12-31 23:59:59.999", "9999-12-31T22:59-01:00"),
]
NO_MOMENTS = [
    *("2026-02-30T10:00", "2026-01-01T24:00", "2026-01-01T10:60", "2026-01-01T10:00:60", "2026-01-01T1:00"),
    *("2026-01-01T", "2026-01-01T10", "2026-01-01t10:00", "2026-01-01  10:00", "2026-01-01T10:00:00.", "10:00"),
    *("2026-01-01T10:00:00,5", "2026-01-01T10:00z", "2026-01-01T10:00 Z", "2026-01-01Z", "2026-01-01+07:00"),
    *("2026-01-01T10:00+07", "2026-01-01T10:00+0700", "2026-01-01T10:00+18:01", "2026-01-01T10:00+07:60"),
    *("2026-01-01T10:00:00.1234567891", "2026-01-01T10:00 Asia/Jakarta", "2026-01-01T10:00[UTC]", " ", "\t"),
    *("0001-01-01", "0001-01-01T07:07:11", "0001-01-01T08:59+09:00", "9999-12-31T23:00-01:00", "0000-06-01T00:00"),
]
TIMESTAMP = "a timestamp YYYY-MM-DD[T| ]HH:MM[:SS[.fraction]][Z|±HH:MM] or a day YYYY-MM-DD of years 0001 to 9999"


def faults(column_texts, **options):
    column = Column.model_validate({"name": "began", "description": "-", **options})
    return texts.faults(column, pa.array(column_texts, pa.string())).to_pylist()


@pytest.mark.parametrize(("kind", "good", "bad"), [("DATE", DAYS, NO_DAYS), ("TIMESTAMP", MOMENTS, NO_MOMENTS)])
def test_days_and_timestamps_are_read_and_nothing_else(kind, good, bad):
    assert faults([*good, None, ""], parses_as=kind) == [None] * (len(good) + 2)
    form = {"DATE": "a day YYYY-MM-DD from year 0001 on", "TIMESTAMP": TIMESTAMP}[kind]
    assert faults(bad, parses_as=kind) == [f"column began: {text!r} is not {form}" for text in bad]


@pytest.mark.parametrize("year", [1, 4, 100, 400, 1900, 1996, 2000, 2026, 2096, 9996, 9999])
def test_each_day_of_a_year_is_a_day_and_no_other(year):
    all_days = [f"{year:04}-{month:02}-{day:02}" for month in range(14) for day in range(33)]
    real = {f"{date(year, month, day)}" for month in range(1, 13) for day in range(1, monthrange(year, month)[1] + 1)}
    reasons = faults(all_days, parses_as="DATE")
    assert {day for day, reason in zip(all_days, reasons, strict=True) if reason is None} == real


def test_a_listed_text_is_allowed_letter_by_letter():
    reasons = faults(["0", "1", None, "", " 1", "2", "01", "x" * 100], values=["0", "1"])
    assert reasons[:3] == [None] * 3
    assert reasons[3:] == [f"column began: {text!r} is not one of '0', '1'" for text in ("", " 1", "2", "01", "x" * 60)]


def test_an_empty_text_is_no_value_unless_one_is_required():
    assert faults(["", "2026-01-01"], parses_as="DATE", required=True) == [
        "column began: '' is not a day YYYY-MM-DD from year 0001 on",
        None,
    ]


def test_every_kind_of_source_is_checked(source):
    id_column, name, city, snapshot_date = COLUMNS
    columns = [id_column, {**name, "values": ["0", "1"]}, {**city, "parses_as": "DATE"}, snapshot_date]
    keys = {"sheet": "Members"} if source.kind == "xlsx" else {}
    source.contract = make_contract(source.kind, columns, **keys)
    source.write(
        [["1", "1", "2026-02-28"], ["2", "2", "x"], ["3", None, None], ["4", "0", "2026-02-30"], ["5", "0", None]]
    )
    got = source.read()
    assert got.rows == [["1", "1", "2026-02-28"], ["5", "0", None]]
    reasons = [
        "column name: '2' is not one of '0', '1'",
        "required column name is null",
        "column city: '2026-02-30' is not a day YYYY-MM-DD from year 0001 on",
    ]
    lines = source.lines()
    assert got.rejects == [
        Reject.of(lines[place], source.raw(place).encode(), reason, {"id": str(place + 1)})
        for place, reason in enumerate(reasons, 1)
    ]


@pytest.mark.parametrize(
    ("record", "key"),
    [
        (b"9,,Bali", {"id": "9"}),
        (b" ,Ann,Bali", {"id": None}),
        (b"9,Ann", None),
        (b"9,Ann,Bali,", None),
        (b'9,"Ann,Bali', None),
        (b"9,A\xffn,Bali", {"id": "9"}),
        (b"\xff9,Ann,Bali", {"id": None}),
        (b"9\xff,Ann", None),
    ],
)
def test_a_reject_of_a_csv_file_has_its_key_where_that_can_be_read(read_text, record, key):
    got = read_text("csv", b"id,name,city\n1,Ann,Bali\n" + record + b"\n")
    assert [(reject.key, reject.loses_row) for reject in got.rejects] == [(key, True)]


def test_the_key_of_text_in_another_encoding_is_trusted_if_it_is_ascii(read_text):
    content = "id,name,city\n9,Zoë,Bali\ně,Ann,Bali\n".encode()
    assert [reject.key for reject in read_text("csv", content, encoding="cp1252").rejects] == [
        {"id": "9"},
        {"id": None},
    ]


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"id": "9", "name": 1, "city": None}, {"id": "9"}),
        ({"id": 9, "name": "Ann", "city": None}, {"id": None}),
        ({"id": "9", "name": "Ann"}, None),
        (["9", "Ann", "Bali"], None),
        ({"id": "9", "name": "\ud800", "city": None}, {"id": "9"}),
        ({"id": "\ud800", "name": "Ann", "city": None}, {"id": None}),
    ],
)
def test_a_reject_of_a_json_file_has_its_key_where_that_can_be_read(read_text, fields, key):
    rows = [dict.fromkeys(NAMES, "1"), fields]
    got = read_text("json", json.dumps(rows).encode())
    assert [reject.key for reject in got.rejects] == [key]


def test_a_reject_of_a_sheet_has_its_key_where_that_can_be_read(by_openpyxl, read_sheet):
    by_openpyxl(("1", "Ann", "Bali"), ("9", "#N/A", "Solo"), ("#N/A", "Ann", "Solo"), ("9", "Ann", "Solo", "more"))
    assert [reject.key for reject in read_sheet().rejects] == [{"id": "9"}, {"id": None}, None]
