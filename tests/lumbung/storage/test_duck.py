"""How Parquet files are read: the file's own columns, whatever the path looks like."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.core.settings import ROOT
from lumbung.storage.duck import engine, parquet

SQL_READER = re.compile(r"\bread_(parquet|csv|json)\w*\([\[']*\{")


def test_a_path_gives_no_columns_and_is_no_pattern(tmp_path: Path) -> None:
    for name in ("[ab]*?", "axx"):
        folder = tmp_path / "dt=2020-01-01" / "x=1" / name
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"dt": [name]}), folder / "f.parquet")
    with engine(tmp_path) as db:
        found = db.sql(f"FROM {parquet(tmp_path / 'dt=2020-01-01/x=1/[ab]*?/f.parquet')}")
        assert found.columns == ["dt", "file_row_number"]
        assert found.fetchall() == [("[ab]*?", 0)]


def test_nobody_reads_files_by_an_engine_that_takes_columns_from_the_path() -> None:
    faults = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for room in ("benchmarks", "include", "plugins", "services", "tools")
        for file in (ROOT / room).rglob("*.py")
        for line in file.read_text().splitlines()
        if SQL_READER.search(line) and "hive_partitioning = false" not in line
    ]
    assert not faults
