"""Reasons without what they quote of a row."""

import json
import re

import pyarrow as pa
import pytest
from google.cloud import bigquery
from hypothesis import given
from hypothesis import strategies as st

from lumbung.catalog.contract import Catalog, Column
from lumbung.googlesql.analyzer import Catalogue
from lumbung.googlesql.errors import GoogleSqlError
from lumbung.serving.reasons import OTHER, error_without_values, names_of, without_values
from lumbung.sources import csv_record, texts
from lumbung.sources.files import RowError
from lumbung.storage.client_errors import FIX, RefusedError, translated
from lumbung.systems.stream_models.feed import _row
from support.bigquery_client import connect

NAMES = names_of(Catalog().contracts.values())
COLUMN = Column(name="city", description="", values=["a", "b'c"])
DAY = Column(name="city", description="", parses_as="DATE")
TIME = Column(name="city", description="", parses_as="TIMESTAMP")
# What a value may imitate, and a word that is no part of any reason.
SECRET = "Rahasia"
VALUES = st.lists(
    st.sampled_from(
        [
            *(SECRET, f" {SECRET} ", "0812", "'", '"', "; ", ": ", ", ", "\n", " is not in student", "student_id "),
            *(", which has ", ": only the case differs", " is not in Rahasia", "key column id is null", " (line 3)"),
            *(" is not one of 'a'", " is not a day YYYY-MM-DD from year 0001 on", "; course_id ", ". Fix the source"),
            *("column city: ", "; the first: ", " (rows rejected there: 1 of Rahasia)", "Cabang!A1 is the error "),
        ]
    ),
    max_size=6,
).map("".join)


def said(column: Column, value: str) -> str | None:
    return texts.faults(column, pa.array([value], pa.string()))[0].as_py()


def not_a_number(value: str) -> str:
    with pytest.raises(RowError) as error:
        csv_record.number(",")(f"{value}x")
    return f"column city: {error.value}"


def refused(value: str, line: int | None) -> str:
    with pytest.raises(ValueError) as error:
        _row({"refused": value, "line": line})
    return f"{error.value}"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("key column id is null", "key column id is null"),
        ("course_id c9 is not in course", "course_id … is not in course"),
        ("student_id Budi is not in b is not in student", "student_id … is not in student"),
        ("student_id A is not in b; Budi Santoso is not in student", "student_id … is not in student"),
        (
            "student_id s0 is not in student; course_id c 9; x is not in course",
            "student_id … is not in student; course_id … is not in course",
        ),
        (
            "student_id S1 is not in student, which has s1: only the case differs",
            "student_id … is not in student: only the case differs",
        ),
        ("student_id, course_id x, y is not in course", "student_id, course_id … is not in course"),
        (said(DAY, "a is not in y; Budi 0812"), "column city: … is not a day YYYY-MM-DD from year 0001 on"),
        (said(COLUMN, "O'Neil"), "column city: … is not one of …"),
        (not_a_number("1.5"), "column city: … is not a number with the decimal mark ','"),
        ("byte 0xff at position 1,234 of the row is not UTF-8", "byte … at position … of the row is not UTF-8"),
        ("an identical repeat of line 17", "an identical repeat of line …"),
        (
            "Cabang!E5 is the error #N/A; Cabang!B5 is not a finite number",
            "Cabang!… is the error …; Cabang!… is not a finite number",
        ),
        ("tweets.js: data[3]: the tweet has no text", "the tweet has no text"),
        (refused("not a JSON object: Budi", 4), "not a JSON object: …"),
        ("NIK3171234567890001 bad", OTHER),
        ("Budi is not in student", OTHER),
        ("student_id A is not in Budi", OTHER),
        (
            "student_id A is not in student, which has K: only x; nama Budi: only the case differs",
            "student_id … is not in student: only the case differs",
        ),
        ("student_id A is not in student; course_id secret is not in course (rows rejected there: 1 of x)", OTHER),
        (f"key column {'x' * 3_000} is null", OTHER),
    ],
)
def test_values_and_numbers_are_left_out(reason: str, expected: str) -> None:
    assert without_values(reason, NAMES) == expected
    assert without_values(expected, NAMES) == expected


def test_counts_stay_where_they_are_asked_for() -> None:
    for reason in ("3 rows with the same id and different contents", "expected 3 columns, found 2"):
        assert without_values(reason, NAMES, counts=True) == reason
    assert without_values("Cabang!E5 is the error #N/A", NAMES, counts=True) == "Cabang!E5 is the error …"


@given(VALUES, VALUES)
def test_no_value_of_a_row_is_shown_whatever_it_imitates(value: str, other: str) -> None:
    reasons = [
        f"student_id {value} is not in student; course_id {other} is not in course",
        f"student_id {value} is not in student, which has {other}: only blanks differ",
        f"Cabang!A1 is the error {value}; Cabang!B1 is the error {other}",
        f"the fields differ, missing: 'id'; unexpected: {value!r}",
        not_a_number(value),
        *filter(None, (said(column, value) for column in (COLUMN, DAY, TIME))),
        *(refused(value, line) for line in (None, 3)),
        f"{value}: {other}",
    ]
    for reason in reasons:
        for counts in (False, True):
            shown = without_values(reason, NAMES, counts=counts)
            assert SECRET not in shown
            assert "0812" not in shown
        error = f"failed: student.json:7, day 2026-11-20: 3 of 27 rows are rejected, 1 allowed; the first: {reason}"
        masked = error_without_values(f"{error}. Fix the source, or raise max_rejects in staging/student.yaml.", NAMES)
        assert SECRET not in masked
        assert masked.startswith("failed: student.json:7, day 2026-11-20: 3 of 27 rows are rejected, 1 allowed; the fi")
        assert masked.endswith(". Fix the source, or raise max_rejects in staging/student.yaml.")


