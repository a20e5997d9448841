"""Reasons without what they quote of a row."""

import json
import re
from datetime import date

import pyarrow as pa
import pytest
from google.cloud import bigquery
from hypothesis import given
from hypothesis import strategies as st

from lumbung.catalog import audit
from lumbung.catalog.contract import Catalog, Check, Column
from lumbung.core.errors import CheckError, LumbungError
from lumbung.googlesql.analyzer import Catalogue
from lumbung.googlesql.errors import GoogleSqlError
from lumbung.pipeline import references, rejects
from lumbung.serving.reasons import OTHER, error_without_values, names_of, without_values
from lumbung.sources import csv_record, texts
from lumbung.sources.files import RowError
from lumbung.storage.client_errors import AWAY, FIX, LOGIN, REASONS, ROLES, TABLES, RefusedError, translated
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
    assert error_without_values(quoting, NAMES) == "Wrong value … of …, or …."
    assert not re.search("Budi|08", error_without_values(json.dumps(quoting), NAMES))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (f"city: 'Nur'aini {SECRET}' is wrong", "city: … is wrong"),
        (f'city: "Nur" {SECRET}" is wrong', "city: … is wrong"),
        (f"city: '\"' Nur' {SECRET}\\\\' is wrong", "city: … is wrong"),
        # Cut off before the quote ends.
        (f"city: 'Nur {SECRET}", "city: …"),
        (f"city: 'Nur' is wrong, as is \"{SECRET}", "city: …"),
        (f"the header is 'Nur: 3 of 9 rows are rejected, 1 allowed; the first: Fix the source {SECRET}' here", None),
    ],
)
def test_a_quote_ends_at_the_last_one(said: str, expected: str | None) -> None:
    shown = error_without_values(f"student.csv:7: {said}", NAMES)
    assert SECRET not in shown
    assert "Nur" not in shown
    assert expected is None or shown == f"student.csv:7: {expected}"


@pytest.mark.parametrize("text", ["'", "'a", "\\'", " 'a", "' the first: ", "a. Fix the query or the data. ", "a: "])
def test_a_long_error_is_not_shown_and_its_place_is(text: str) -> None:
    long = text * (1_000_000 // len(text))  # takes minutes where the time grows with the square of the length
    assert error_without_values(f"failed: student.csv: {long}", NAMES) == f"failed: student.csv: {HIDDEN}."
    assert error_without_values(long.replace(": ", ""), NAMES) == f"{HIDDEN}."
    error = f"{RefusedError(long, where=WHERE, remedy=FIX)}"
    assert error_without_values(error, NAMES) == f"{WHERE}: {ASKED}; {HIDDEN}. Fix the query or the data."


@pytest.mark.parametrize("by_refresh", [True, False])
@pytest.mark.parametrize("read", [3, 27])
@pytest.mark.parametrize("remedy", ["", references._ONE_SPELLING])
def test_the_remedy_of_rejects_is_shown_whole(remedy: str, read: int, by_refresh: bool) -> None:
    contract, reason = Catalog()["staging.student"], "3 rows with the same id and different contents"
    error = rejects.too_many(
        contract, date(2026, 11, 20), rejected=3, read=read, reason=reason, line=7, remedy=remedy, by_refresh=by_refresh
    )
    assert error is not None
    assert reason in f"{error}"
    assert error_without_values(f"failed: {error}", NAMES) == f"failed: {error}"


def test_checks_that_failed_are_shown_with_their_counts() -> None:
    contract = Catalog()["dwh.dim_student"]
    checks = [Check(expression="city <> 'x'"), Check(expression="student_name <> 'y'")]
    contract = contract.model_copy(update={"checks": checks})
    violations = [1234] * len(audit.checks(contract))
    with pytest.raises(CheckError) as refused:
        audit.outcomes(contract, violations, f"{WHERE}, day 2026-11-20")
    shown = error_without_values(f"failed: {refused.value}", NAMES)
    assert shown.startswith(f"failed: {WHERE}, day 2026-11-20: {WHERE}: check unique(student_id) failed (1,234 viol")
    assert "; check expression(city <> …) failed (1,234 violations); check expression(student_name <> …) fai" in shown
    assert shown.endswith("Fix the source or the query; nothing of this run is published, what was published stays.")


# Expressions of a text `s` or a number `n` that fail on it; the engine's words quote it, each in another way.
SHARED = (
    *(
        f"CAST(s AS {kind})"
        for kind in ("INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "TIME", "DATETIME", "TIMESTAMP")
    ),
    *("DATETIME(s)", "TIMESTAMP(s)", "PARSE_JSON(s)", "FROM_HEX(s)", "REGEXP_EXTRACT('a', CONCAT('(', s))"),
    *("n * 9223372036854775807", "[1][OFFSET(n)]", "ERROR(CONCAT('bad ', s))"),
)
OF_GOOGLE = (
    "CAST(s AS INTERVAL)",
    *(f"PARSE_{kind}('%Y', s)" for kind in ("DATE", "TIMESTAMP", "DATETIME", "TIME")),
    *(f"PARSE_{kind}(s)" for kind in ("NUMERIC", "BIGNUMERIC")),
    "DATETIME(TIMESTAMP '2026-01-01', s)",
    "NET.IP_FROM_STRING(s)",
    "FORMAT(s, 1)",
    "PARSE_DATE(s, '2026')",
    "INT64(JSON '31711.5')",
    "DATE_ADD(DATE '2026-01-01', INTERVAL n * 99999 DAY)",
)
OF_THE_SERVER = ("JSON_VALUE(s, '$.a')", "JSON_QUERY(s, '$.a')")
QUOTED = (
    f"Nur'aini {SECRET}",
    f'"Nur" {SECRET}',
    f'Nur" {SECRET} {{',
    f"0812; {SECRET}. Fix the query or the data. 7",
    f"Nur the first: Fix the source {SECRET}",
    f"Nur: Table {SECRET} does not exist",
    f"Nur: {SECRET} already exists",
)
NUMBER = 31711
WHERE = "dwh.dim_student"
HIDDEN = "those who may see rows see why"
ASKED = "a request to the warehouse failed"
REFUSED = re.compile(
    rf"{WHERE}: {ASKED}; {HIDDEN}\. (?:Fix the query or the data|Correct the name, .*|Delete what .*)\."
)


@pytest.mark.parametrize("value", QUOTED)
@pytest.mark.parametrize("expression", [*SHARED, *OF_GOOGLE])
def test_no_value_that_googles_engine_refuses_is_shown(expression: str, value: str) -> None:
    query = f"SELECT {expression} FROM (SELECT @s AS s, CAST(@n AS INT64) AS n)"
    with Catalogue({"dwh.t": [("x", "STRING")]}) as catalogue, pytest.raises(GoogleSqlError) as refusal:
        catalogue.evaluate(query, {"s": ("STRING", value), "n": ("INT64", NUMBER)})
    assert REFUSED.fullmatch(
        error_without_values(f"{RefusedError(refusal.value.message, where=WHERE, remedy=FIX)}", NAMES)
    )


@pytest.mark.parametrize("value", QUOTED)
@pytest.mark.parametrize("expression", [*SHARED, *OF_THE_SERVER])
def test_no_value_that_the_local_server_refuses_is_shown(bigquery_server: str, expression: str, value: str) -> None:
    job = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("s", "STRING", value)])
    query = f"SELECT {expression} AS x FROM UNNEST([STRUCT(@s AS s, {NUMBER} AS n)])"
    with pytest.raises(LumbungError) as refusal, translated(WHERE, "BigQuery"):
        connect(bigquery_server).query_and_wait(query, job_config=job)
    assert REFUSED.fullmatch(error_without_values(f"{refusal.value}", NAMES))


