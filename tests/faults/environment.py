"""The environment of the scenarios: servers in a home of their own, and runs in processes that can be killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import psutil

from lumbung.catalog.contract import SQL_ROOT, Catalog
from lumbung.core.settings import Settings
from lumbung.local import processes, services
from lumbung.local.bigquery import BigQuery
from lumbung.local.postgres import Postgres
from lumbung.local.processes import Process
from support.pipeline import PipelineHarness, sources_of
from support.tweet_harness import TweetHarness

AnyHarness = PipelineHarness | TweetHarness
WORKER = Path(__file__).with_name("worker.py")
FIRST_DAY = date(2026, 9, 1)
RUN_SECONDS = 240
ROOT = Path(__file__).parents[2]


@dataclass
class Started:
    """A run in a process of its own.

    Attributes:
        process: it, which leads its session.
        outcome: the file with its outcome, unless it was killed.
    """

    process: Process
    outcome: Path

    def kill(self) -> None:
        """Kill it and all that it started, but for the servers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self) -> str | None:
        """Wait for its end: the error, nothing where it succeeded; None: it was killed.

        Raises:
            TimeoutError: it hangs.
        """
        deadline = time.monotonic() + RUN_SECONDS
        while self.process.is_alive:
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"a run hangs for {RUN_SECONDS} seconds: {self.outcome.with_suffix('.log')}")
            time.sleep(0.01)
        return self.outcome.read_text() if self.outcome.exists() else None


class FaultEnvironment:
    """Servers and a worker; `with` starts and ends them.

    Args:
        catalog: the folder of contracts; a smaller one makes runs quick.
    """

    def __init__(self, catalog: Path = SQL_ROOT) -> None:
        self.catalog = catalog
        self._runs: list[Started] = []
        self._numbers = itertools.count()

    def __enter__(self) -> FaultEnvironment:
        with contextlib.ExitStack() as stack:
            # Not under pytest's folder, which it closes to the user that PostgreSQL runs as.
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-faults-")))
            self.folder.chmod(0o755)
            seed = self.folder / "seed"
            seed.mkdir()
            (seed / "course_enrollment.csv").write_text("student_id,course_id\n")
            self.settings = Settings.of(home=self.folder / "base", data_source=seed)
            # As long as this process is one of their users, no run stops the servers at its end.
            stack.enter_context(services.running(self.settings))
            self.bigquery, self.postgres = BigQuery(self.settings.home), Postgres(self.settings.home)
            path = os.pathsep.join(str(ROOT / name) for name in ("tests", "include"))
            self._worker = subprocess.Popen(
                [sys.executable, str(WORKER)],
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(self._worker.wait)
            stack.callback(self._worker.stdin.close)
            stack.callback(self._kill_runs)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _kill_runs(self) -> None:
        for run in self._runs:
            if run.process.is_alive:
                run.kill()

    @contextlib.contextmanager
    def harness(self) -> Iterator[PipelineHarness]:
        """A lake, a warehouse and sources of their own."""
        home = self.folder / f"harness-{next(self._numbers)}"
        with contextlib.closing(
            PipelineHarness(home, self.bigquery.address, self.postgres, Catalog(self.catalog))
        ) as harness:
            yield harness

    def start(
        self, harness: AnyHarness, day: date, *, refresh: bool = False, server: str = "", clock: timedelta = timedelta()
    ) -> Started:
        """Start a run of a day; `server` is another address of the warehouse, `clock` how far the clock is off."""
        return self.order(
            base=str(self.settings.home),
            seed=str(self.settings.data_source),
            home=str(harness.folder),
            catalog=str(harness.catalog.root),
            name=harness.name,
            kafka=harness.settings.kafka.servers or "",
            server=server,
            day=f"{day}",
            refresh="yes" if refresh else "",
            clock=clock.total_seconds(),
        )

    def order(self, **order: object) -> Started:
        """Start a run in a process of its own; what it is given is read in `worker.py`."""
        outcome = self.folder / f"run-{next(self._numbers)}"
        print(json.dumps({**order, "outcome": str(outcome)}), file=self._worker.stdin, flush=True)
        run = Started(Process.of(int(self._worker.stdout.readline())), outcome)
        self._runs.append(run)
        return run

    def take(self, harness: AnyHarness, day: date, **options: object) -> str | None:
        """Run a day: what `Started.wait` gives."""
        return self.start(harness, day, **options).wait()

    def revive(self, harness: AnyHarness) -> None:
        """Start the servers that were killed, as the next command does."""
        with services.running(self.settings) as running:
            harness.move(running.emulator_host)

    def kill_warehouse(self) -> None:
        """Kill the BigQuery server, and wait until its place is free for the next one."""
        port = int(self.bigquery.address.rpartition(":")[2])
        _kill(self.bigquery.process())
        while not processes.is_free(port):
            time.sleep(0.005)

    def kill_source(self) -> None:
        """Kill PostgreSQL: the process that the others belong to."""
        _kill(self.postgres.process())


def day_of(number: int) -> date:
    """The day with that number."""
    return FIRST_DAY + timedelta(days=number)


def fill(harness: PipelineHarness, number: int) -> None:
    """Let the sources be those of the day with that number."""
    harness.fill(sources_of(f"day {number}", number))


def _kill(process: Process | None) -> None:
    if process:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).kill()
        while process.is_alive:
            time.sleep(0.005)
