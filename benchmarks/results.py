"""What a measure gives, how a program is timed, and how results are written down."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "reference"
PAGE, DATA = DOCS / "measurements.md", DOCS / "measurements.json"
WIDTH = 120
PACKAGES = ("apache-airflow", "duckdb", "pyarrow", "adbc-driver-postgresql", "confluent-kafka", "pysail")
RIVALS = ("connectorx", "dlt", "pandas")
RIVALS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


@dataclass
class Took:
    """What one way of doing it took, the best of all rounds.

    Attributes:
        what: the way.
        seconds: wall clock.
        peak_mb: the most memory that its process had, in MB of 10^6 bytes; None: not measured.
        rows: what it went through.
    """

    what: str
    seconds: float
    peak_mb: float | None = None
    rows: int | None = None

    def best(self, other: Took) -> Took:
        """The quicker of two rounds, with the greater memory."""
        quick = min(self, other, key=lambda took: took.seconds)
        peaks = [took.peak_mb for took in (self, other) if took.peak_mb is not None]
        return Took(self.what, quick.seconds, max(peaks, default=None), quick.rows)


@dataclass
class Measure:
    """Ways of doing one thing, side by side.

    Attributes:
        name: what is done.
        goal: what was asked for.
        took: each way; ratios are to the first.
        notes: what a reader must know.
    """

    name: str
    goal: str
    took: list[Took]
    notes: list[str] = field(default_factory=list)


def in_turn(ways: Mapping[str, Callable[[], Took]], rounds: int, say: Callable[[str], object]) -> list[Took]:
    """Measure each way `rounds` times, taking turns: the best of each."""
    best: dict[str, Took] = {}
    for number in range(rounds):
        for name, run in ways.items():
            took = run()
            best[name] = best[name].best(took) if name in best else took
            say(f"{name}, round {number + 1}: {took.seconds:.2f} s")
    return list(best.values())


def program(what: str, command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Took:
    """Run a program that prints `{"seconds": …, "rows": …}` as its last line; the memory is its process's.

    Raises:
        SystemExit: it failed.
    """
    output, peak = watched(command, environ or {})
    figures = json.loads(output.strip().splitlines()[-1])
    return Took(what, round(figures["seconds"], 3), peak, figures.get("rows"))


def watched(command: Sequence[str | Path], environ: Mapping[str, str], *others: int) -> tuple[str, float]:
    """Run a command: what it says, and the most memory (MB) of any process of it, or of others by their ids.

    Raises:
        SystemExit: it failed.
    """
    process = subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ended, peak = threading.Event(), 0.0

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.02):
            with contextlib.suppress(psutil.Error):
                tree = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
                peak = max([peak, *map(_most_memory, [*tree, *others])])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    output, _ = process.communicate()
    ended.set()
    thread.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output[-4000:]}")
    return output, round(peak)


def _most_memory(pid: int) -> float:
    """MB of 10^6 bytes that a process had at most, since it runs its program."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    return 0.0


def write(measures: Sequence[Measure], options: Mapping[str, Any]) -> None:
    """Write the results to the files `DATA` and `PAGE`; those not measured now stay."""
    results = json.loads(DATA.read_text()) if DATA.exists() else {}
    stamped = {"at": f"{datetime.now(UTC):%Y-%m-%d}", "machine": _machine(), "versions": _versions(), **options}
    for measure in measures:
        results[measure.name] = {
            **stamped,
            "goal": measure.goal,
            "took": [{**vars(took), "ratio": _ratio(measure.took, took)} for took in measure.took],
            "notes": measure.notes,
        }
    DATA.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(page(results))


def page(results: Mapping[str, Any]) -> str:
    """The page of all results, by the name of each measure."""
    lines = [
        "# Measurements",
        "",
        "Written by `make bench`. A figure is the best of all rounds; a ratio compares ways of one run only. What the",
        "figures say, and how they came about, is in [performance](performance.md); machine and versions are in",
        "[measurements.json](measurements.json).",
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(_section(name, result) for name, result in results.items())


def _ratio(all_took: Sequence[Took], took: Took) -> float:
    return round(took.seconds / all_took[0].seconds, 2)


def _section(name: str, result: Mapping[str, Any]) -> str:
    rows = [
        f"| {took['what']} | {took['seconds']:.2f} | {took['ratio']:.2f} | {took['peak_mb'] or ''} |"
        for took in result["took"]
    ]
    lines = [f"## {name}", "", *_wrapped(f"Goal: {result['goal']}. Measured {result['at']}."), ""]
    lines += ["| | seconds | ratio to the first | peak memory, MB |", "|---|---|---|---|", *rows]
    for note in result["notes"]:
        lines += ["", *_wrapped(note)]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"


def _versions() -> dict[str, str]:
    program = (
        f"import json; from importlib.metadata import version; print(json.dumps({{n: version(n) for n in {RIVALS}}}))"
    )
    rivals: dict[str, str] = json.loads(subprocess.check_output([RIVALS_PYTHON, "-c", program]))
    return {"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}, **rivals}
