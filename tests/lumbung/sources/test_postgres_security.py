"""What a role may not see: policies that hide rows, schemas, tables behind views; and what is part of a table."""

import pytest

from lumbung.core.errors import SourceError
from lumbung.sources.postgres import PARTIAL
from support.sources import Content, make_contract

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


def test_a_view_whose_table_is_denied_names_the_table(database):
    database.sql(
        MEMBER + "GRANT CREATE ON SCHEMA public TO guest; SET ROLE guest; CREATE VIEW seen AS SELECT 1 AS id, 'n'::text"
        " AS name, 'c'::text AS city; RESET ROLE; GRANT SELECT ON member TO guest; SET ROLE guest;"
        "CREATE OR REPLACE VIEW seen AS SELECT id, name, city FROM member; RESET ROLE; REVOKE ALL ON member FROM guest;"
    )
    message = database.refusal(table="seen")
    assert "shop.seen: permission denied for table member. GRANT SELECT ON member to the owner of the view" in message


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
