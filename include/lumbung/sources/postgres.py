"""PostgreSQL tables and queries, streamed over ADBC as text columns."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import StatementOptions, dbapi

from lumbung.catalog.contract import Contract
from lumbung.sources import Batch, Reject
from lumbung.sources.postgres_errors import broken_stream, refusal
from lumbung.sources.postgres_session import connect, is_partial, prepare, select
from lumbung.sources.rows import faults, key_of, schema

_BATCH_BYTES = 7 << 20  # some 90,000 rows of two ids: a tenth less time than 4 MB, and little more memory

PARTIAL = "row-level security hides rows from the user: what is read is a part (row_security: allow)"


def read(contract: Contract, _data_source: Path, dsn: str | None) -> Iterator[Batch]:
    """Read a table or a query, see `lumbung.sources.read`."""
    source = contract.source
    assert source is not None
    with closing(connect(source.connection, dsn)) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)})
        try:
            if note := _execute(connection, cursor, contract):
                yield Batch(pa.RecordBatch.from_pylist([], schema(contract)), None, [], note)
            with closing(_read_ahead(cursor.fetch_record_batch())) as batches:
                for rows in batches:
                    if rows.num_rows:
                        yield _batch(contract, pa.RecordBatch.from_arrays(rows.columns, schema=schema(contract)))
        except Error as error:
            raise refusal(contract, connection, error) from error
        except OSError as error:
            raise broken_stream(source.label, error) from error


def _execute(connection: dbapi.Connection, cursor: dbapi.Cursor, contract: Contract) -> str:
    """Start the query; what must be noted about its rows."""
    assert contract.source is not None
    prepare(cursor, row_security="off")
    try:
        cursor.execute(select(contract))
    except Error as error:
        if contract.source.row_security != "allow" or not is_partial(connection, contract, error):
            raise
        prepare(cursor, row_security="on")
        cursor.execute(select(contract))
        return PARTIAL
    return ""


def _read_ahead(reader: pa.RecordBatchReader) -> Generator[pa.RecordBatch]:
    """The batches of a reader; the next one is read, without Python's lock, while one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, reader, None)
        while (rows := coming.result()) is not None:
            coming = pool.submit(next, reader, None)
            yield rows


def _batch(contract: Contract, rows: pa.RecordBatch) -> Batch:
    reasons = faults(contract, rows)
    if reasons.null_count == rows.num_rows:
        return Batch(rows, None, [])
    rejected = reasons.is_valid()
    rejects = [
        Reject.of(None, json.dumps(row, ensure_ascii=False).encode(), reason, key_of(contract, list(row.values())))
        for row, reason in zip(rows.filter(rejected).to_pylist(), reasons.drop_null().to_pylist(), strict=True)
    ]
    return Batch(rows.filter(reasons.is_null()), None, rejects)
