"""The data folder of a server that was moved or copied."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from google.cloud import bigquery

from support.bigquery_client import connect, copy, ids, load, query, rows_of

LARGE = "SELECT id, GENERATE_UUID() AS code FROM UNNEST(GENERATE_ARRAY(1, 60000)) AS id"
SUMS = "SELECT COUNT(*), MIN(code) FROM d."


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """The size and the time of each file."""
    return {str(file.relative_to(folder)): (file.stat().st_size, file.stat().st_mtime_ns)
            for file in folder.rglob("*") if file.is_file()}  # fmt: skip


def write_all(client: bigquery.Client) -> None:
    """Write by each kind of job, and delete what they replace."""
    load(client, "d.t$20260102", [("c", "2026-01-02")])
    query(client, LARGE, "d.large")
    copy(client, "local.d.large", "local.d.shared")


def test_a_data_folder_that_was_moved_or_copied_is_whole_and_its_own(start_bigquery: Any, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    process, url = start_bigquery(tmp_path / "old" / "data")
    client = connect(url)
    client.create_dataset("d")
    load(client, "d.t$20260101", [("a", "2026-01-01")])
    query(client, LARGE, "d.large")
    copy(client, "local.d.large", "local.d.shared")
    large = rows_of(client.query_and_wait(f"{SUMS}large"))
    client.query_and_wait("DELETE FROM d.large WHERE id = 1")
    client.delete_table("d.large")
    process.kill()
    process.wait()

    shutil.move(tmp_path / "old", tmp_path / "new")
    shutil.copytree(tmp_path / "new", tmp_path / "copy", symlinks=True)
    before = contents(tmp_path / "new")
    for folder in ("copy", "new"):
        process, url = start_bigquery(tmp_path / folder / "data")
        client = connect(url)
        assert ids(client, "d.t") == "1:a"
        assert rows_of(client.query_and_wait(f"{SUMS}shared")) == large
        write_all(client)
        large_file = next(iter(sorted((tmp_path / folder / "data" / "local" / "d" / "large").rglob("*.parquet"))))
        assert pq.read_metadata(large_file).row_group(0).column(0).compression == "UNCOMPRESSED"
        assert ids(client, "d.t") == "1:a 2:c"
        assert rows_of(client.query_and_wait(f"{SUMS}shared"))[0][0] == 60000
        process.kill()
        process.wait()
        if folder == "copy":
            assert contents(tmp_path / "new") == before
            shutil.rmtree(tmp_path / "copy")
    assert not (tmp_path / "old").exists()
