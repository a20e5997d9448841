"""What PostgreSQL's errors mean to a person, and which of them may pass."""

from __future__ import annotations

import re

from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi

from lumbung.catalog.contract import Contract, Source
from lumbung.core.errors import SourceError, SourceUnavailableError, first_line
from lumbung.sources.postgres_session import ask, is_partial, relation, select

# Of the appendix "PostgreSQL Error Codes": classes whose errors may pass (connection lost, transaction rolled back,
# out of resources, stopped by an operator, system), codes of other classes that may, and those of these that do not.
_PASSING_CLASSES = ("08", "40", "53", "57", "58")
_PASSING = {
    "25P03",  # idle_in_transaction_session_timeout
    "25P04",  # transaction_timeout
    "55006",  # object_in_use
    "55P03",  # lock_not_available
    "72000",  # snapshot_too_old, until PostgreSQL 16
    "HV00N",  # fdw_unable_to_establish_connection
}
_LASTING = {
    "08P01",  # protocol_violation
    "57P04",  # database_dropped
    "58P01",  # undefined_file
    "58P02",  # duplicate_file
    "58P03",  # file_name_too_long
}
# The driver keeps only the text of an error in the middle of the rows: that of the errors above which come there.
_PASSING_TEXT = re.compile(
    r"canceling statement due to|terminating (background worker|connection)|deadlock detected|could not serialize"
    r"|snapshot too old|out of memory|No space left|temporary file size exceeds|could not (read|write|connect)"
)
_RIGHTS = {"function": "EXECUTE", "procedure": "EXECUTE"}
_KINDS = "'r', 'p', 'v', 'm', 'f'"  # tables, partitioned tables, views, materialized views, foreign tables


def may_pass(sqlstate: str | None) -> bool:
    """Whether an error may be gone when the query is tried again; one without a code is the connection's."""
    if not sqlstate:
        return True
    return sqlstate in _PASSING or (sqlstate[:2] in _PASSING_CLASSES and sqlstate not in _LASTING)


def refusal(contract: Contract, connection: dbapi.Connection, error: Error) -> SourceError:
    """The error for a query that PostgreSQL does not begin to answer."""
    source, message = contract.source, _message(error)
    assert source is not None
    part = "query" if source.query else "table"
    if "statement pooling mode" in message:
        return SourceError(
            f"the query failed, {message}",
            where=source.label,
            remedy="read past PgBouncer, or set pool_mode = transaction for this user or database in pgbouncer.ini",
        )
    if may_pass(error.sqlstate):
        return SourceUnavailableError(
            f"the query failed, {message}", where=source.label, remedy="run again; if it stays, fix what it says"
        )
    try:
        match error.sqlstate:
            case "42P01":
                what, remedy = _no_table(connection, source, message)
            case "42703" if missing := _missing_columns(connection, contract):
                what = f"the {part} has no column {', '.join(missing)}"
                remedy = f"fix the {part} or the contract {contract.path.name}"
            case "42501" if is_partial(connection, contract, error):
                what = f"row-level security hides rows from the user, {message}"
                remedy = (
                    "read as a user whom no policy restricts (ALTER ROLE … BYPASSRLS), or take the part that the user"
                    f" sees: row_security: allow in {contract.path.name}"
                )
            case "42501":
                what, remedy = _no_permission(connection, source, _denied(connection, contract) or message)
            case _:
                what = f"the query failed, {message}"
                remedy = f"fix what the server reports, or the {part} in {contract.path.name}"
    except Error:  # the connection is lost, or a pooler is in between: what the server said is known still
        what, remedy = f"the query failed, {message}", "fix what the server reports"
    return SourceError(what, where=source.label, remedy=remedy)


def broken_stream(label: str, error: OSError) -> SourceError:
    """The error for rows that stopped coming.

    Args:
        label: what people call the source.
        error: what the driver says.
    """
    said = re.search(r"(?:ERROR|FATAL|PANIC): +(.*)", str(error))
    # Without one of these words the connection was lost, or the server speaks another language: that may pass.
    kind = SourceError if said and not _PASSING_TEXT.search(said[1]) else SourceUnavailableError
    return kind(
        f"reading stopped, {said[1] if said else first_line(error)}",
        where=label,
        remedy="fix what the server reports, then run again",
    )


