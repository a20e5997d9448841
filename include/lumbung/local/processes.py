"""Processes that Lumbung starts, finds again and ends.

Every process started here leads a session of its own. A session outlives its leader, and none of the programs that
run here moves its children to other sessions. So a session's members are all that its leader has started, also
Airflow's tasks: those are moved to process groups of their own, so killing the leader's process group would miss them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from lumbung.core.errors import LumbungError

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Process:
    """A process, identified by its pid and the time it was created: the pid alone may have been given out again."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this number now.

        Raises:
            psutil.NoSuchProcess: there is none.
        """
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Process | None:
        """The process that a pid file names; None when it names none."""
        return cls(content["pid"], content["created"]) if content.get("pid") else None

    def to_dict(self) -> dict[str, Any]:
        """What a pid file holds of the process."""
        return asdict(self)

    @property
    def is_alive(self) -> bool:
        """Whether it runs; one that ended and was not waited for does not."""
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def start(
    command: list[str],
    *,
    env: Mapping[str, str],
    log: Path,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    keep: Iterable[int] = (),
    dies_with_parent: bool = False,
) -> subprocess.Popen[str]:
    """Start a process in a session of its own.

    Args:
        command: program and arguments.
        env: its whole environment.
        log: file that takes its output; what was in it is dropped.
        stdin: where its standard input comes from.
        stdout: where its standard output goes instead.
        keep: file descriptors it gets too.
        dies_with_parent: on Linux, interrupt it when the calling thread ends, also by a kill.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        return subprocess.Popen(
            command,
            env=env,
            stdin=stdin,
            stdout=output if stdout is None else stdout,
            stderr=output,
            text=True,
            pass_fds=tuple(keep),
            start_new_session=True,
            preexec_fn=_die_with_parent() if dies_with_parent and sys.platform == "linux" else None,
        )


def _die_with_parent() -> Callable[[], None]:
    libc, parent = ctypes.CDLL(None), os.getpid()

    def between_fork_and_exec() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit it as ignored
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # the parent died before the line above, so no signal will come
            os._exit(1)

    return between_fork_and_exec


def members(session: int) -> list[psutil.Process]:
    """The living processes of a session."""
    living = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living


def end_sessions(leaders: Iterable[Process], *, grace: float) -> None:
    """Interrupt sessions' leaders, and kill all that is left of the sessions after `grace` seconds.

    The signal is SIGINT, since Airflow's tasks do not end on SIGTERM. Only the leaders get it; they end their children.

    Args:
        leaders: the sessions' leaders; those that have ended may have members that live on.
        grace: seconds that the leaders and their members have to end.
    """
    leaders = list(leaders)
    for leader in leaders:
        if leader.is_alive:
            os.kill(leader.pid, signal.SIGINT)
    deadline = time.monotonic() + grace
    while left := [process for leader in leaders for process in _members(leader)]:
        if time.monotonic() > deadline:
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        time.sleep(0.05)


def _members(leader: Process) -> list[psutil.Process]:
    # The kernel does not give a session's number out again as a pid while a member lives. So if another process has the
    # leader's pid now, no member is left, and a session of that number is not ours to kill.
    if psutil.pid_exists(leader.pid) and not leader.is_alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(leader.pid).create_time() != leader.created:
                return []
    return members(leader.pid)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM unwind the program as Ctrl-C does, so that what was started is stopped; its exit status is 143."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def leave(_number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def is_free(port: int) -> bool:
    """Whether a server may listen on 127.0.0.1 at this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(wanted: int = 0) -> int:
    """The wanted port if it is free, else any free one of 127.0.0.1."""
    if wanted and is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_json(path: Path) -> dict[str, Any]:
    """A file written by `write_json`; empty when there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content))
    part.replace(path)


def error_with_log(what: str, log: Path, remedy: str) -> LumbungError:
    """The error of a process that did not start or ended unexpectedly.

    Args:
        what: what happened; the last lines of the log are put below it.
        log: the process's log.
        remedy: what to do about it.
    """
    tail = log.read_text(errors="replace").strip().splitlines()[-15:] if log.exists() else []
    return LumbungError("\n".join([what, *tail]), where=str(log), remedy=remedy)
