"""Which of PostgreSQL's errors may pass, before the first row and between rows; and poolers that refuse a login."""

import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest

from lumbung.core.errors import SourceError, SourceUnavailableError
from lumbung.serving.reasons import error_without_values
from lumbung.sources import read
from lumbung.sources.postgres_errors import broken_stream, may_pass
from support.sources import Content, make_contract


@pytest.fixture
def raising(postgres):
    """A view whose function raises an error: as the query starts, or once rows have come."""
    postgres.sql("CREATE DATABASE raising")
    postgres.sql(
        "CREATE FUNCTION fail(state text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'it is %', state USING ERRCODE = state; END $$",
        "raising",
    )

    def refused(state):
        # A constant expression of an immutable function is evaluated by the planner, before the first row.
        postgres.sql(
            "ALTER FUNCTION fail IMMUTABLE; CREATE OR REPLACE VIEW member AS"
            f" SELECT 1 AS id, fail('{state}') AS name, 'c' AS city",
            "raising",
        )
        with pytest.raises(SourceError) as raised:
            Content(make_contract("postgres"), dsn=postgres.uri(database="raising"))
        assert f"it is {state}" in str(raised.value)
        return raised.value.transient

    yield refused
    postgres.sql("DROP DATABASE raising WITH (FORCE)")


PASS = ["08006", "40001", "40P01", "53300", "53200", "55006", "55P03", "57014", "57P01", "57P03", "57P05", "58030"]
STAY = ["0A000", "22012", "25006", "28P01", "3D000", "42601", "55000", "57P04", "08P01", "58P01", "XX000", "P0001"]


def test_errors_that_may_pass_are_tried_again_by_their_sqlstate(raising):
    assert {state: raising(state) for state in (*PASS, *STAY)} == {
        **dict.fromkeys(PASS, True),
        **dict.fromkeys(STAY, False),
    }
    assert may_pass(None), "without a code it is the connection's"


# As PostgreSQL's sources word them; the driver gives the text only once rows have come.
@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("ERROR:  canceling statement due to conflict with recovery", True),
        ("ERROR:  canceling statement due to statement timeout", True),
        ("ERROR:  canceling statement due to lock timeout", True),
        ("ERROR:  canceling statement due to user request", True),
        ("ERROR:  deadlock detected", True),
        ("ERROR:  could not serialize access due to concurrent update", True),
        ("FATAL:  terminating connection due to conflict with recovery", True),
        ("FATAL:  terminating connection due to administrator command", True),
        ("FATAL:  terminating connection because of crash of another server process", True),
        ("ERROR:  out of memory", True),
        ('ERROR:  could not write to file "base/pgsql_tmp/1": No space left on device', True),
        ("server closed the connection unexpectedly", True),
        ("FEHLER:  Division durch Null", True),  # another language: unknown
        ("ERROR:  division by zero", False),
        ('ERROR:  invalid input syntax for type integer: "x"', False),
    ],
)
def test_an_error_between_rows_is_known_by_its_text(text, again):
    error = broken_stream("shop.member", OSError(f"[libpq] Execution error [PGRES_FATAL_ERROR]: {text}\n"))
    assert error.transient is again
    assert text.partition(":  ")[2] in str(error)


@pytest.mark.parametrize(
    ("city", "what"),
    [("whole('{0}')", "the query failed"), ("whole(CASE WHEN i > 0 THEN '{0}' END)", "reading stopped")],
)
def test_no_value_that_postgresql_refuses_is_shown_to_who_may_see_no_rows(postgres, city, what):
    postgres.sql(
        "CREATE FUNCTION whole(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$"
        " BEGIN RETURN value::int::text; END $$;"
        f"CREATE VIEW member AS SELECT i AS id, 'n' AS name, {city.format('Nur"aini Rahasia')} AS city"
        " FROM generate_series(0, 1) i"
    )
    with pytest.raises(SourceError, match=f"{what}, .* Rahasia") as raised:
        Content(make_contract("postgres"), dsn=postgres.uri())
    postgres.sql("DROP VIEW member; DROP FUNCTION whole")
    shown = error_without_values(str(raised.value), frozenset())
    remedy = raised.value.remedy.replace("fix", "Fix", 1)
    assert shown == f"{raised.value.where}: {what}; those who may see rows see why. {remedy}."


@pytest.fixture
def many(postgres):
    postgres.sql(
        "CREATE TABLE member (id int, name text, city text);"
        "INSERT INTO member SELECT i, repeat('n', 100) FROM generate_series(1, 200000) i"
    )
    yield postgres
    postgres.sql("DROP TABLE member")