def _message(error: Error) -> str:
    """The server's own sentence."""
    for name, value in error.details or ():
        if name in ("PG_DIAG_MESSAGE_PRIMARY", b"PG_DIAG_MESSAGE_PRIMARY"):
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return first_line(error)


def _no_table(connection: dbapi.Connection, source: Source, message: str) -> tuple[str, str]:
    """What to do about a table that is not found: it may be in a schema that the user may not use."""
    quoted = re.search(r'"(?:[^".]+\.)?([^".]+)"', message)
    name = source.table or (quoted[1] if quoted else "")
    what = "there is no such table" if source.table else f"the query failed, {message}"
    simple = name.rpartition(".")[2].replace("'", "''")
    found = ask(
        connection,
        "SELECT n.nspname::text, c.relname::text, has_schema_privilege(n.oid, 'USAGE'), current_user::text"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE lower(c.relname) = lower('{simple}') AND c.relkind IN ({_KINDS}) ORDER BY 3 DESC, 1, 2 LIMIT 1",
    )
    if not found:
        return what, f"create it, or fix the contract's {'table' if source.table else 'query'}"
    schema, table, usable, user = found[0]
    address = f"{schema}.{table}"
    if usable:
        return f"{what}, but {address}", f"write {address} in the contract"
    return f"{what} that the user may see, but {address}", (
        f"GRANT USAGE ON SCHEMA {schema} TO {user}, and write {address} in the contract"
    )


def _missing_columns(connection: dbapi.Connection, contract: Contract) -> list[str]:
    """The contract's columns that the source does not have; none where the query itself is wrong."""
    source = contract.source
    assert source is not None
    names = [column.name for column in contract.business_columns]
    if source.table:
        rows = ask(
            connection,
            f"SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = '{relation(source)}'::regclass"
            " AND attnum > 0 AND NOT attisdropped",
        )
        existing = {name for (name,) in rows}
    else:
        connection.rollback()
        with connection.cursor() as cursor:
            try:
                cursor.execute(f"SELECT * FROM {relation(source)} LIMIT 0")
            except Error:
                return []
            existing = {column[0] for column in cursor.description or ()}
    return [name for name in names if name not in existing]


def _denied(connection: dbapi.Connection, contract: Contract) -> str:
    """What the server says where policies may hide rows: it refuses a policy before it looks for a right."""
    try:
        ask(connection, f"{select(contract)} LIMIT 0")
    except Error as error:
        return _message(error)
    return ""


def _no_permission(connection: dbapi.Connection, source: Source, message: str) -> tuple[str, str]:
    """Whom to grant what: the server names what it refused, which may lie behind a view."""
    named = re.search(r"permission denied for (\w[\w ]*?) (\S+)$", message)
    if named is None:
        return message, "GRANT the right to the user, or to the owner of the view that asks for it"
    kind, name = named.groups()
    own_schema, _, own = (source.table or "").rpartition(".")
    if kind == "schema":
        who = "the user" if name == own_schema else "the user, or to the owner of the view whose tables are there"
        return message, f"GRANT USAGE ON SCHEMA {name} to {who}"
    right = "SELECT" if kind.endswith(("table", "view", "relation")) else _RIGHTS.get(kind, "USAGE")
    if source.query:
        return message, f"GRANT {right} ON {name} to the user, or to the owner of the view that reads it"
    if name == own and not ask(connection, f"SELECT has_table_privilege('{relation(source)}', 'SELECT')")[0][0]:
        return message, f"GRANT SELECT ON {source.table} to the user"
    return message, (
        f"GRANT {right} ON {name} to the owner of the view {source.table}, with whose rights it reads, or to the user"
        " if it is a security_invoker view"
    )
