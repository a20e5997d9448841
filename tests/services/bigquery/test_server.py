import os
import signal
import socket
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from google.api_core.exceptions import ClientError
from google.cloud import bigquery

from lumbung.local.bigquery import PYTHON, PYTHONPATH
from support.bigquery_client import connect, ids, load
from support.bigquery_process import start_and_wait


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_soon_and_keeps_what_was_committed(start_bigquery: Any, tmp_path: Path, number: int) -> None:
    process, url = start_bigquery(tmp_path / "data")
    client = connect(url)
    client.create_dataset("d")
    load(client, "d.t$20260101", [("a", "2026-01-01")])
    client.query("SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) x, UNNEST(GENERATE_ARRAY(1, 1000000)) y")
    started = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=10) == 0
    assert time.monotonic() - started < 15
    assert ids(connect(start_bigquery(tmp_path / "data")[1]), "d.t") == "1:a"


NO_HOME = """
import os, pwd, sys
from pathlib import Path
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
from bigquery import server
server.link_extensions(Path(sys.argv[1]))
print(os.environ.get("XDG_CACHE_HOME"))
"""


@pytest.mark.parametrize("cache", ["", "/cache"])
def test_a_user_without_a_home_can_start_it(tmp_path: Path, cache: str) -> None:
    environ = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    environ |= {"PYTHONPATH": PYTHONPATH} | ({"XDG_CACHE_HOME": cache} if cache else {})
    command = [str(PYTHON), "-P", "-c", NO_HOME, str(tmp_path)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"{cache or None}\n"


def test_a_taken_port_is_one_line(start_bigquery: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = start_and_wait("--port", port, "--data-dir", tmp_path / "d")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"Cannot listen on 127.0.0.1:{port} (Address already in use): stop what holds it, or change the port"
    ]


def test_a_data_folder_in_use_is_one_line(start_bigquery: Any, tmp_path: Path) -> None:
    start_bigquery(tmp_path / "data")
    ended = start_and_wait("--port", "0", "--data-dir", tmp_path / "data")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "Cannot open" in ended.stderr


def test_a_quote_in_the_path_is_one_line(tmp_path: Path) -> None:
    ended = start_and_wait("--port", "0", "--data-dir", tmp_path / "it's" / "data")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"Cannot open {tmp_path}/it's/data: there is a ' in the path; rename that folder, or use another"
    ]


def test_it_listens_on_loopback_only(bigquery_server: str) -> None:
    port = int(bigquery_server.rsplit(":", 1)[1])
    pid = next(c.pid for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == psutil.CONN_LISTEN)
    heard = {c.laddr for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert heard == {("127.0.0.1", port)}


def test_the_home_folder_stays_empty(start_bigquery: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    start_bigquery(tmp_path / "data")
    assert list(home.iterdir()) == []


def test_a_job_id_is_taken_once(client: bigquery.Client) -> None:
    name = uuid.uuid4().hex

    def submit(_: int) -> str:
        try:
            client.query("SELECT 1", job_id=name, job_retry=None)
        except ClientError as error:
            return type(error).__name__
        return "taken"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(submit, range(4))) == ["Conflict", "Conflict", "Conflict", "taken"]
