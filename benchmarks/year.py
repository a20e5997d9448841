"""Whether a day costs the same after a year: its stages one after another, in one warehouse and without Airflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from benchmarks.results import Measure, Took, described, medians
from benchmarks.watch import memory_of, timed
from faults.environment import FaultEnvironment
from support.pipeline import sources_of

FIRST = date(2025, 11, 1)
EACH = 50  # days that a figure is the median of: in fewer the local server may not have expired its history once
PROGRESS = 10  # days between two lines of progress
REMEMBERED = (30, 100, 200, 365)  # days after which the server's memory is looked at
ROWS = 50


def measure(days: int, say: Callable[[str], object]) -> list[Measure]:
    """Run day after day, fifty at least, into one warehouse."""
    took: list[Took] = []
    memory: list[float] = []  # of the server, after each day
    with FaultEnvironment() as environment, environment.harness() as harness:
        server = environment.bigquery.process()
        assert server
        for number in range(max(days, EACH)):
            harness.fill(sources_of(f"day {number}", ROWS))
            day = FIRST + timedelta(days=number)

            def run(day: date = day) -> int:
                harness.take(day)
                return ROWS

            took.append(timed("", run, server.pid))
            memory.append(memory_of(server.pid))
            if (number + 1) % PROGRESS == 0:
                each = medians(took[-PROGRESS:])
                say(f"days {number + 2 - PROGRESS} to {number + 1}: {described(each)}; the server: {memory[-1]:.0f} MB")
    last = len(took) - EACH
    spans = [
        replace(
            medians(took[at : at + EACH]),
            what=f"days {at + 1} to {at + EACH}, each",
            peak_mb=round(max(memory[at : at + EACH])),
        )
        for at in sorted({0, last // 2, last})
    ]
    remembered = [f"{memory[day - 1]:.0f} MB after day {day}" for day in REMEMBERED if day <= len(memory)]
    # It grows and falls, as the server starts again every few weeks: one day of each would compare two moments of that.
    notes = [f"Memory is the most that the local server had after one of these days; {', '.join(remembered)}."]
    name = f"A day of the first, and of the last of {len(took)}"
    return [Measure(name, "flat; the server's memory flat after day 30", spans, notes)]
