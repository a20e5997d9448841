"""The text of a value of each type, whatever the settings of the role: docs/reference/postgresql.md."""

import re
from pathlib import Path

import pytest

from support.sources import Content, make_contract

# Type, a value as a literal, and its text. The documented ones are those of this list.
FORMS = [
    ("boolean", "true", "true"),
    ("smallint", "-7", "-7"),
    ("integer", "12", "12"),
    ("bigint", "9223372036854775807", "9223372036854775807"),
    ("numeric(10,2)", "12.5", "12.50"),
    ("numeric", "NaN", "NaN"),
    ("real", "0.1", "0.1"),
    ("double precision", "0.1", "0.1"),
    ("double precision", "1e300", "1e+300"),
    ("double precision", "0.30000000000000004", "0.30000000000000004"),
    ("double precision", "-Infinity", "-Infinity"),
    ("money", "1234.5", "$1,234.50"),
    ("text", " a b ", " a b "),
    ("varchar(5)", "a ", "a "),
    ("char(5)", "a", "a"),
    ("bytea", "\\x00ff61", "\\x00ff61"),
    ("date", "2026-11-22", "2026-11-22"),
    ("date", "infinity", "infinity"),
    ("date", "0044-03-15 BC", "0044-03-15 BC"),
    ("time", "07:05:01.5", "07:05:01.5"),
    ("timetz", "07:05+07", "07:05:00+07"),
    ("timestamp", "2026-11-22 07:05:01.250", "2026-11-22 07:05:01.25"),
    ("timestamp", "-infinity", "-infinity"),
    ("timestamptz", "2026-11-22 00:30+07", "2026-11-21 17:30:00+00"),
    ("interval", "1 year 2 months 3 days 04:05:06.5", "P1Y2M3DT4H5M6.5S"),
    ("interval", "-1 day +02:00", "P-1DT2H"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("json", '{"b": 1,  "a":1}', '{"b": 1,  "a":1}'),
    ("jsonb", '{"b": 1,  "a":1}', '{"a": 1, "b": 1}'),
    ("mood", "Sangat Baik", "Sangat Baik"),
    ("amount", "12.5", "12.50"),
    ("pair", '(1,"a b",t)', '(1,"a b",t)'),
    ("integer[]", "{1,NULL,3}", "{1,NULL,3}"),
    ("text[]", '{a,"b c","d,e",""}', '{a,"b c","d,e",""}'),
    ("boolean[]", "{true,false}", "{t,f}"),
    ("double precision[]", "{0.1}", "{0.1}"),
    ("interval[]", "{1 day}", "{P1D}"),
    ("bytea[]", '{"\\\\x61"}', '{"\\\\x61"}'),
    ("int4range", "[1,5]", "[1,6)"),
    ("tstzrange", "[2026-11-22 00:30+07,)", '["2026-11-21 17:30:00+00",)'),
    ("datemultirange", "{[2026-11-22,2026-11-22]}", "{[2026-11-22,2026-11-23)}"),
    ("bit(4)", "0101", "0101"),
    ("bit varying", "101", "101"),
    ("inet", "192.168.0.1", "192.168.0.1/32"),
    ("cidr", "10.0.0.0/8", "10.0.0.0/8"),
    ("macaddr", "08-00-2B-01-02-03", "08:00:2b:01:02:03"),
    ("point", "1.5,2", "(1.5,2)"),
    ("tsvector", "b a", "'a' 'b'"),
    ("name", "abc", "abc"),
    ("oid", "42", "42"),
    ("regclass", "pg_catalog.pg_class", "pg_class"),
    ("pg_lsn", "16/B374D848", "16/B374D848"),
]
TYPES = (
    "CREATE TYPE mood AS ENUM ('Baik', 'Sangat Baik'); CREATE DOMAIN amount AS numeric(10,2);"
    "CREATE TYPE pair AS (a int, b text, c boolean);"
)
SETTINGS = {
    "DateStyle": ("German", "SQL, DMY"),
    "IntervalStyle": ("sql_standard", "postgres_verbose"),
    "TimeZone": ("Asia/Jakarta", "America/New_York"),
    "extra_float_digits": ("-15", "0"),
    "bytea_output": ("escape", "hex"),
    "client_encoding": ("LATIN1", "UTF8"),
    "lc_monetary": ("C.UTF-8", "POSIX"),
    "quote_all_identifiers": ("on", "off"),
    "row_security": ("off", "on"),
}
PAGE = Path(__file__).parents[3] / "docs/reference/postgresql.md"


@pytest.fixture(scope="module")
def typed(postgres):
    """A database with a table that has a column for each form, and a contract of it."""
    columns = [f"c{number}" for number in range(len(FORMS))]
    postgres.sql("CREATE DATABASE typed")
    declared = ", ".join(f"{name} {form[0]}" for name, form in zip(columns, FORMS, strict=True))
    values = ", ".join("'{}'".format(value.replace("'", "''")) for _, value, _ in FORMS)
    roles = "".join(
        f"CREATE ROLE typed{number} LOGIN; GRANT SELECT ON typed TO typed{number};"
        + "".join(f"ALTER ROLE typed{number} SET {name} TO '{value[number]}';" for name, value in SETTINGS.items())
        for number in (0, 1)
    ).replace("'SQL, DMY'", "SQL, DMY")
    postgres.sql(f"{TYPES} CREATE TABLE typed ({declared}); INSERT INTO typed VALUES ({values}); {roles}", "typed")
    described = [{"name": name, "description": "a value"} for name in columns]
    described.append({"name": "snapshot_date", "type": "DATE", "required": True, "description": "partition"})
    yield lambda user, **source: Content(
        make_contract("postgres", columns=described, key=("c1",), **source), dsn=postgres.uri(user, database="typed")
    )
    postgres.sql("DROP DATABASE typed WITH (FORCE); DROP ROLE typed0; DROP ROLE typed1")


@pytest.mark.parametrize(
    "source", [{"table": "typed"}, {"query": "SELECT * FROM typed -- all"}], ids=["table", "query"]
)
def test_each_type_has_one_text_whatever_the_role_s_settings(typed, source):
    for user in ("typed0", "typed1", "postgres"):
        (row,) = typed(user, **source).rows
        assert dict(zip(enumerate(form[:2] for form in FORMS), row, strict=True)) == {
            (number, form[:2]): form[2] for number, form in enumerate(FORMS)
        }


def test_the_forms_are_documented():
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {kind for kinds, _ in rows for kind in re.findall(r"`([^`]+)`", kinds)}
    kinds = {re.sub(r"\(.*\)", "", kind).removesuffix("[]") for kind, _, _ in FORMS}
    assert kinds - documented <= {"mood", "amount", "pair"}
