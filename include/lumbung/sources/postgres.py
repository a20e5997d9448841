"""PostgreSQL tables, streamed over ADBC as text columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import StatementOptions, dbapi

from lumbung.catalog.contract import Contract, Source
from lumbung.core.errors import SourceError, SourceUnavailableError, first_line
from lumbung.sources import Batch, Reject
from lumbung.sources.rows import faults, schema

_BATCH_BYTES = 4 << 20  # about 50,000 rows of two ids

# The text of a value must not depend on the settings of the server or of the role.
_SESSION = ("SET client_encoding TO 'UTF8'", "SET DateStyle TO ISO", "SET TimeZone TO 'UTC'")

# Remedies by the reason that libpq or the server gives for refusing a connection.
_REMEDIES = {
    "password": "fix the connection's user and password",
    r"role .* does not exist": "fix the connection's user, or create the role",
    r"database .* does not exist": "fix the connection's database",
    r"pg_hba\.conf": "let this machine and user in there",
}
_UNAVAILABLE = ("08", "53", "57")  # classes of SQLSTATE: connection lost, out of resources, shut down


def read(contract: Contract, _data_source: Path, dsn: str | None) -> Iterator[Batch]:
    """Read a table, see `lumbung.sources.read`."""
    source = contract.source
    assert source is not None and source.table is not None  # validated with the contract
    columns = ", ".join(f'"{column.name}"::text AS "{column.name}"' for column in contract.business_columns)
    with closing(_connect(source, dsn)) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)})
        try:
            for setting in _SESSION:
                cursor.execute(setting)
            cursor.execute(f'SELECT {columns} FROM "{source.table}"')  # names come from the contract
            for rows in cursor.fetch_record_batch():
                if rows.num_rows:
                    yield _batch(contract, pa.RecordBatch.from_arrays(rows.columns, schema=schema(contract)))
        except Error as error:
            raise _refusal(contract, connection, error) from error
        except OSError as error:  # the stream broke half-way
            kind = SourceError if " ERROR: " in str(error) else SourceUnavailableError
            raise kind(
                f"reading stopped, {first_line(error)}",
                where=source.label,
                remedy="fix what the server reports, then run again",
            ) from error


def _connect(source: Source, dsn: str | None) -> dbapi.Connection:
    where = f"connection {source.connection}"
    if dsn is None:
        raise SourceError(
            "there is no such connection", where=where, remedy=f"set AIRFLOW_CONN_{str(source.connection).upper()}"
        )
    try:
        return dbapi.connect(dsn)
    except Error as error:
        message = str(error)
    # Raised outside of `except`, so that the traceback does not show the message, and with its end only: the message
    # may quote the address with its password.
    if reason := re.search(r"connection to server .*? failed: (?:FATAL: +)?(.*)", message):
        what = f"no connection, {reason[1]}"
        for pattern, remedy in _REMEDIES.items():
            if re.search(pattern, reason[1]):
                raise SourceError(what, where=where, remedy=remedy)
        raise SourceUnavailableError(
            what, where=where, remedy="start the server, or fix the connection's host and port"
        )
    if "could not translate host name" in message:
        raise SourceUnavailableError(
            "no connection, there is no such host", where=where, remedy="fix the connection's host"
        )
    raise SourceError(
        "no connection, its address cannot be understood",
        where=where,
        remedy="write it as postgresql://user:password@host:5432/database, with special characters percent-encoded",
    )


def _refusal(contract: Contract, connection: dbapi.Connection, error: Error) -> SourceError:
    assert contract.source is not None
    label, table = contract.source.label, contract.source.table
    match error.sqlstate:
        case "42P01":
            return SourceError("there is no such table", where=label, remedy="create it, or fix the contract's table")
        case "42703":
            connection.rollback()
            existing = connection.adbc_get_table_schema(table).names
            missing = [column.name for column in contract.business_columns if column.name not in existing]
            return SourceError(
                f"the table has no column {', '.join(missing)}",
                where=label,
                remedy=f"fix the table or the contract {contract.path.name}",
            )
        case "42501":
            return SourceError("permission denied", where=label, remedy=f"GRANT SELECT ON {table} to the user")
        case _:
            kind = SourceUnavailableError if (error.sqlstate or "08")[:2] in _UNAVAILABLE else SourceError
            return kind(f"the query failed, {first_line(error)}", where=label, remedy="fix what the server reports")


def _batch(contract: Contract, rows: pa.RecordBatch) -> Batch:
    reasons = faults(contract, rows)
    rejected = reasons.is_valid()
    rejects = [
        Reject.of(None, json.dumps(row, ensure_ascii=False).encode(), reason)
        for row, reason in zip(rows.filter(rejected).to_pylist(), reasons.drop_null().to_pylist(), strict=True)
    ]
    return Batch(rows.filter(reasons.is_null()), None, rejects)
