"""What a session reads whatever the settings of the role: the text of each type; the rows that a policy hides."""

import re
from pathlib import Path

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources.postgres import PARTIAL
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
    ("text", "Zoë 日", "Zoë 日"),
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
    "client_encoding": ("LATIN1", "SQL_ASCII"),
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


MEMBER = (
    "CREATE TABLE member (id int, name text, city text);"
    "INSERT INTO member SELECT i, 'n' || i, 'c' || i % 2 FROM generate_series(1, 150) i;"
)
POLICY = (
    "GRANT SELECT ON member TO guest; ALTER TABLE member ENABLE ROW LEVEL SECURITY;"
    "CREATE POLICY part ON member FOR SELECT TO guest USING (id <= 69);"
)


@pytest.fixture
def database(postgres):
    """A database of its own: `sql(statements)`, and `read` and `refusal` as the role guest."""
    postgres.sql("CREATE DATABASE security")
    yield Database(postgres)
    postgres.sql("DROP DATABASE security WITH (FORCE)")


class Database:
    def __init__(self, server):
        self.server = server

    def sql(self, statements):
        self.server.sql(statements, database="security")

    def read(self, *, user="guest", **source):
        contract = make_contract("postgres", **source)
        return Content(contract, dsn=self.server.uri(user, database="security"))

    def refusal(self, **source):
        with pytest.raises(SourceError) as raised:
            self.read(**source)
        assert type(raised.value) is SourceError, "it stays when it is tried again"
        return str(raised.value)


def notes(content):
    return [batch.note for batch in content.batches if batch.note]


@pytest.mark.parametrize(
    ("source", "setup"),
    [
        ({}, MEMBER + POLICY),
        ({"table": "public.member"}, MEMBER + POLICY),
        ({"query": "SELECT * FROM member WHERE id > 0"}, MEMBER + POLICY),
        (
            {"table": "seen"},  # with the caller's rights
            MEMBER + POLICY + "CREATE VIEW seen WITH (security_invoker) AS SELECT * FROM member;"
            "GRANT SELECT ON seen TO guest;",
        ),
        (
            {"table": "seen"},  # with its owner's rights, whom the policy restricts
            MEMBER
            + POLICY
            + "GRANT CREATE ON SCHEMA public TO guest; SET ROLE guest; CREATE VIEW seen AS SELECT * FROM member;",
        ),
        (
            {"table": "member_all"},  # the policies of the table that is named count, not those of its partitions
            "CREATE TABLE member_all (id int, name text, city text) PARTITION BY RANGE (id);"
            "CREATE TABLE member PARTITION OF member_all FOR VALUES FROM (1) TO (1000);"
            "INSERT INTO member_all SELECT i, 'n', 'c' FROM generate_series(1, 150) i;"
            + POLICY
            + "GRANT SELECT ON member_all TO guest; ALTER TABLE member_all ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY part ON member_all FOR SELECT TO guest USING (id <= 69);",
        ),
    ],
    ids=["table", "schema", "query", "invoker's view", "owner's view", "partitioned"],
)
def test_a_policy_that_hides_rows_refuses_the_day_unless_it_is_allowed(database, source, setup):
    database.sql(setup)
    message = database.refusal(**source)
    assert "row-level security hides rows from the user" in message
    assert 'policy for table "member' in message, "what the server named"
    assert "BYPASSRLS" in message
    assert "row_security: allow in member.yaml" in message
    allowed = database.read(row_security="allow", **source)
    assert len(allowed.rows) == 69
    assert notes(allowed) == [PARTIAL]


def test_a_part_without_rows_is_noted_too(database):
    database.sql(MEMBER + POLICY.replace("id <= 69", "false"))
    allowed = database.read(row_security="allow")
    assert (allowed.rows, notes(allowed)) == ([], [PARTIAL])


@pytest.mark.parametrize("row_security", ["refuse", "allow"])
@pytest.mark.parametrize("setup", ["", "ALTER TABLE member OWNER TO guest;", "ALTER ROLE guest BYPASSRLS;"])
def test_whom_no_policy_restricts_reads_all_rows_without_a_note(database, setup, row_security):
    policy = POLICY if setup else POLICY.replace("ALTER TABLE member ENABLE ROW LEVEL SECURITY;", "")
    database.sql(MEMBER + policy + setup)
    try:
        content = database.read(row_security=row_security)
    finally:
        database.sql("ALTER ROLE guest NOBYPASSRLS")
    assert (len(content.rows), notes(content)) == (150, [])


