"""What a measure gives, how a program is timed, and how results are written down."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import chart, summary

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "reference"
PAGE, DATA = DOCS / "measurements.md", DOCS / "measurements.json"
PERFORMANCE, CHART = DOCS / "performance.md", ROOT / "docs" / "images" / "performance.svg"
WIDTH = 120
PACKAGES = ("apache-airflow", "duckdb", "pyarrow", "adbc-driver-postgresql", "confluent-kafka", "pysail")
RIVALS = ("astronomer-cosmos", "connectorx", "dbt-core", "dbt-duckdb", "dlt", "pandas")
RIVALS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


@dataclass
class Took:
    """What one way of doing it took: one round, or the medians of all rounds.

    Attributes:
        what: the way.
        seconds: wall clock.
        cpu: seconds of user and system time, of all processes that took part; None: not measured.
        peak_mb: the most memory that one of its processes had, in MB of 10^6 bytes; None: not measured.
        total_mb: the most memory that all of its processes had at one time; None: not measured.
        rows: what it went through.
    """

    what: str
    seconds: float
    cpu: float | None = None
    peak_mb: float | None = None
    total_mb: float | None = None
    rows: int | None = None


def medians(rounds: Sequence[Took]) -> Took:
    """The medians of wall clock and CPU of one way's rounds, and the greatest memory."""

    def given(name: str) -> list[float]:
        return [value for took in rounds if (value := getattr(took, name)) is not None]

    cpu = given("cpu")
    return Took(
        what=rounds[0].what,
        seconds=round(median(given("seconds")), 3),
        cpu=round(median(cpu), 3) if cpu else None,
        peak_mb=max(given("peak_mb"), default=None),
        total_mb=max(given("total_mb"), default=None),
        rows=rounds[-1].rows,
    )


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
    """Measure each way `rounds` times, taking turns: the medians of each."""
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, run in ways.items():
            took[name].append(run())
            say(f"{name}, round {number + 1}: {described(took[name][-1])}")
    return [medians(each) for each in took.values()]


def described(took: Took) -> str:
    """Its figures in words."""
    cpu = f", {took.cpu:.2f} s of CPU" if took.cpu is not None else ""
    return f"{took.seconds:.2f} s{cpu}" + (f", {took.peak_mb:.0f} MB" if took.peak_mb else "")


def write(measures: Sequence[Measure], options: Mapping[str, Any]) -> None:
    """Write the results to `DATA` and the files that show them; those not measured now stay."""
    results = json.loads(DATA.read_text()) if DATA.exists() else {}
    stamped = {"at": f"{datetime.now(UTC):%Y-%m-%d}", "machine": _machine(), "versions": _versions(), **options}
    for measure in measures:
        results[measure.name] = {
            **stamped,
            "goal": measure.goal,
            "took": [{**vars(took), **ratios(measure.took[0], took)} for took in measure.took],
            "notes": measure.notes,
        }
    DATA.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    for path, text in pages(results).items():
        path.write_text(text)


def pages(results: Mapping[str, Any]) -> dict[Path, str]:
    """The files that show the results, with their texts."""
    return {
        PAGE: page(results),
        PERFORMANCE: summary.inserted(PERFORMANCE.read_text(), results),
        CHART: chart.svg(results),
    }


def page(results: Mapping[str, Any]) -> str:
    """The page of all results, by the name of each measure."""
    lines = [
        "# Measurements",
        "",
        "Written by `make bench`. Seconds are medians of all rounds, memory is the greatest; a ratio compares ways of",
        "one run only. Peak memory is that of the largest process. What the figures say is in",
        "[performance](performance.md); machine, versions and rounds are in [measurements.json](measurements.json).",
        "Figures without CPU are older, and the best of their rounds.",
    ]
    return "\n".join(lines) + "\n\n" + "\n".join(_section(name, result) for name, result in results.items())


def ratios(first: Took, took: Took) -> dict[str, float | None]:
    """How often a way takes what the first one takes: wall clock and CPU."""
    cpu = round(took.cpu / first.cpu, 2) if took.cpu is not None and first.cpu else None
    return {"ratio": round(took.seconds / first.seconds, 2), "cpu_ratio": cpu}


def _section(name: str, result: Mapping[str, Any]) -> str:
    columns = [
        ("seconds", "seconds", 2),
        ("ratio", "ratio to the first", 2),
        ("cpu", "CPU, s", 2),
        ("cpu_ratio", "ratio of CPU", 2),
        ("peak_mb", "peak memory, MB", 0),
        ("total_mb", "of all processes, MB", 0),
    ]
    shown = [column for column in columns if any(took.get(column[0]) is not None for took in result["took"])]
    rows = []
    for took in result["took"]:
        values = [took.get(key) for key, _, _ in shown]
        cells = ["" if v is None else f"{v:.{digits}f}" for v, (_, _, digits) in zip(values, shown, strict=True)]
        rows.append(f"| {took['what']} | {' | '.join(cells)} |")
    lines = [f"## {name}", "", *_wrapped(f"Goal: {result['goal']}. Measured {result['at']}."), ""]
    lines += [f"| | {' | '.join(title for _, title, _ in shown)} |", "|---" * (len(shown) + 1) + "|", *rows]
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
