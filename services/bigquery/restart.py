"""Serves, and starts the program again in its own process once it has run many jobs: its memory stays bounded.

DuckLake keeps a copy of its schema for every state of the lake in DuckDB's object cache, 7 MB with each day of a
pipeline, and detaching the lake does not free it. The listening socket stays open meanwhile, so that clients wait, and
the process keeps its id.
"""

import concurrent.futures
import os
import socket
import sys
import threading
from typing import Any

import uvicorn
from local_bigquery import app
from local_bigquery.api import uploads
from local_bigquery.engine import sessions
from local_bigquery.jobs import runner

from bigquery.history import EXPIRER

JOBS_PER_START = 1000  # two to three weeks of a system's days
LISTENER_OPTION = "--listener"


class Restarter:
    """Counts jobs, and has the server stop when there were enough and nothing is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs, self._limit = 0, JOBS_PER_START
        self._server: uvicorn.Server | None = None

    def run_job(self, *args: Any) -> None:
        """Run a job, and stop serving if that is due. In place of `runner._execute`."""
        EXPIRER.run_job(*args)
        with self._lock:
            self._jobs += 1
            if self._server and self._jobs >= self._limit and not runner._running and is_idle():
                # A request that waits for a job may take long.
                self._server.config.timeout_graceful_shutdown = None
                self._server.should_exit = True

    def serve(self, listener: socket.socket, limit: int) -> None:
        """Serve until a signal ends the process; start the program again whenever that is due.

        Args:
            listener: the listening socket.
            limit: after how many jobs the program starts again.
        """
        self._limit = limit
        while True:
            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
            self._server = uvicorn.Server(config)
            # It closes the sockets that it is given. A signal that ended it is raised again, and ends the process.
            self._server.run([listener.dup()])
            # Requests that were being answered may have started jobs.
            concurrent.futures.wait([job.future for job in [*runner._running.values()] if job.future])
            if is_idle():
                start_again(listener)


def is_idle() -> bool:
    """Return whether no client has a session or an upload under way; both live in memory only."""
    return not sessions._sessions and not uploads._resumable


def start_again(listener: socket.socket) -> None:
    """Replace the program by itself, which goes on with the listening socket."""
    command = [*sys.orig_argv]
    if LISTENER_OPTION in command:
        del command[command.index(LISTENER_OPTION) :]
    listener.set_inheritable(True)
    os.execv(sys.executable, [*command, LISTENER_OPTION, str(listener.fileno())])  # noqa: S606 - the program itself


RESTARTER = Restarter()
