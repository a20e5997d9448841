"""Where a home folder is, and what follows when it was moved or copied.

The files of a home that name processes (`*.json`, PostgreSQL's `postmaster.pid`) go with it. Those of a copy name the
processes of the original, which a command on the copy must neither use nor end. So each home records its path in
`place.json`; where the record is another path, the home is a copy if that path is still there, and was moved if not.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from lumbung.core.locks import locked
from lumbung.local import processes
from lumbung.local.processes import Process

PID_FILES = ("bigquery.json", "kafka.json", "up.json", "airflow/stack.json", "airflow/runs/*.json")
POSTGRES_LOCK = "postgres/postmaster.pid"
STOP_SECONDS = 10.0
# Homes from before the record: what servers and Airflow wrote when they last started there.
OLDER_RECORDS = {
    "airflow/airflow.cfg": re.compile(r"^plugins_folder = (.+)/airflow/plugins$", re.MULTILINE),
    "kafka/server.properties": re.compile(r"^log\.dirs=(.+)/kafka/topics$", re.MULTILINE),
}


def settle(home: Path) -> None:
    """Make a home that was moved or copied a home of its own, before anything in it names a process.

    Processes of a home that was moved away from under them are ended; those of a copy's original are forgotten.

    Args:
        home: the folder of all local state.
    """
    with locked(home / "place.lock", fcntl.LOCK_EX):
        previous = _recorded(home)
        if previous == home:
            return
        if previous and not (previous.exists() and previous.samefile(home)):
            if not previous.exists():
                processes.end_sessions(_leaders(home), grace=STOP_SECONDS)
            _forget_processes(home)
        processes.write_json(home / "place.json", {"home": str(home)})


def _recorded(home: Path) -> Path | None:
    if recorded := processes.read_json(home / "place.json"):
        return Path(recorded["home"])
    for name, pattern in OLDER_RECORDS.items():
        with contextlib.suppress(FileNotFoundError):
            if found := pattern.search((home / name).read_text(errors="replace")):
                return Path(found[1])
    return None


def _pid_files(home: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for pattern in PID_FILES:
        for file in home.glob(pattern):
            if file.stat().st_size:
                yield file, json.loads(file.read_text())


def _leaders(home: Path) -> list[Process]:
    entries = [entry for _, content in _pid_files(home) for entry in (content, *content.values())]
    leaders = [leader for entry in entries if isinstance(entry, dict) and (leader := Process.from_dict(entry))]
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pid, _, started = (home / POSTGRES_LOCK).read_text().splitlines()[:3]
        server = Process.of(int(pid))
        leaders += [server] if abs(server.created - int(started)) < 5 else []
    return leaders


def _forget_processes(home: Path) -> None:
    for file, content in _pid_files(home):
        entries = [entry for entry in (content, *content.values()) if isinstance(entry, dict) and "created" in entry]
        for entry in entries:
            entry["created"] = 0.0  # the time of no process
        processes.write_json(file, content)
    (home / POSTGRES_LOCK).unlink(missing_ok=True)
