"""What a program takes: wall clock, the CPU of all processes that take part, and their memory."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks.results import Took
from benchmarks.span import own_cpu

SAMPLE_SECONDS = 0.1
ORPHAN_SECONDS = 10.0
PR_SET_CHILD_SUBREAPER = 36


def program(
    what: str,
    command: Sequence[str | Path],
    environ: Mapping[str, str] | None = None,
    *servers: int,
    seen: Sequence[int] = (),
) -> Took:
    """Run a program that says itself what it took: its last line is `{"seconds": …, "cpu": …, "rows": …}`.

    So its start and imports are left out; the CPU of servers is added.

    Args:
        what: the way's name.
        command: the program.
        environ: what is added to the environment.
        servers: ids of processes that work for it.
        seen: more of these, whose CPU is in what the program says.

    Raises:
        SystemExit: it failed.
    """
    before = cpu_of(*servers)
    took, output = _watched(what, command, environ or {}, [*servers, *seen])
    figures = json.loads(output.strip().splitlines()[-1])
    cpu = round(figures["cpu"] + cpu_of(*servers) - before, 3) if "cpu" in figures else None
    return Took(what, round(figures["seconds"], 3), cpu, took.peak_mb, took.total_mb, figures.get("rows"))


def whole(what: str, command: Sequence[str | Path], environ: Mapping[str, str], *servers: int) -> Took:
    """Run a program from its start to its end, with all that it starts, also what outlives it for a while.

    Args:
        what: the way's name.
        command: the program.
        environ: what is added to the environment.
        servers: ids of processes that run already and work for it.

    Raises:
        SystemExit: it failed.
    """
    return _watched(what, command, environ, servers)[0]


def timed(what: str, run: Callable[[], int | None], *servers: int) -> Took:
    """What a function of this process takes that gives its rows, with the children it has ended, and servers."""
    began, before = time.perf_counter(), own_cpu() + cpu_of(*servers)
    rows = run()
    seconds, cpu = time.perf_counter() - began, own_cpu() + cpu_of(*servers) - before
    return Took(what, round(seconds, 3), round(cpu, 3), rows=rows)


def cpu_of(*pids: int) -> float:
    """Seconds of user and system time of processes and their children, also of those that have ended."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for member in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    times = member.cpu_times()
                    total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_of(*pids: int) -> float:
    """MB of 10^6 bytes that processes and their children have now, without what they share with others."""
    return sum(_unshared(pid) for pid in _trees(pids))


def _of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _watched(
    what: str, command: Sequence[str | Path], environ: Mapping[str, str], servers: Sequence[int]
) -> tuple[Took, str]:
    # What a program has started and left running comes to this process and not to init, so that its CPU is counted.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    known = {child.pid for child in psutil.Process().children()}
    for pid in _trees(servers):
        _forget_most_memory(pid)
    before, began = _of_children() + cpu_of(*servers), time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ended, peak, total = threading.Event(), 0.0, 0.0

    def watch() -> None:
        nonlocal peak, total
        while not ended.wait(SAMPLE_SECONDS):
            pids = _trees([process.pid, *servers, *(_new(known) - {process.pid})])
            peak = max([peak, *map(_most_memory, pids)])
            total = max(total, sum(map(_unshared, pids)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    ended.set()
    thread.join()
    _wait_for_orphans(known)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output[-4000:]}")
    cpu = _of_children() + cpu_of(*servers) - before
    return Took(what, round(seconds, 3), round(cpu, 3), round(peak), round(total)), output


def _new(known: set[int]) -> set[int]:
    return {child.pid for child in psutil.Process().children()} - known


def _wait_for_orphans(known: set[int]) -> None:
    """Wait for what a program has left; what does not end is not counted."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (left := _new(known)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def _trees(pids: Sequence[int]) -> list[int]:
    found = list(pids)
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            found += [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return found


def _unshared(pid: int) -> float:
    with contextlib.suppress(psutil.Error):
        memory = psutil.Process(pid).memory_info()
        return (memory.rss - memory.shared) / 1e6
    return 0.0


def _forget_most_memory(pid: int) -> None:
    """Have `_most_memory` of a process begin again; by proc_pid_clear_refs(5)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _most_memory(pid: int) -> float:
    """MB of 10^6 bytes that a process had at most, since it runs its program or since that was forgotten."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    return 0.0
