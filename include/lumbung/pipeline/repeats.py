"""Keys that more than one row may have, found by a hash of each key while the rows are read.

Hashes are eight bytes a row and repeat hardly ever by chance, so that only rows whose hashes repeat need be compared in
full, and rows without repeats are not read again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lumbung.storage.duck import quote

Hashes = NDArray[np.uint64]

RUN_ROWS = 1 << 20
_RANGES = 256
_STARTS = np.arange(_RANGES, dtype=np.uint64) << np.uint64(56)


class KeyHashes:
    """The hash of each row's key; leaving its `with` closes its file.

    They are sorted in runs of bounded length, which are kept on local disk, so that memory does not grow with the rows.

    Args:
        db: the engine, whose `hash` it is.
        key: the columns.
        folder: a local folder.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, key: list[str], folder: Path) -> None:
        self._db = db
        self.expression = f"hash({', '.join(map(quote, key))})"
        self._file = (folder / "hashes").open("w+b")
        self._parts: list[Hashes] = []
        self._rows = 0
        # Where the hashes of each range start in each run, in hashes of the file; one more says where the run ends.
        self._runs: list[NDArray[np.int64]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: pa.RecordBatch) -> None:
        """Hash the next rows."""
        hashes = self._db.from_arrow(rows).project(self.expression).to_arrow_table()
        self._parts.append(hashes.column(0).to_numpy())
        self._rows += rows.num_rows
        if self._rows >= RUN_ROWS:
            self._end_run()

    def repeated(self) -> Hashes:
        """The hashes that more than one row has, each once."""
        if not self._runs:  # all are in memory yet
            return _repeated(self._parts)
        self._end_run()
        self._file.flush()
        found = []
        for number in range(_RANGES):
            parts = []
            for starts in self._runs:
                start, end = starts[number : number + 2]
                self._file.seek(start * 8)
                parts.append(np.frombuffer(self._file.read((end - start) * 8), np.uint64))
            found.append(_repeated(parts))
        return np.concatenate(found)

    def _end_run(self) -> None:
        if not self._rows:
            return
        run = np.concatenate(self._parts)
        run.sort()
        before = self._runs[-1][-1] if self._runs else 0
        self._runs.append(before + np.append(np.searchsorted(run, _STARTS), len(run)))
        self._file.write(run.data)
        self._parts, self._rows = [], 0


def _repeated(parts: list[Hashes]) -> Hashes:
    """The values that come more than once, each once."""
    if not parts:
        return np.empty(0, np.uint64)
    hashes = np.concatenate(parts)
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
