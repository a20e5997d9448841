"""Students in JSON: our reader, and our extract, beside DuckDB's `read_json`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from benchmarks.extract import PATHS
from benchmarks.files import files
from benchmarks.results import Measure, Took, in_turn
from benchmarks.span import report
from benchmarks.watch import program
from lumbung.catalog.contract import Catalog
from lumbung.core import day
from lumbung.pipeline.extract import extract
from lumbung.sources import read
from lumbung.storage.lake import FolderLake
from lumbung.systems.pinter_skuy.generate import ENROLLMENTS_PER, generate

TABLE = "staging.student"


def by_duckdb(source: Path, _folder: Path) -> int:
    """All columns as text, into Arrow batches."""
    query = f"SELECT * FROM {files(source)['student']}"
    return sum(batch.num_rows for batch in duckdb.sql(query).to_arrow_reader(100_000))


def by_reader(source: Path, _folder: Path) -> int:
    """Our batches, with the rejects beside them."""
    return sum(batch.rows.num_rows for batch in read(Catalog()[TABLE], data_source=source, dsn=None))


def by_extract(source: Path, folder: Path) -> int:
    """A snapshot in a lake: rows, rejects, repeats, manifest."""
    lake, now = FolderLake(folder.as_uri(), folder), datetime.now(UTC)
    taken, _ = extract(
        Catalog()[TABLE], day.today(), lake=lake, data_source=source, dsn=None, run_id="benchmark", started_at=now
    )
    return taken.rows_kept


WAYS = {"DuckDB's read_json": by_duckdb, "Lumbung's reader": by_reader, "Lumbung's extract": by_extract}


def measure(rows: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure each in a process of its own, taking turns."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        source = Path(name) / "sources"
        generate(source, enrollments=rows * ENROLLMENTS_PER["student"], seed=1)

        def run(what: str) -> Took:
            with tempfile.TemporaryDirectory(dir=name) as folder:
                return program(what, [sys.executable, "-m", "benchmarks.json_rows", what, source, folder], PATHS)

        took = in_turn({what: partial(run, what) for what in WAYS}, rounds, say)
    notes = ["All read all columns as text. DuckDB's rows and the reader's are Arrow batches that are dropped."]
    return [Measure(f"{rows:,} students in JSON", "the reader at most 1.6 x DuckDB's CPU", took, notes)]


if __name__ == "__main__":
    way, source, folder = sys.argv[1:]
    report(lambda: WAYS[way](Path(source), Path(folder)))