def test_a_lock_that_is_not_given_up_is_waited_for_again(many):
    many.sql("CREATE ROLE hurried LOGIN SUPERUSER; ALTER ROLE hurried SET lock_timeout TO '50ms'")
    blocker = threading.Thread(
        target=many.sql, args=("BEGIN; LOCK member IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2); COMMIT",)
    )
    blocker.start()
    error = None
    try:
        while blocker.is_alive() and error is None:
            try:
                Content(make_contract("postgres"), dsn=many.uri("hurried"))
            except SourceUnavailableError as refused:
                error = refused
    finally:
        blocker.join()
        many.sql("DROP ROLE hurried")
    assert "canceling statement due to lock timeout" in str(error)


@pytest.mark.parametrize("cancel", ["pg_cancel_backend", "pg_terminate_backend"])
def test_a_read_that_is_canceled_is_tried_again(many, cancel):
    batches = read(make_contract("postgres"), data_source=None, dsn=many.uri())
    next(batches)
    many.sql(f"SELECT {cancel}(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' OR query LIKE 'SELECT \"id\"%'")
    with pytest.raises(SourceUnavailableError, match="reading stopped"):
        list(batches)


@pytest.fixture
def standby(many):
    """The address of a hot standby, which cancels at once what is in the way of replay."""
    programs, primary = many.server.bin_path, Path(many.server.pgdata)
    owner = primary.stat()
    own = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # not tmp_path: a socket's path is short
        folder = Path(name)
        os.chown(folder, owner.st_uid, owner.st_gid)
        copy = ["-d", many.uri(), "-D", folder / "d", "-R", "-c", "fast"]
        subprocess.run([programs / "pg_basebackup", *copy], check=True, cwd="/", **own)
        with (folder / "d" / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"max_standby_streaming_delay = 0\nunix_socket_directories = '{folder}'\n")
            settings.write("listen_addresses = ''\n")
        control = [programs / "pg_ctl", "-w", "-D", folder / "d", "-l", folder / "log"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **own}
        subprocess.run([*control, "start"], check=True, **quiet)
        yield f"postgresql:///postgres?user=postgres&host={folder}"
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)


def test_a_read_that_a_hot_standby_cancels_is_tried_again(many, standby):
    batches = read(make_contract("postgres"), data_source=None, dsn=standby)
    next(batches)
    many.sql("TRUNCATE member")
    with psycopg.connect(many.uri()) as primary, psycopg.connect(standby, autocommit=True) as replica:
        (written,) = primary.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        # The read is canceled once the truncation has come, and before the rest of the rows is sent.
        while replica.execute("SELECT pg_last_wal_receive_lsn() < %s::pg_lsn", [written]).fetchone()[0]:
            time.sleep(0.01)
    time.sleep(0.2)
    with pytest.raises(SourceUnavailableError, match="canceling statement due to conflict with recovery"):
        list(batches)


@pytest.fixture
def pooler():
    """A server that refuses a login in PgBouncer's words, as its protocol module writes them; not PgBouncer itself."""
    listener = socket.create_server(("127.0.0.1", 0))
    said = []

    def answer():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while (size := struct.unpack("!i", client.recv(4))[0]) == 8:  # asks for encryption
                    client.recv(4)
                    client.sendall(b"N")
                client.recv(size - 4)
                fields = b"SFATAL\0C08P01\0M" + said[0].encode() + b"\0\0"
                client.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()

    def refusal(message):
        said[:] = [message]
        with pytest.raises(SourceError) as raised:
            dsn = f"postgresql://u:hush@127.0.0.1:{listener.getsockname()[1]}/shop?options=-csearch_path%3Da"
            Content(make_contract("postgres"), dsn=dsn)
        return raised.value

    yield refusal
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize(
    ("message", "remedy", "again"),
    [
        ("unsupported startup parameter: options", "ignore_startup_parameters", False),  # until 1.19
        ("unsupported startup parameter in options: search_path", "ignore_startup_parameters", False),
        ("no such database: shop", "fix the connection's database", False),
        ("no such user: u", "user and password", False),
        ("no such user", "user and password", False),
        ('"trust" authentication failed', "user and password", False),
        ("SASL authentication failed", "user and password", False),
        ("no more connections allowed (max_client_conn)", "start the server", True),
        ("pgbouncer is shutting down", "start the server", True),
        ("sorry, too many clients already", "start the server", True),
        ("the database system is starting up", "start the server", True),
        ('permission denied for database "shop"', "grant connect on database", False),
        ('role "u" is not permitted to log in', "login", False),
    ],
)
def test_what_a_pooler_or_a_server_refuses_at_login(pooler, message, remedy, again):
    error = pooler(message)
    assert error.transient is again
    assert f"no connection, {message}" in str(error)
    assert remedy in error.remedy.lower().replace("alter role … ", "")
