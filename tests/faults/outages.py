"""What surrounds a run fails: disk, clock, PostgreSQL, the BigQuery API; the run after it gives the same tables."""

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

from faults.ground import Ground, day_of, fill
from faults.kills import broken, half_published, undisturbed
from faults.result import Options, Result, scenario
from support.http_proxy import Drop, Proxy, Request
from support.pipeline import House, contents
from support.source_database import SOURCE

DISK = "8m"
LEFT = 150_000  # bytes at most that the full disk has left; a run writes about that much into the lake
ROWS = 1_000_000  # of the source, so that it restarts while it is read
SPOILED = 0.05  # of the requests
BACK = -timedelta(days=3)
REASONS = {429: "rateLimitExceeded", 500: "internalError", 503: "backendError"}

Disturb = Callable[[Ground, House, random.Random], str | None]
Spoil = Callable[[Proxy, Request, random.Random], object]


def run_outages(ground: Ground, options: Options) -> Result:
    """Disturb a run in each way; then, with all mended, run the day again."""
    with scenario("outages") as result:
        expected, _ = undisturbed(ground, 2)
        for name in options.outages or WAYS:
            disturb, began = WAYS[name], time.monotonic()
            with ground.house() as house, contextlib.ExitStack() as mounts:
                fill(house, 0)
                _run(ground, house, 0, name, result)
                if name == "the disk is full":
                    mounts.enter_context(_small_disk(house))
                fill(house, 1)
                result.tries += 1
                said = disturb(ground, house, random.Random(options.seed))
                result.facts["refused" if said else "ended well"] += 1
                options.say(f"{name}, after {time.monotonic() - began:.0f} s: {said or 'the run ended well'}")
                if said is None or (said and (not said.startswith("refused: ") or "\n" in said)):
                    result.faults.append(f"{name}: the run said {said}")
                faults = (*broken(house.lake), *half_published(house, expected[0], expected[1]))
                result.faults += [f"{name}: {fault}" for fault in faults]
                fill(house, 1)
                _run(ground, house, 1, name, result)
                result.compare(name, expected[1], contents(house.warehouse))
    return result


def _run(ground: Ground, house: House, number: int, name: str, result: Result) -> None:
    if said := ground.take(house, day_of(number)):
        result.faults.append(f"{name}: the undisturbed run of day {number} said {said}")


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
def _small_disk(house: House) -> Iterator[None]:
    """The lake on a small file system of its own."""
    lake, disk = house.settings.lake_folder, house.settings.home / "disk"
    disk.mkdir()
    with _mounted(disk, "-t", "tmpfs", "-o", f"size={DISK},mode=1777", "tmpfs", disk):
        shutil.move(lake, disk / "lake")
        lake.symlink_to(disk / "lake")
        yield


def _disk_full(ground: Ground, house: House, choice: random.Random) -> str | None:
    disk = house.settings.home / "disk"
    filler = disk / "filler"
    filler.write_bytes(b"0" * max(0, shutil.disk_usage(disk).free - choice.randrange(LEFT)))
    try:
        return ground.take(house, day_of(1))
    finally:
        filler.unlink()


def _read_only(ground: Ground, house: House, choice: random.Random) -> str | None:
    lake = house.settings.lake_folder
    with _mounted(lake, "--bind", lake, lake):
        mount("-o", "remount,bind,ro", lake)
        return ground.take(house, day_of(1))


def _clock_back(ground: Ground, house: House, choice: random.Random) -> str | None:
    said = ground.take(house, day_of(1), clock=BACK)
    return said or ground.take(house, day_of(0), clock=2 * BACK)


def _source_restarts(ground: Ground, house: House, choice: random.Random) -> str | None:
    house.sql(f"INSERT INTO course_enrollment SELECT 's' || n, 'c' || n FROM generate_series(1, {ROWS}) AS n")
    run = ground.start(house, day_of(1))
    reading = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%course_enrollment%%' AND pid <> %s"
    )
    with ground.postgres.connect(SOURCE) as connection:
        connection.autocommit = True
        while run.process.is_alive and not connection.execute(reading, [connection.info.backend_pid]).fetchone():
            time.sleep(0.001)
    ground.postgres.stop()
    ground.revive(house)
    return run.wait()


def _spoiled(
    spoil: Callable[[Proxy, Request, random.Random], object], ground: Ground, house: House, choice: random.Random
) -> str | None:
    """A run behind a proxy that spoils some requests."""
    lock = threading.Lock()

    def some(request: Request) -> object:
        with lock:
            chosen = choice.random() < SPOILED
        return spoil(proxy, request, choice) if chosen else None

    with Proxy(ground.bigquery.address, product="", spoil=some) as proxy:
        return ground.take(house, day_of(1), server=proxy.url)


def _busy(proxy: Proxy, request: Request, choice: random.Random) -> tuple[int, bytes]:
    """BigQuery's answer when it is busy; half of the times it did what was asked nevertheless."""
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
