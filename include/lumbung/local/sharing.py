"""Servers that all commands of one home folder share: started by the first one, stopped by the last.

Each command holds a shared flock on `<name>.lock` for as long as it uses the servers. A command that starts or stops
them also holds `<name>.gate.lock` alone, so that none starts what another one is stopping. The kernel drops the locks
of a killed command: its servers keep running until the next command, which uses them and stops them.

The names of the lock files must stay as they are, and those of the pid files in a home folder (`*.json`), too: commands
of an older checkout on the same home take the same locks and read the same files.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

from lumbung.core.locks import locked
from lumbung.local import place, processes


@contextlib.contextmanager
def shared(home: Path, name: str, *, start: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Have the servers running.

    Args:
        home: the folder of all local state.
        name: the lock's name.
        start: starts those servers that do not run, and waits until they answer, unless the caller does that later.
        stop: stops those that run.
    """
    place.settle(home)
    with processes.terminable(), locked(home / f"{name}.lock", fcntl.LOCK_SH) as users:
        try:
            with gate(home, name):
                start()
            yield
        finally:
            # Turning the shared lock into an exclusive one is refused while another command holds it. A refusal drops
            # the shared lock, too (see flock(2)), so of commands that end together, the last one through the gate stops
            # the servers.
            with gate(home, name), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stop()


@contextlib.contextmanager
def gate(home: Path, name: str) -> Iterator[None]:
    """Be the only command that starts or stops the servers, or waits for them.

    Args:
        home: the folder of all local state.
        name: the lock's name.
    """
    with locked(home / f"{name}.gate.lock", fcntl.LOCK_EX):
        yield


def in_use(home: Path, name: str, *, stop: Callable[[], None]) -> bool:
    """Whether a command uses the servers; those that a killed command left running are stopped.

    Args:
        home: the folder of all local state.
        name: the lock's name.
        stop: stops the servers that run.
    """
    place.settle(home)
    try:
        with locked(home / f"{name}.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            stop()
            return False
    except BlockingIOError:
        return True
