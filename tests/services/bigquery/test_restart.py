"""The server starts itself again after many jobs, and its clients do not notice."""

import concurrent.futures
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import requests
from google.cloud import bigquery

from support.bigquery_client import connect, load, query, rows_of, session_config


def was_started_again(process: subprocess.Popen[bytes]) -> bool:
    return "--listener" in psutil.Process(process.pid).cmdline()


def test_clients_do_not_notice_that_it_starts_again(start_bigquery: Any, tmp_path: Path) -> None:
    process, url = start_bigquery(tmp_path / "data", "--jobs-per-start", "5")
    connect(url).create_dataset("d")

    def work(name: str) -> None:
        client = connect(url)
        for number in range(6):
            load(client, f"d.{name}$20260101", [(f"id{number}", "2026-01-01")])
            query(client, f"SELECT id, {number} AS n FROM d.{name}", f"d.{name}_built")
            assert rows_of(client.query_and_wait(f"SELECT id, n FROM d.{name}_built")) == [(f"id{number}", number)]

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        list(threads.map(work, ["a", "b"]))
    assert was_started_again(process)
    assert len(psutil.Process(process.pid).open_files()) < 15  # none stays open through the starts


def test_it_waits_for_the_end_of_uploads_and_sessions(start_bigquery: Any, tmp_path: Path) -> None:
    process, url = start_bigquery(tmp_path / "data", "--jobs-per-start", "1")
    client = connect(url)
    client.create_dataset("d")
    target = {"projectId": "local", "datasetId": "d", "tableId": "t"}
    schema = {"fields": [{"name": "x", "type": "INTEGER"}]}
    begun = requests.post(
        f"{url}/upload/bigquery/v2/projects/local/jobs?uploadType=resumable",
        json={"configuration": {"load": {"destinationTable": target, "sourceFormat": "CSV", "schema": schema}}},
        timeout=60,
    )
    assert rows_of(client.query_and_wait("SELECT 1")) == [(1,)]
    assert not was_started_again(process)
    requests.put(begun.headers["Location"], data=b"6\n", timeout=60).raise_for_status()
    deadline = time.monotonic() + 60
    while not was_started_again(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert was_started_again(process)
    assert rows_of(client.query_and_wait("SELECT x FROM d.t")) == [(6,)]

    first = client.query("SELECT 1", bigquery.QueryJobConfig(create_session=True)).result(timeout=60)
    config = session_config(client, first)
    for number in range(3):
        assert rows_of(client.query(f"SELECT {number}", config).result(timeout=60)) == [(number,)]
