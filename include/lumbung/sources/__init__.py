"""Sources: each kind's reader turns a source into batches of rows and rejects.

To add a kind of source: write a module with a `read`, enter it in `READERS` and in the contracts' `Kind`, and add it
to the suite in `tests/lumbung/sources/test_sources.py`, which every reader passes.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa

from lumbung.catalog.contract import Contract
from lumbung.core.errors import SourceError

MAX_RAW = 10_000
# Of the Parquet files that keep rejects.
REJECT_SCHEMA = pa.schema([("line", pa.int64()), ("raw", pa.string()), ("reason", pa.string())])

# Modules by name, so that reading a CSV file does not import a database driver.
READERS = {
    "csv": "lumbung.sources.csv_file",
    "json": "lumbung.sources.json_file",
    "postgres": "lumbung.sources.postgres",
    "xlsx": "lumbung.sources.xlsx_file",
}


@dataclass(frozen=True)
class Reject:
    """A row that cannot be read by its contract.

    Attributes:
        line: 1-based line of the file the row starts on, or row of the sheet; None where rows have no line.
        raw: the row as it stands in the source, at most `MAX_RAW` characters.
        reason: why it was rejected.
        key: the texts of its key columns, None where one is null, blank or unreadable; None: it has no such columns.
        loses_row: whether a row of the source is missing because of it; an identical repeat is not.
    """

    line: int | None
    raw: str
    reason: str
    key: Mapping[str, str | None] | None = None
    loses_row: bool = True

    @classmethod
    def of(cls, line: int | None, raw: bytes, reason: str, key: Mapping[str, str | None] | None = None) -> Self:
        """A reject whose raw text is valid UTF-8 of bounded length, whatever the source holds.

        Args:
            line: 1-based line of the file the row starts on; None where rows have no line.
            raw: the row's bytes; those that are not UTF-8 are escaped.
            reason: why it was rejected.
            key: its key, as far as it can be read.
        """
        text = raw.decode("utf-8", "backslashreplace")
        if len(text) > MAX_RAW:
            text = text[: MAX_RAW - 1] + "…"
        return cls(line, text, reason, key)


@dataclass(frozen=True)
class Batch:
    """Some rows of a source: rows read = rows kept + rejects.

    Attributes:
        rows: the business columns in the contract's order, all STRING.
        lines: 1-based line of the file each row starts on, or row of the sheet; None where rows have no line.
        rejects: the rows that were left out, in the source's order.
        note: what a person should know about the source's rows.
    """

    rows: pa.RecordBatch
    lines: list[int] | None
    rejects: list[Reject]
    note: str = ""


def is_absent(contract: Contract, data_source: Path) -> bool:
    """Whether the file of an optional source is missing, which counts as no rows."""
    source = contract.source
    if source is None or not source.optional or source.path is None:
        return False
    try:
        (data_source / source.path).lstat()
    except FileNotFoundError:
        return True
    except OSError:
        pass  # reading it says what is wrong
    return False


def read(contract: Contract, *, data_source: Path, dsn: str | None) -> Iterator[Batch]:
    """Read a contract's source, batch by batch; a source without rows yields none, or one that has a note.

    Args:
        contract: a staging table's contract.
        data_source: folder of the files.
        dsn: address of the source database, see `lumbung.sources.address`; only a `postgres` source needs it.

    Raises:
        SourceError: the source cannot be read as a whole. It may come after some batches, so nothing read is
            to be kept before the last batch.
    """
    if contract.source is None:
        raise SourceError("the contract names no source", where=str(contract.path), remedy="add a source: block")
    reader = importlib.import_module(READERS[contract.source.kind])
    yield from reader.read(contract, data_source, dsn)
