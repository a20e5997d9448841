"""The files of batches: the same rows give the same bytes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from lumbung.storage import duck
from lumbung.storage.lake import Lake, sha256
from lumbung.storage.manifest import DataFile
from lumbung.systems.stream_models.feed import ACTIVITY_SCHEMA
from lumbung.systems.stream_models.unread import READ_ROWS, opened

GROUP_ROWS = 1 << 15


class BatchFile:
    """A Parquet file that is written bit by bit, on local disk until it is complete.

    Row groups have the same rows however the rows come.

    Args:
        folder: a local folder, for this file only as long as it is written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "batch.parquet"
        self.rows = 0
        self._writer = pq.ParquetWriter(self.path, ACTIVITY_SCHEMA, compression="zstd")
        self._held: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        self.rows += rows.num_rows
        self._held.append(rows)
        if sum(table.num_rows for table in self._held) >= GROUP_ROWS:
            table = pa.concat_tables(self._held)
            while table.num_rows >= GROUP_ROWS:
                self._write(table.slice(0, GROUP_ROWS))
                table = table.slice(GROUP_ROWS)
            self._held = [table]

    def store(self, lake: Lake, folder: str) -> DataFile:
        """Complete the file, and move it into a folder of the lake under a name made of its content."""
        self._write(pa.concat_tables(self._held))
        self._writer.close()
        return duck.store(lake, self.path, f"{folder}/{sha256(self.path)[:12]}.parquet")

    def _write(self, table: pa.Table) -> None:
        if table.num_rows:
            # Chunks would show in the file's pages.
            self._writer.write_table(table.combine_chunks(), row_group_size=GROUP_ROWS)


def store_csv(lake: Lake, file: DataFile, folder: Path) -> DataFile:
    """Put a batch's file into the lake once more as CSV.

    Args:
        lake: the lake.
        file: the Parquet file.
        folder: a local folder.
    """
    path = folder / "batch.csv"
    with (
        opened(lake, file.path) as parquet,
        pc.CSVWriter(path, parquet.schema_arrow) as writer,
    ):
        for batch in parquet.iter_batches(READ_ROWS):
            writer.write_batch(batch)
    size, checksum = path.stat().st_size, sha256(path)
    target = f"{file.path.rpartition('/')[0]}/{checksum[:12]}.csv"
    lake.put(path, target)
    return DataFile(path=target, rows=file.rows, bytes=size, sha256=checksum)
