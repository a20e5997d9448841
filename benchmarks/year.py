"""Whether a day costs the same after a year: its stages one after another, in one warehouse and without Airflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from benchmarks.results import Measure, Took, medians
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
    memory: dict[int, float] = {}
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
            if number + 1 in REMEMBERED or number + 1 == days:
                memory[number + 1] = memory_of(server.pid)
                say(f"day {number + 1}: the server has {memory[number + 1]:.0f} MB")
            if (number + 1) % PROGRESS == 0:
                each = medians(took[-PROGRESS:])
                say(f"days {number + 2 - PROGRESS} to {number + 1}: {each.seconds:.2f} s, {each.cpu:.2f} s of CPU each")
    last = len(took) - EACH
    spans = [
        replace(medians(took[at : at + EACH]), what=f"days {at + 1} to {at + EACH}, each")
        for at in sorted({0, last // 2, last})
    ]
    notes = [f"The server's memory: {', '.join(f'{mb:.0f} MB after day {day}' for day, mb in memory.items())}."]
    return [
        Measure(f"A day of the first, and of the last of {len(took)}", "flat; memory flat after day 30", spans, notes)
    ]
