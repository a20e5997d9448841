"""What a run depends on is disturbed: disk, clock, PostgreSQL, the BigQuery API; the next run gives the same tables."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from faults.environment import FaultEnvironment, day_of, fill
from faults.kills import broken, half_published, undisturbed
from faults.result import Options, Result, scenario
from support.harness import contents
from support.http_proxy import Drop, Proxy, Request
from support.pipeline import PipelineHarness
from support.source_database import SOURCE

DISK = "8m"
LEFT = 150_000  # bytes at most that the full disk has left; a run writes about that much into the lake
ROWS = 1_000_000  # of the source, so that it restarts while it is read
SPOILED = 0.05  # of the requests
BACK = -timedelta(days=3)
REASONS = {429: "rateLimitExceeded", 500: "internalError", 503: "backendError"}

Disturb = Callable[[FaultEnvironment, PipelineHarness, random.Random], str | None]
Spoil = Callable[[Proxy, Request, random.Random], object]


def run_outages(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb what a run depends on, in each way of `WAYS`; then restore it and run the day again."""
    with scenario("outages") as result:
        expected, _ = undisturbed(environment, 2)
        for name in options.outages or WAYS:
            disturb, began = WAYS[name], time.monotonic()
            with environment.harness() as harness, contextlib.ExitStack() as mounts:
                fill(harness, 0)
                _run(environment, harness, 0, name, result)
                if name == "the disk is full":
                    mounts.enter_context(_small_disk(harness))
                fill(harness, 1)
                result.tries += 1
                outcome = disturb(environment, harness, random.Random(options.seed))
                result.outcomes["refused" if outcome else "ended well"] += 1
                options.say(f"{name}, after {time.monotonic() - began:.0f} s: {outcome or 'the run ended well'}")
                if outcome is None or (outcome and (not outcome.startswith("refused: ") or "\n" in outcome)):
                    result.faults.append(f"{name}: the run said {outcome}")
                faults = (*broken(harness.lake), *half_published(harness, expected[0], expected[1]))
                result.faults += [f"{name}: {fault}" for fault in faults]
                fill(harness, 1)
                _run(environment, harness, 1, name, result)
                result.compare(name, expected[1], contents(harness.warehouse))
    return result


def _run(environment: FaultEnvironment, harness: PipelineHarness, number: int, name: str, result: Result) -> None:
    if outcome := environment.take(harness, day_of(number)):
        result.faults.append(f"{name}: the undisturbed run of day {number} said {outcome}")


def mount(*arguments: object) -> None:
    """Run `mount`; only root may."""
    _as_root("mount", *arguments)


def can_mount() -> bool:
    """Whether this process may mount file systems."""
    with contextlib.suppress(subprocess.CalledProcessError, FileNotFoundError):
        _as_root("true")
        return True
    return False


def _as_root(*command: object) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, *map(str, command)], check=True, capture_output=True)


@contextlib.contextmanager
def _mounted(folder: Path, *arguments: object) -> Iterator[None]:
    mount(*arguments)
    try:
        yield
    finally:
        _as_root("umount", folder)


@contextlib.contextmanager
def _small_disk(harness: PipelineHarness) -> Iterator[None]:
    """The lake on a small file system of its own."""
    lake, disk = harness.settings.lake_folder, harness.settings.home / "disk"
    disk.mkdir()
    with _mounted(disk, "-t", "tmpfs", "-o", f"size={DISK},mode=1777", "tmpfs", disk):
        shutil.move(lake, disk / "lake")
        lake.symlink_to(disk / "lake")
        yield


def _disk_full(environment: FaultEnvironment, harness: PipelineHarness, choice: random.Random) -> str | None:
    """Leave the lake's disk less room than a run needs."""
    disk = harness.settings.home / "disk"
    filler = disk / "filler"
    filler.write_bytes(b"0" * max(0, shutil.disk_usage(disk).free - choice.randrange(LEFT)))
    try:
        return environment.take(harness, day_of(1))
    finally:
        filler.unlink()


def _read_only(environment: FaultEnvironment, harness: PipelineHarness, choice: random.Random) -> str | None:
    """Mount the lake read-only."""
    lake = harness.settings.lake_folder
    with _mounted(lake, "--bind", lake, lake):
        mount("-o", "remount,bind,ro", lake)
        return environment.take(harness, day_of(1))


def _clock_back(environment: FaultEnvironment, harness: PipelineHarness, choice: random.Random) -> str | None:
    """Run with a clock that is days behind; if that succeeds, run an older day with one that is further behind."""
    outcome = environment.take(harness, day_of(1), clock=BACK)
    return outcome or environment.take(harness, day_of(0), clock=2 * BACK)


def _source_restarts(environment: FaultEnvironment, harness: PipelineHarness, choice: random.Random) -> str | None:
    """Stop PostgreSQL while a run reads a large table, and start it again."""
    harness.sql(f"INSERT INTO course_enrollment SELECT 's' || n, 'c' || n FROM generate_series(1, {ROWS}) AS n")
    run = environment.start(harness, day_of(1))
    reading = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%course_enrollment%%' AND pid <> %s"
    )
    with environment.postgres.connect(SOURCE) as connection:
        connection.autocommit = True
        while run.process.is_alive and not connection.execute(reading, [connection.info.backend_pid]).fetchone():
            time.sleep(0.001)
    environment.postgres.stop()
    environment.revive(harness)
    return run.wait()


def _spoiled(
    spoil: Callable[[Proxy, Request, random.Random], object],
    environment: FaultEnvironment,
    harness: PipelineHarness,
    choice: random.Random,
) -> str | None:
    """Run behind a proxy that disturbs some requests to the BigQuery API."""
    lock = threading.Lock()

    def spoil_some(request: Request) -> object:
        with lock:
            chosen = choice.random() < SPOILED
        return spoil(proxy, request, choice) if chosen else None

    with Proxy(environment.bigquery.address, product="", spoil=spoil_some) as proxy:
        return environment.take(harness, day_of(1), server=proxy.url)


def _busy(proxy: Proxy, request: Request, choice: random.Random) -> tuple[int, bytes]:
    """Answer as BigQuery does when it is busy; half of the times it has done what was asked nevertheless."""
    status = choice.choice(list(REASONS))
    if status != 429 and choice.random() < 0.5:
        _forward(proxy, request)
    error = {"reason": REASONS[status], "message": "try again"}
    return status, json.dumps({"error": {"code": status, "message": "try again", "errors": [error]}}).encode()


def _drop(proxy: Proxy, request: Request, choice: random.Random) -> None:
    """Cut the connection, before the request arrives or before its answer does."""
    if choice.random() < 0.5:
        _forward(proxy, request)
    raise Drop


def _forward(proxy: Proxy, request: Request) -> None:
    proxy.forward(proxy.target.removeprefix("http://"), request)


WAYS: dict[str, Disturb] = {
    "the disk is full": _disk_full,
    "the lake is read-only": _read_only,
    "the clock is moved back": _clock_back,
    "PostgreSQL restarts while it is read": _source_restarts,
    "the BigQuery API is busy": partial(_spoiled, _busy),
    "the BigQuery API drops connections": partial(_spoiled, _drop),
}
