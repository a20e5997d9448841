"""Each kind of bad input, end to end: what is said, and what is in the tables after."""

import contextlib
import json
import re
from datetime import date, timedelta

import pytest
from pydantic import SecretStr

from lumbung.core.errors import SourceError
from support.pipeline import sources

GOOD = date(2026, 11, 20)
MENTORS = b"id,first_name,last_name\nm1,Sri,Rahayu\nm2,Ika,\n"
CP1252 = "encoding: cp1252 in the contract would read"
STUDENTS = sources()["student"]
COURSES = sources()["course"]
ENROLLMENTS = sources()["course_enrollment"]


@pytest.fixture(scope="module")
def harness(new_harness):
    """Sources, lake and warehouse with one good day; each case takes a day of its own."""
    with contextlib.closing(new_harness()) as harness:
        harness.take(GOOD)
        harness.before = untouched(harness)
        yield harness


@pytest.fixture
def restored(harness):
    """The good sources, again after the test."""
    settings = harness.settings
    yield harness
    harness.settings = settings
    harness.sql(
        "DROP TABLE IF EXISTS course_enrollment; CREATE TABLE course_enrollment (student_id text, course_id text)"
    )
    harness.fill(sources())


DAYS = (GOOD - timedelta(days=number) for number in range(1, 100))


def csv(text):
    return lambda harness: harness.file("mentor.csv", text)


def students(text):
    return lambda harness: harness.file("student.json", text if isinstance(text, bytes) else json.dumps(text).encode())


def fill(**tables):
    return lambda harness: harness.fill(tables)


def sql(statements):
    return lambda harness: harness.sql(statements)


def dsn(pattern, replacement):
    def change(harness):
        address = re.sub(pattern, replacement, harness.settings.source_dsn.get_secret_value())
        harness.settings = harness.settings.replace(source_dsn=SecretStr(address))

    return change


def absent(harness):
    (harness.settings.data_source / "mentor.csv").unlink()


