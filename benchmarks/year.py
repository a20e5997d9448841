"""Whether a day costs the same after a year: its stages one after another, in one process and without Airflow."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import mean

from benchmarks.results import Measure, Took
from lumbung.local import parts
from lumbung.local.postgres import Postgres
from lumbung.settings import Settings
from pipeline import House, sources_of

FIRST = date(2025, 11, 1)
EACH = 10  # days that a figure is the mean of
ROWS = 50


def measure(days: int, say: Callable[[str], object]) -> list[Measure]:
    """Run day after day into one warehouse."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        seed = folder / "seed"
        seed.mkdir()
        (seed / "course_enrollment.csv").write_text("student_id,course_id\n")
        settings = Settings(home=folder / "base", data_source=seed)
        with parts.running(settings) as there:
            house = House(folder / "house", there.emulator_host or "", Postgres(settings.home))
            for number in range(days):
                house.fill(sources_of(f"day {number}", ROWS))
                began = time.perf_counter()
                house.take(FIRST + timedelta(days=number))
                seconds.append(time.perf_counter() - began)
                if (number + 1) % EACH == 0:
                    say(f"days {number + 2 - EACH} to {number + 1}: {mean(seconds[-EACH:]):.2f} s each")
    places = sorted({0, (days // 2 - EACH) // EACH * EACH, days - EACH})
    took = [Took(f"days {at + 1} to {at + EACH}, each", round(mean(seconds[at : at + EACH]), 3)) for at in places]
    return [Measure(f"A day of the first, and of the last of {days}", "flat", took)]
