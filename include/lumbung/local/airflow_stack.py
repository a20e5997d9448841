"""Airflow's components on a laptop: started, watched, ended, and found by other commands.

`airflow/stack.json` in the home folder names the processes, for the next command to end them if this one is killed.
`up.json` names the address of `lumbung up`. A command with a scheduler holds `up.lock` alone for as long as it runs,
a run without one shares it: a scheduler takes part in every run that it finds in Airflow's database.
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
from typing import IO

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
    # No task defers; but without one, Airflow's home page shows a red triggerer.
    "triggerer": ["triggerer", "--skip-serve-logs"],
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
    """Be the only command of a home that has a scheduler, beside no run that has none.

    Args:
        home: the folder of all local state.

    Raises:
        LumbungError: another command runs DAGs; the message gives the address of an `up`.
    """
    for attempt in range(LOCK_ATTEMPTS):
        with contextlib.ExitStack() as lock:
            try:
                lock.enter_context(locked(home / "up.lock", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                if attempt < LOCK_ATTEMPTS - 1:  # `address_of_up` of another command holds the lock for a moment
                    time.sleep(LOCK_SECONDS)
                    continue
                raise _busy(home) from None
            _up_file(home).unlink(missing_ok=True)  # left from a killed one
            yield
            return


@contextlib.contextmanager
def without_scheduler(home: Path) -> Iterator[IO[str]]:
    """Keep schedulers off a home while a run works without one.

    Args:
        home: the folder of all local state.

    Yields:
        The lock, for the run's process to inherit.

    Raises:
        LumbungError: a command with a scheduler runs.
    """
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(locked(home / "up.lock", fcntl.LOCK_SH | fcntl.LOCK_NB))
        except BlockingIOError:
            raise _busy(home) from None
        yield lock


def _busy(home: Path) -> LumbungError:
    if url := processes.read_json(_up_file(home)).get("url"):
        return LumbungError(f"Airflow is up already: {url}", where=str(home), remedy="use it, or stop it with Ctrl-C")
    return LumbungError(
        "another command runs DAGs on this home, or `lumbung up` is still starting",
        where=str(home),
        remedy="wait until it has ended or started; commands beside `lumbung up` run at the same time",
    )


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
        None when none runs. What a killed one left running is ended.

    Raises:
        LumbungError: another command's scheduler runs, or an `up` has not started yet.
    """
    place.settle(home)
    try:
        # Getting the lock proves that no scheduler is alive: what the files name is left from a killed one. It is a
        # shared lock, so that two commands that look at the same time do not take each other for one with a scheduler.
        with locked(home / "up.lock", fcntl.LOCK_SH | fcntl.LOCK_NB):
            _up_file(home).unlink(missing_ok=True)
            end_leftovers(home)
            return None
    except BlockingIOError:
        up = processes.read_json(_up_file(home))
        if not up:
            raise _busy(home) from None
        return Address(up["url"], up["user"], up["password"])


def _pid_file(home: Path) -> Path:
    return home / "airflow" / "stack.json"


def _up_file(home: Path) -> Path:
    return home / "up.json"