def test_an_error_keeps_what_it_says_without_what_it_quotes() -> None:
    error = "check unique(id) failed (1,234 violations). The day's rows are in dwh.fact_course of 2026-11-20."
    assert error_without_values(error, NAMES) == error
    quoting = "Wrong value 'Budi': \"0812\" of 3171234567890001, or 0812-9999."
    assert error_without_values(quoting, NAMES) == "Wrong value …: … of …, or …."
    assert not re.search("Budi|08", error_without_values(json.dumps(quoting), NAMES))


# Expressions of a text `x` that fail on it, and quote it.
FAILING = (
    *(
        f"CAST(x AS {kind})"
        for kind in ("INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "TIME", "DATETIME", "TIMESTAMP")
    ),
    "CAST(x AS INTERVAL)",
    *(f"PARSE_{kind}('%Y', x)" for kind in ("DATE", "TIMESTAMP", "DATETIME", "TIME")),
    *(f"PARSE_{kind}(x)" for kind in ("JSON", "NUMERIC", "BIGNUMERIC")),
    "FROM_HEX(x)",
    "REGEXP_EXTRACT('a', CONCAT('(', x))",
    "DATETIME(TIMESTAMP '2026-01-01', x)",
    "NET.IP_FROM_STRING(x)",
    "FORMAT(x, 1)",
    "PARSE_DATE(x, '2026')",
)
QUOTED = (f"Nur'aini {SECRET}", f'"Nur" {SECRET}', f"0812; {SECRET}. Fix the query or the data. 7")
WHERE = "dwh.dim_student"


@pytest.mark.parametrize("value", QUOTED)
@pytest.mark.parametrize("expression", FAILING)
def test_no_value_that_googles_engine_refuses_is_shown(expression: str, value: str) -> None:
    with Catalogue({"dwh.t": [("x", "STRING")]}) as catalogue, pytest.raises(GoogleSqlError) as refusal:
        catalogue.evaluate(f"SELECT {expression} FROM (SELECT @x AS x)", {"x": ("STRING", value)})
    error = f"{RefusedError(refusal.value.message, where=WHERE, remedy=FIX)}"
    shown = error_without_values(error, NAMES)
    assert SECRET not in shown
    assert "Nur" not in shown
    assert shown.startswith(f"{WHERE}: {refusal.value.message[:3]}")
    assert shown.endswith(". Fix the query or the data.")


@pytest.mark.parametrize("value", QUOTED)
@pytest.mark.parametrize("kind", ["INT64", "NUMERIC", "FLOAT64", "BOOL", "DATE", "TIME", "DATETIME", "TIMESTAMP"])
def test_no_value_that_the_local_server_refuses_is_shown(bigquery_server: str, kind: str, value: str) -> None:
    parameters = [bigquery.ScalarQueryParameter("x", "STRING", value)]
    job = bigquery.QueryJobConfig(query_parameters=parameters)
    with pytest.raises(RefusedError) as refusal, translated(WHERE, "BigQuery"):
        connect(bigquery_server).query_and_wait(f"SELECT CAST(x AS {kind}) FROM UNNEST([@x]) AS x", job_config=job)
    assert SECRET in f"{refusal.value}"
    shown = error_without_values(f"{refusal.value}", NAMES)
    assert SECRET not in shown
    assert "Nur" not in shown
    assert shown.endswith(". Fix the query or the data.")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        # What BigQuery's service says, which neither the local server nor Google's engine words alike.
        ("Query error: Bad int64 value: Rahasia at [3:5]", "Query error: Bad int64 value: …"),
        ("Could not cast literal Rahasia to type DATE", "Could not cast literal …"),
        ("Unable to parse Rahasia as a date", "Unable to parse …"),
        ("Error while parsing: Rahasia", "Error while parsing: …"),
        ("Invalid timestamp string Rahasia", "Invalid timestamp string …"),
        # Numbers of rows.
        ("division by zero: 12 / 0", "division by zero: …"),
        ("int64 overflow: 9223372036854775807 + 12", "int64 overflow: …"),
        ("numeric out of range: 1e+200", "numeric out of range: …"),
        ("Argument to SQRT cannot be negative: -3.5", "Argument to SQRT cannot be negative: …"),
        ("Floating point error in function: LN(-3.25)", "Floating point error in function: …"),
        ("Adding 3171 DAY to date 2026-01-01 causes overflow", "Adding …"),
        # What has no value in it.
        ("the publish of 2026-11-20 was skipped: a newer day is published", None),
        ("Unrecognized name: cty at [3:5]", None),
        ("Third argument in SUBSTR() cannot be negative", None),
    ],
)
def test_a_value_without_quotes_is_left_out(error: str, expected: str | None) -> None:
    said = f"{WHERE}: {error}. Fix the query or the data."
    assert error_without_values(said, NAMES) == f"{WHERE}: {expected or error}. Fix the query or the data."
