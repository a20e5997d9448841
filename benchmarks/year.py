"""Whether a day costs the same after a year: its stages one after another, in one process and without Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from statistics import mean

from benchmarks.results import Measure, Took
from faults.environment import FaultEnvironment
from support.pipeline import sources_of

FIRST = date(2025, 11, 1)
EACH = 50  # days that a figure is the mean of: in fewer the local server may not have expired its history once
PROGRESS = 10  # days between two lines of progress
ROWS = 50


def measure(days: int, say: Callable[[str], object]) -> list[Measure]:
    """Run day after day, fifty at least, into one warehouse."""
    seconds: list[float] = []
    with FaultEnvironment() as environment, environment.harness() as harness:
        for number in range(max(days, EACH)):
            harness.fill(sources_of(f"day {number}", ROWS))
            began = time.perf_counter()
            harness.take(FIRST + timedelta(days=number))
            seconds.append(time.perf_counter() - began)
            if (number + 1) % PROGRESS == 0:
                say(f"days {number + 2 - PROGRESS} to {number + 1}: {mean(seconds[-PROGRESS:]):.2f} s each")
    last = len(seconds) - EACH
    took = [
        Took(f"days {at + 1} to {at + EACH}, each", round(mean(seconds[at : at + EACH]), 3))
        for at in sorted({0, last // 2, last})
    ]
    return [Measure(f"A day of the first, and of the last of {len(seconds)}", "flat", took)]