@pytest.mark.parametrize("value", QUOTED)
def test_no_value_that_a_load_refuses_is_shown(bigquery_server: str, value: str) -> None:
    client = connect(bigquery_server)
    client.create_dataset("reasons", exists_ok=True)
    schema = [bigquery.SchemaField("city", "INT64")]
    job = client.load_table_from_json([{"city": value}], "reasons.t", job_config=bigquery.LoadJobConfig(schema=schema))
    with pytest.raises(RefusedError, match=SECRET) as refusal, translated(WHERE, "BigQuery"):
        job.result(timeout=60)
    assert REFUSED.fullmatch(error_without_values(f"{refusal.value}", NAMES))


@pytest.mark.parametrize(
    "remedy",
    [
        *sorted({remedy for _, remedy in REASONS.values()} | {TABLES, LOGIN, ROLES, AWAY}),
        "repair the query or the data",
    ],
)
def test_what_the_warehouse_says_is_not_shown_and_the_remedy_is(remedy: str) -> None:
    for text in (f"Bad: {SECRET}", "BigQuery does not answer (502 Bad Gateway: upstream)", f"Budi? {SECRET}."):
        for where in (WHERE, f"my-project.{WHERE}$20261120", f"example.com:my-project.{WHERE}, day 2026-11-20"):
            error = f"{LumbungError(text, where=where, remedy=remedy)}"
            shown = f"{LumbungError(f'{ASKED}; {HIDDEN}', where=where, remedy=remedy)}"
            assert error_without_values(error, NAMES) == shown
            assert error_without_values(f"failed: {error}", NAMES) == f"failed: {shown}"


@pytest.mark.parametrize(
    "error",
    [
        "dwh.t: the publish of 2026-11-20 was skipped: a newer day is published. Run the newest day again.",
        "LUMBUNG_LOCATION: the data set dwh is in EU, not in US. Set it to EU, or set another LUMBUNG_DATASET_PREFIX.",
        "cilvest: Kafka does not answer (Bad address: no such host). See to it that it runs.",
        "school.course: the table does not exist, but lms.course does. Write lms.course in the contract.",
        "staging.student, day 2026-11-20: 26 rows loaded where the snapshot has 27. Run the day again.",
    ],
)
def test_our_own_words_are_shown(error: str) -> None:
    assert error_without_values(error, NAMES) == error