REFUSED = {
    "missing file": (absent, r"mentor\.csv: the file cannot be read \(No such file", []),
    "empty file": (csv(b""), r"mentor\.csv: the file is empty", []),
    "header only": (csv(b"id,first_name,last_name\n"), r"mentor\.csv, day .*: 0 rows.*\. Fill the source, or", []),
    "one row, and a bad one": (
        csv(b"id,first_name,last_name\nm1,A\n"),
        r"mentor\.csv:2, day .*: 0 rows.*; 1 rejected, the first: expected 3 columns, found 2\. Fix the source",
        [("mentor", 2, "expected 3 columns, found 2")],
    ),
    "column missing": (csv(b"id,first_name\nm1,Sri\n"), r"mentor\.csv:1: .*missing: 'last_name'", []),
    "column extra": (csv(b"id,first_name,last_name,age\nm1,A,B,9\n"), r"mentor\.csv:1: .*unexpected: 'age'", []),
    "column renamed": (
        csv(b"id,first_name,surname\nm1,A,B\n"),
        r"mentor\.csv:1: .*missing: 'last_name'; unexpected: 'surname'",
        [],
    ),
    "wrong delimiter": (csv(MENTORS.replace(b",", b";")), r"mentor\.csv:1: .*delimiter looks like ';'", []),
    "an HTML page": (csv(b"<!DOCTYPE html>"), r"mentor\.csv: the file is an HTML page\. Look at it in a browser", []),
    "sep=": (csv(b"sep=;\n" + MENTORS.replace(b",", b";")), r'Write delimiter: ";" and skip_rows: 1 in source: of', []),
    "UTF-16": (csv(MENTORS.decode().encode("utf-16")), r"mentor\.csv: the file is UTF-16", []),
    "bytes that are not UTF-8": (
        csv(b"id,first_name,last_name\nm1,\xff,A\nm2,B,\xfe\n"),
        r"mentor\.csv:2, day .*: 2 of 2 rows are rejected, 1 allowed; the first: byte 0xff .*, or correct staging/",
        [
            ("mentor", 2, f"byte 0xff at position 4 of the row is not UTF-8; {CP1252} ÿ"),
            ("mentor", 3, f"byte 0xfe at position 6 of the row is not UTF-8; {CP1252} þ"),
        ],
    ),
    "one key with two rows": (
        csv(MENTORS + b"m1,Ana,Lee\n"),
        r"mentor\.csv:2, day .*: 2 of 3 rows .*; the first: 2 rows with the same id .*, or raise max_rejects",
        [("mentor", line, "2 rows with the same id and different contents") for line in (2, 4)],
    ),
    "truncated JSON": (students(json.dumps(STUDENTS).encode()[:-20]), r"student\.json:1: ", []),
    "JSON that is an object": (
        students({"rows": STUDENTS}),
        r"student\.json:1: the first line is an object around the rows, which are in its field 'rows'\. Export",
        [],
    ),
    "JSON that is a string": (students(b'"students"'), r"student\.json: the file is neither an array nor objects", []),
    "references to nothing": (
        fill(
            course_enrollment=[
                *ENROLLMENTS,
                {"student_id": "s9", "course_id": "c1"},
                {"student_id": "s1", "course_id": "c9"},
            ]
        ),
        r"course_enrollment, day .*: 2 of 5 rows are rejected, 1 allowed; the first: student_id … is not in student",
        [
            ("course_enrollment", None, "course_id c9 is not in course"),
            ("course_enrollment", None, "student_id s9 is not in student"),
        ],
    ),
    "database down": (dsn(r"@127\.0\.0\.1:\d+", "@127.0.0.1:1"), r"connection pinter_skuy: no connection", []),
    "wrong password": (dsn(r"postgres:\w+@", "postgres:wrong@"), r"pinter_skuy: no connection, password .*Fix", []),
    "no table": (sql("DROP TABLE course_enrollment"), r"course_enrollment: there is no such table", []),
    "no column": (
        sql("ALTER TABLE course_enrollment DROP COLUMN course_id"),
        r"course_enrollment: the table has no column course_id",
        [],
    ),
    "empty table": (fill(course_enrollment=[]), r"course_enrollment, day .*: 0 rows", []),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_day_writes_its_rejects_and_touches_nothing_else(restored, case):
    change, says, rejects = REFUSED[case]
    day = next(DAYS)
    change(restored)
    with pytest.raises(SourceError, match=says) as error:
        restored.take(day)
    message = str(error.value)
    assert "Traceback" not in message
    assert "\n" not in message
    assert message.count(". ") >= 1, "it says what to do"
    assert restored.rejected(day) == rejects
    assert untouched(restored) == restored.before


def untouched(harness):
    """All tables but the rejects; staging's on the good day, since tests below load others."""
    staged = {
        name: harness.rows(f"SELECT * FROM {{staging.{name}}} WHERE snapshot_date = '{GOOD}' ORDER BY 1, 2")
        for name in sources()
    }
    return harness.checksum("dwh", "datamart"), staged


def test_a_password_is_in_no_message(restored):
    dsn(r"postgres:\w+@", "postgres:geheim@")(restored)
    with pytest.raises(SourceError) as error:
        restored.run(next(DAYS)).extract()
    assert "geheim" not in str(error.value)


MANY = [{"id": f"m{number}", "first_name": "A", "last_name": "B"} for number in range(1, 300)]
TAKEN = {
    "columns reordered": (csv(b"last_name,id,first_name\nRahayu,m1,Sri\n,m2,Ika\n"), "mentor", 2, []),
    "CRLF": (csv(MENTORS.replace(b"\n", b"\r\n")), "mentor", 2, []),
    "no newline at the end": (csv(MENTORS[:-1]), "mentor", 2, []),
    "byte order mark": (csv(b"\xef\xbb\xbf" + MENTORS), "mentor", 2, []),
    "line breaks in quotes": (csv(MENTORS + b'm3,"A\r\nB","C\n"\n'), "mentor", 3, []),
    "a broken quote": (
        csv(MENTORS + b'm3,"A,B\nm4,C,D\n'),
        "mentor",
        3,
        [(4, "broken quote: it is opened and not closed")],
    ),
    "a column too many": (csv(MENTORS + b"m3,A,B,C\n"), "mentor", 2, [(4, "expected 3 columns, found 4")]),
    "a byte that is not UTF-8": (
        csv(MENTORS + b"m3,\xff,A\n"),
        "mentor",
        2,
        [(4, f"byte 0xff at position 4 of the row is not UTF-8; {CP1252} ÿ")],
    ),
    "a null key": (csv(MENTORS + b",A,B\n"), "mentor", 2, [(4, "key column id is null")]),
    "a blank key": (csv(MENTORS + b'"  ",A,B\n'), "mentor", 2, [(4, "key column id is blank")]),
    "the same row twice": (csv(MENTORS + b"m1,Sri,Rahayu\n"), "mentor", 2, [(4, "an identical repeat of line 2")]),
    "one key with two rows among many": (
        fill(mentor=[*MANY, {"id": "m9", "first_name": "A", "last_name": "C"}]),
        "mentor",
        298,
        [(line, "2 rows with the same id and different contents") for line in (10, 301)],
    ),
    "a reference to nothing": (
        fill(course_enrollment=[*ENROLLMENTS, {"student_id": "s9", "course_id": "c1"}]),
        "course_enrollment",
        3,
        [(None, "student_id s9 is not in student")],
    ),
    "a null key of a table": (
        fill(course_enrollment=[*ENROLLMENTS, {"student_id": None, "course_id": "c1"}]),
        "course_enrollment",
        3,
        [(None, "key column student_id is null")],
    ),
    "a nested value": (students([*STUDENTS, {**STUDENTS[0], "id": "s4", "city": ["a"]}]), "student", 3, "an array"),
    "a number for a string": (students([*STUDENTS, {**STUDENTS[0], "id": "s4", "city": 7}]), "student", 3, "a number"),
    "a field missing": (students([*STUDENTS, {"id": "s4"}]), "student", 3, "missing"),
    "NDJSON": (students("\n".join(map(json.dumps, STUDENTS)).encode()), "student", 3, []),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_day_with_some_bad_rows_is_loaded_and_they_are_kept(restored, case):
    change, entity, loaded, rejects = TAKEN[case]
    day = next(DAYS)
    change(restored)
    run = restored.run(day)
    for stage in (run.start, run.extract, run.snapshot, run.rejected, lambda: run.load(entity)):
        stage()
    rejected = restored.rejected(day)
    if isinstance(rejects, str):
        assert len(rejected) == 1
        assert rejects in rejected[0][2]
    else:
        assert rejected == [(entity, line, reason) for line, reason in rejects]
    (count,) = restored.rows(f"SELECT COUNT(*) AS n FROM {{staging.{entity}}} WHERE snapshot_date = '{day}'")
    assert count["n"] == loaded
    assert run.version.members[entity].rows_read == loaded + len(rejected)


def test_what_a_row_held_is_kept_as_it_was(restored):
    day = next(DAYS)
    csv(MENTORS + "m3,É “quoted”,B,✓\n".encode())(restored)
    run = restored.run(day)
    for stage in (run.start, run.extract, run.snapshot, run.rejected):
        stage()
    (row,) = restored.rows(f"SELECT * FROM {{staging.rejected_row}} WHERE snapshot_date = '{day}'")
    assert row == {
        "snapshot_date": day,
        "system": "pinter_skuy",
        "entity": "mentor",
        "line": 4,
        "raw": "m3,É “quoted”,B,✓",
        "reason": "expected 3 columns, found 4",
    }
