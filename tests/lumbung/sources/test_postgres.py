"""What is PostgreSQL's own: types, settings of the server, connections, rights and servers that go away."""

import traceback
from pathlib import Path

import pytest

from lumbung.core.errors import SourceError, SourceUnavailableError
from lumbung.sources import read
from support.sources import Content, make_contract

TABLE = "CREATE TABLE member (id int, name text, city varchar(20), extra text)"


@pytest.fixture
def member(postgres):
    """An empty table `member`, dropped afterwards."""
    postgres.sql(TABLE)
    yield postgres
    postgres.sql("DROP TABLE IF EXISTS member")


def test_rows_are_text_in_the_contract_s_order(member):
    member.sql("INSERT INTO member VALUES (1, ' Ann ', 'Bali', 'x'), (2, 'Zoë', NULL, 'y')")
    got = Content(make_contract("postgres"), dsn=member.uri())
    assert got.rows == [["1", " Ann ", "Bali"], ["2", "Zoë", None]]
    assert got.rejects == []
    assert got.batches[0].lines is None
    assert got.batches[0].rows.schema.names == ["id", "name", "city"]


def test_values_do_not_depend_on_the_server_s_settings(postgres):
    postgres.sql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        postgres.sql(
            "ALTER DATABASE latin SET DateStyle TO 'German'; ALTER DATABASE latin SET TimeZone TO 'Asia/Jakarta'"
        )
        postgres.sql(
            "CREATE TABLE member (id text, name date, city timestamptz);"
            "INSERT INTO member VALUES ('Zoë', '2026-11-22', '2026-11-22 00:30+07')",
            database="latin",
        )
        got = Content(make_contract("postgres"), dsn=postgres.uri(database="latin"))
        assert got.rows == [["Zoë", "2026-11-22", "2026-11-21 17:30:00+00"]]
    finally:
        postgres.sql("DROP DATABASE latin")


def refusal(contract, dsn, kind=SourceError):
    """The message of the error, whose traceback must not show the password."""
    with pytest.raises(SourceError) as raised:
        Content(contract, dsn=dsn)
    assert type(raised.value) is kind
    shown = "".join(traceback.format_exception(raised.value))
    assert "hush" not in shown
    if dsn:
        assert dsn not in shown
    assert raised.value.remedy
    return str(raised.value)


@pytest.mark.parametrize(
    ("dsn", "message", "kind"),
    [
        (None, "no such connection. Set AIRFLOW_CONN_SHOP", SourceError),
        ("postgresql://u:hush@127.0.0.1:9/x", "no connection, Connection refused. Start", SourceUnavailableError),
        ("postgresql://u:hush@no-host.invalid/x", "no connection, there is no such host", SourceUnavailableError),
        ("postgresql://u:p@hush@no-host.invalid/x", "no connection, its address cannot be understood", SourceError),
        ("postgresql://u:a hush@h/x", "no connection, its address cannot be understood", SourceError),
        ("hush", "no connection, its address cannot be understood", SourceError),
    ],
)
def test_no_connection(dsn, message, kind):
    shown = refusal(make_contract("postgres"), dsn, kind)
    assert shown.startswith("connection shop: ")
    assert message in shown


@pytest.mark.parametrize(
    ("login", "message"),
    [
        (
            {"user": "member", "password": "hush"},
            'password authentication failed for user "member". Fix the connection\'s user',
        ),
        ({"user": "member"}, "no password supplied. Fix the connection's user and password"),
        ({"user": "nobody", "password": "hush"}, 'role "nobody" does not exist. Fix the connection\'s user'),
        ({"database": "nowhere"}, 'database "nowhere" does not exist. Fix the connection\'s database'),
    ],
)
def test_a_login_that_is_refused(postgres, login, message):
    assert message in refusal(make_contract("postgres"), postgres.uri(**login))


def test_a_right_password(member):
    member.sql("INSERT INTO member VALUES (1, 'a'); GRANT SELECT ON member TO member")
    got = Content(make_contract("postgres"), dsn=member.uri("member", "right"))
    assert got.rows == [["1", "a", None]]


def test_no_table(postgres):
    assert "shop.member: there is no such table" in refusal(make_contract("postgres"), postgres.uri())


def test_no_column(member):
    member.sql('ALTER TABLE member DROP name; ALTER TABLE member RENAME city TO "City"')
    message = refusal(make_contract("postgres"), member.uri())
    assert "shop.member: the table has no column name, city" in message


def test_permission_denied(member):
    message = refusal(make_contract("postgres"), member.uri("guest", "hush"))
    assert "shop.member: permission denied for table member. GRANT SELECT ON member to the user." in message


def test_columns_alone_may_be_granted(member):
    member.sql("INSERT INTO member VALUES (1, 'a'); GRANT SELECT (id, name, city) ON member TO guest")
    assert Content(make_contract("postgres"), dsn=member.uri("guest")).rows == [["1", "a", None]]


def test_a_stream_that_fails_half_way(member):
    member.sql("INSERT INTO member SELECT i, 'a' FROM generate_series(1, 300000) i")
    member.sql(
        "DROP TABLE member; CREATE VIEW member AS SELECT i AS id, (100 / (300000 - i))::text AS name,"
        " 'c' AS city FROM generate_series(1, 300000) i"
    )
    try:
        assert "shop.member: reading stopped" in refusal(make_contract("postgres"), member.uri())
    finally:
        member.sql("DROP VIEW member")


def test_a_server_that_goes_away(member):
    member.sql("INSERT INTO member SELECT i, repeat('n', 100) FROM generate_series(1, 200000) i")
    batches = read(make_contract("postgres"), data_source=Path(), dsn=member.uri())
    next(batches)
    member.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' OR query LIKE 'SELECT \"id\"%'"
    )
    with pytest.raises(
        SourceUnavailableError, match=r"shop.member: reading stopped, .*closed the connection|terminating"
    ):
        list(batches)