def test_a_role_s_own_setting_changes_nothing(database):
    database.sql(MEMBER + POLICY + "ALTER ROLE guest SET row_security TO on")
    assert "row-level security" in database.refusal()
    database.sql("ALTER ROLE guest SET row_security TO off")
    try:
        assert len(database.read(row_security="allow").rows) == 69
    finally:
        database.sql("ALTER ROLE guest RESET row_security")


def test_children_and_partitions_are_part_of_a_table(database):
    database.sql(
        MEMBER + "CREATE TABLE late (LIKE member); INSERT INTO late VALUES (151, 'n', 'c'); ALTER TABLE late INHERIT"
        " member; CREATE TABLE parted (id int, name text, city text) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF parted FOR VALUES FROM (1) TO (10);"
        "CREATE TABLE other PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (1, 'a'), (99, 'b');"
    )
    assert len(database.read(user="postgres").rows) == 151
    assert len(database.read(user="postgres", table="parted").rows) == 2


def test_a_missing_right_is_named_although_a_policy_is_refused_first(database):
    database.sql(MEMBER + POLICY + "REVOKE SELECT ON member FROM guest")
    message = database.refusal()
    assert "shop.member: permission denied for table member. GRANT SELECT ON member to the user." in message
    message = database.refusal(query="SELECT * FROM member")
    assert "GRANT SELECT ON member to the user, or to the owner of the view that reads it" in message


def test_a_view_whose_table_is_denied_names_the_table(database):
    database.sql(
        MEMBER + "GRANT CREATE ON SCHEMA public TO guest; SET ROLE guest; CREATE VIEW seen AS SELECT 1 AS id, 'n'::text"
        " AS name, 'c'::text AS city; RESET ROLE; GRANT SELECT ON member TO guest; SET ROLE guest;"
        "CREATE OR REPLACE VIEW seen AS SELECT id, name, city FROM member; RESET ROLE; REVOKE ALL ON member FROM guest;"
    )
    message = database.refusal(table="seen")
    assert "shop.seen: permission denied for table member. GRANT SELECT ON member to the owner of the view" in message
    database.sql("CREATE SCHEMA other; ALTER VIEW seen SET SCHEMA other; ALTER VIEW other.seen RENAME TO member;")
    database.sql("GRANT USAGE ON SCHEMA other TO guest")
    message = database.refusal(table="other.member")
    assert "GRANT SELECT ON member to the owner of the view other.member" in message, "the same name, another table"
    message = database.refusal(query="SELECT * FROM other.member")
    assert "GRANT SELECT ON member to the user, or to the owner of the view that reads it" in message


def test_a_schema_that_may_not_be_used_is_named(database):
    schema = (
        "CREATE SCHEMA school; " + MEMBER.replace("member", "school.member") + "GRANT SELECT ON school.member TO guest;"
    )
    database.sql(schema)
    message = database.refusal(table="school.member")
    assert "permission denied for schema school. GRANT USAGE ON SCHEMA school to the user." in message
    message = database.refusal(table="member")
    assert "no such table that the user may see, but school.member. GRANT USAGE ON SCHEMA school TO guest" in message
    database.sql("ALTER ROLE guest SET search_path TO school")
    try:
        assert "GRANT USAGE ON SCHEMA school TO guest" in database.refusal(table="member")
    finally:
        database.sql("ALTER ROLE guest RESET search_path")
    database.sql("GRANT USAGE ON SCHEMA school TO guest")
    assert "no such table, but school.member. Write school.member in the contract." in database.refusal(table="member")
    assert "school.member" in database.refusal(query="SELECT * FROM member")
    assert len(database.read(table="school.member").rows) == 150


def test_a_table_of_another_case_is_named(database):
    database.sql(MEMBER.replace("member", '"Member"'))
    assert "no such table, but public.Member" in database.refusal()
