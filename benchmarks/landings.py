"""What a day's run pays for all that was ever landed: the version of the tweets, with many landings and with few."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.results import Measure, Took, in_turn, medians
from benchmarks.watch import timed
from lumbung.storage.lake import FolderLake
from lumbung.systems.cilvest.version import make_version
from support.landings import land

FEW, TIMES, NEW = 500, 10, 6
DAYS = 10


def measure(rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Let versions be made of few landings and of many, each with some that came since."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:

        def lake_of(landings: int) -> FolderLake:
            folder = Path(name) / f"{landings}"
            lake = FolderLake(folder.as_uri(), folder)
            land(lake, range(landings))
            make_version(lake)
            return lake

        def days(lake: FolderLake, what: str, known: list[int]) -> Took:
            def run() -> int:
                return 1 if make_version(lake) else 0

            took = []
            for _ in range(DAYS):
                land(lake, range(known[0], known[0] + NEW))
                known[0] += NEW
                took.append(timed(what, run))
            return medians(took)

        ways = {}
        for landings in (FEW, FEW * TIMES):
            what = f"{landings:,} landings"
            ways[what] = partial(days, lake_of(landings), what, [landings])
        took = in_turn(ways, max(rounds, 3), say)
    notes = [f"What making a version takes on each of {DAYS} days, on each of which {NEW} landings came."]
    return [Measure("The landings that a version is made of", f"{TIMES} x as many: at most 2 x", took, notes)]
