"""Airflow's API server, scheduler and DAG processor on a laptop: started, watched, ended, and found by other commands.

`airflow/stack.json` in the home folder names the processes, for the next command to end them if this one is killed.
`up.json` names the address of `lumbung up`; `up.lock` is held by it alone for as long as it runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lumbung.core.errors import LumbungError
from lumbung.core.locks import locked
from lumbung.local import place, processes
from lumbung.local.airflow_environment import HOST, PORT_VARIABLE, USER, airflow_secrets, program
from lumbung.local.processes import Process

COMPONENTS = {
    "api-server": ["api-server"],
    # Its log server would need a port of its own; the API server reads the same folder.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
TASK_SECONDS = 6.0
STOP_SECONDS = 2.0
LOCK_ATTEMPTS = 10
LOCK_SECONDS = 0.1


@dataclass(frozen=True)
class Address:
    """Where an Airflow's API answers, without a path, and the login for it."""

    url: str
    user: str
    password: str


class Stack:
    """Airflow's components, as children of this process.

    Args:
        env: their environment, from `airflow_environment.environment`.
        home: the folder of all local state.
    """

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        self.env, self.home = env, home
        self.address = Address(f"http://{HOST}:{env[PORT_VARIABLE]}", USER, airflow_secrets(home)["password"])
        self._running: dict[str, subprocess.Popen[str]] = {}

    def launch(self, name: str) -> None:
        """Start a component; it may not work yet.

        Args:
            name: one of `COMPONENTS`.
        """
        command = [program(), *COMPONENTS[name]]
        process = processes.start(command, env=self.env, log=self._log(name), dies_with_parent=True)
        self._running[name] = process
        pid_file = _pid_file(self.home)
        leaders = {**processes.read_json(pid_file), name: Process.of(process.pid).to_dict()}
        processes.write_json(pid_file, leaders)

    def check(self) -> None:
        """Check that no component has ended.

        Raises:
            LumbungError: one has; the message holds the end of its log.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise processes.error_with_log(
                    f"Airflow's {name} ended with status {process.returncode}", self._log(name), "start it again"
                )

    def stop(self) -> None:
        """End the components and all processes that they started."""
        end_leftovers(self.home)
        for process in self._running.values():
            process.wait()
        self._running.clear()

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"


def end_leftovers(home: Path) -> None:
    """End the components that the last stack of this home started, if any are left.

    Args:
        home: the folder of all local state.
    """
    pid_file = _pid_file(home)
    leaders = {name: Process(**leader) for name, leader in processes.read_json(pid_file).items()}
    # The scheduler first: once interrupted, it waits for its tasks, which clean up and report how they ended to the API
    # server. Ending both at the same time would leave those tasks waiting for an answer until they are killed.
    if scheduler := leaders.pop("scheduler", None):
        processes.end_sessions([scheduler], grace=TASK_SECONDS)
    processes.end_sessions(leaders.values(), grace=STOP_SECONDS)
    pid_file.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Be the only `lumbung up` of a home.

    Args:
        home: the folder of all local state.

    Raises:
        LumbungError: another one is up; the message gives its address.
    """
    for attempt in range(LOCK_ATTEMPTS):
        with contextlib.ExitStack() as lock:
            try:
                lock.enter_context(locked(home / "up.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                if attempt < LOCK_ATTEMPTS - 1:  # `address_of_up` of another command holds the lock for a moment
                    time.sleep(LOCK_SECONDS)
                    continue
                url = processes.read_json(_up_file(home)).get("url", "its address comes when it has started")
                raise LumbungError(
                    f"Airflow is up already: {url}", where=str(home), remedy="use it, or stop it with Ctrl-C"
                ) from None
            yield
            return


@contextlib.contextmanager
def announced(home: Path, address: Address) -> Iterator[None]:
    """Let other commands of a home find this process's Airflow.

    Args:
        home: the folder of all local state.
        address: where it answers.
    """
    processes.write_json(_up_file(home), {**asdict(address), **Process.of(os.getpid()).to_dict()})
    try:
        yield
    finally:
        _up_file(home).unlink(missing_ok=True)


def address_of_up(home: Path) -> Address | None:
    """Where the `lumbung up` of a home answers.

    Args:
        home: the folder of all local state.

    Returns:
        None when none runs, or it has not started yet. What a killed one left running is ended.
    """
    place.settle(home)
    try:
        # Getting the lock proves that no `up` is alive: what the files name is left from a killed one. It is a shared
        # lock, so that two commands that look at the same time do not take each other for an `up`.
        with locked(home / "up.lock", fcntl.LOCK_SH | fcntl.LOCK_NB):
            _up_file(home).unlink(missing_ok=True)
            end_leftovers(home)
            return None
    except BlockingIOError:
        up = processes.read_json(_up_file(home))
        return Address(up["url"], up["user"], up["password"]) if up else None


def _pid_file(home: Path) -> Path:
    return home / "airflow" / "stack.json"


def _up_file(home: Path) -> Path:
    return home / "up.json"
