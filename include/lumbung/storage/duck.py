"""DuckDB as an engine for Parquet files on local disk, and how such a file is put into the lake."""

from __future__ import annotations

import glob
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from lumbung.storage.lake import Lake, sha256
from lumbung.storage.manifest import DataFile

MEMORY_LIMIT = "96MB"  # more makes it no faster: measured with ten million rows


def engine(folder: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory engine that spills to `folder`."""
    return duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(folder / "spill")})


def quote(name: str) -> str:
    """A quoted identifier of the engine."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A quoted string of the engine."""
    return "'" + str(value).replace("'", "''") + "'"


def parquet(file: Path) -> str:
    """The engine's table of a Parquet file, with `file_row_number`: the one way by which a file is read here.

    Left to itself, the engine takes a path for a pattern, and each folder `key=value` in it for a column, which
    replaces the file's own of that name.
    """
    return f"read_parquet({literal(glob.escape(str(file)))}, file_row_number = true, hive_partitioning = false)"


def store(lake: Lake, file: Path, path: str) -> DataFile:
    """Move a Parquet file into the lake.

    Args:
        lake: the lake.
        file: the local file; it is gone afterwards.
        path: where it goes in the lake.
    """
    rows, size, checksum = pq.read_metadata(file).num_rows, file.stat().st_size, sha256(file)
    lake.put(file, path)
    return DataFile(path=path, rows=rows, bytes=size, sha256=checksum)
