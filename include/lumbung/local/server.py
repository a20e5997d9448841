"""A server of one home folder that runs in the background: found again by its pid file, waited for, stopped."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from lumbung.local import processes

READY_SECONDS = 90


class Server(ABC):
    """A server that a command starts and the next one finds.

    Attributes:
        name: what it is called in messages.
        start_remedy: what to do when it does not start.
        stop_seconds: how long it has to end once interrupted.

    Args:
        home: the folder of all local state.
        stem: the name of its folder, pid file and log there.
    """

    name: ClassVar[str]
    start_remedy: ClassVar[str]
    stop_seconds: ClassVar[float]

    def __init__(self, home: Path, stem: str) -> None:
        self.data = home / stem
        self.log = home / "logs" / f"{stem}.log"
        self.pid_file = home / f"{stem}.json"
        self._launched = False

    @abstractmethod
    def launch(self) -> None:
        """Start the server unless it runs; it may not answer yet.

        Raises:
            LumbungError: something that it needs is missing.
        """

    @abstractmethod
    def _answers(self) -> bool: ...

    def wait(self) -> None:
        """Wait until the server answers.

        Raises:
            LumbungError: it ended or does not answer; the message holds the end of its log.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if not self.process():
                if not self._launched:  # `launch` found it about to end, from another command
                    self.launch()
                    continue
                raise processes.error_with_log(f"{self.name} does not start", self.log, self.start_remedy)
            if time.monotonic() > deadline:
                raise processes.error_with_log(
                    f"{self.name} does not answer", self.log, "run the command again; it starts a new one"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server if it runs."""
        if leader := processes.Process.from_dict(processes.read_json(self.pid_file)):
            processes.end_sessions([leader], grace=self.stop_seconds)

    def process(self) -> processes.Process | None:
        """The server's process, if it runs."""
        leader = processes.Process.from_dict(processes.read_json(self.pid_file))
        return leader if leader and leader.is_alive else None
