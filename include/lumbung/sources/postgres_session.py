"""A session with PostgreSQL whose values read the same whatever the settings of server and role."""

from __future__ import annotations

import re
from typing import Any

from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi
from psycopg import conninfo

from lumbung.catalog.contract import Contract, Source
from lumbung.core.errors import SourceError, SourceUnavailableError
from lumbung.sources.address import parameters, variable

# What the text of a value depends on; `pg_dump` sets most of them too.
_SETTINGS = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
}

# Remedies by the reason that libpq, the server or a pooler gives for refusing a connection. The driver gives no
# SQLSTATE then; a reason that is not here, or not in English, counts as one that may pass.
_REMEDIES = {
    "unsupported startup parameter": "PgBouncer refuses the connection's options: leave them out of its address, or add"
    " them to ignore_startup_parameters in pgbouncer.ini; a search_path is not needed where the contract's table is"
    " <schema>.<table>",
    "password|authentication failed|no such user": "fix the connection's user and password",
    r"role .* does not exist": "fix the connection's user, or create the role",
    r"role .* is not permitted to log in": "fix the connection's user, or ALTER ROLE … LOGIN",
    r"database .* does not exist|no such database": "fix the connection's database",
    "permission denied for database": "GRANT CONNECT ON DATABASE to the user, or fix the connection's database",
    r"pg_hba\.conf": "let this machine and user in there",
    "does not support SSL|certificate": "fix the connection's sslmode and certificates",
    "configuration parameter|value for parameter|startup parameter": "fix the connection's options",
}


def connect(connection: str | None, address: str | None) -> dbapi.Connection:
    """Connect.

    Args:
        connection: the Airflow connection.
        address: see `lumbung.sources.address`; None: there is no such connection.

    Raises:
        SourceError: the address or the login is wrong.
        SourceUnavailableError: there is no answer, or one that may be another later.
    """
    where = f"connection {connection}"
    if address is None:
        raise SourceError("there is no such connection", where=where, remedy=f"set {variable(str(connection))}")
    given = conninfo.make_conninfo(**parameters(connection, address))
    try:
        return dbapi.connect(given)
    except Error as error:
        message = str(error)
    # Outside of `except`, and with the end of each host's message only, as it may quote the address.
    reasons = list(dict.fromkeys(re.findall(r"connection to server .*? failed: (?:[A-Z]+: +)?(.*)", message)))
    if "could not translate host name" in message:
        reasons.append("there is no such host")
    if not reasons:
        raise SourceError(
            "no connection, a parameter of its address has a wrong value",
            where=where,
            remedy="fix the ports, sslmode and other parameters of the connection",
        )
    known = [
        next((remedy for text, remedy in _REMEDIES.items() if re.search(text, reason)), None) for reason in reasons
    ]
    kind = SourceUnavailableError if None in known else SourceError  # of several hosts one may answer later
    remedies = dict.fromkeys(remedy or "start the server, or fix the connection's host and port" for remedy in known)
    raise kind(f"no connection, {'; '.join(reasons)}", where=where, remedy="; ".join(remedies))


def prepare(cursor: dbapi.Cursor, *, row_security: str) -> None:
    """Set what a transaction's rows depend on.

    Args:
        cursor: of a connection whose transaction has just begun; with it the settings end.
        row_security: `off`: a policy that would hide rows is an error, as in `pg_dump`; `on`: it hides them.
    """
    for name, value in {**_SETTINGS, "row_security": row_security}.items():
        cursor.execute(f"SET LOCAL {name} TO '{value}'")


def relation(source: Source) -> str:
    """The table or the query as a SELECT names it; the names come from the contract."""
    if source.query is None:
        return ".".join(f'"{name}"' for name in str(source.table).split("."))
    return f"({source.query.strip().rstrip(';')}\n) AS source"  # a line end, as the last line may be a comment


def select(contract: Contract) -> str:
    """The query for a source's business columns as text."""
    assert contract.source is not None
    columns = ", ".join(f'"{column.name}"::text AS "{column.name}"' for column in contract.business_columns)
    return f"SELECT {columns} FROM {relation(contract.source)}"


def is_partial(connection: dbapi.Connection, contract: Contract, error: Error) -> bool:
    """Whether a query was refused because a policy hides rows: it works where that is allowed.

    The text of the error is in the server's language, and its code that of any missing right.
    """
    if error.sqlstate != "42501":
        return False
    try:
        ask(connection, f"{select(contract)} LIMIT 0")
    except Error:
        return False
    return True


def ask(connection: dbapi.Connection, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query in a transaction of its own, in which policies hide rows."""
    connection.rollback()
    try:
        with connection.cursor() as cursor:
            prepare(cursor, row_security="on")
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows
    finally:
        connection.rollback()
