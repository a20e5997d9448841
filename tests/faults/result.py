"""The options and the result of a scenario."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lumbung.catalog.contract import SQL_ROOT
from support.harness import digest


@dataclass(frozen=True)
class Options:
    """How much is tried. The seed decides what is done; moments are those of this machine.

    Attributes:
        seed: the same one draws the same faults.
        kills: kills of the path of enrollments; other scenarios of kills take a share of them.
        files: mutated source files.
        days: days that are run in random order.
        rounds: how often every query is run over random rows.
        tweet_catalog: the folder of contracts for tweets.
        outages: which of `outages.WAYS`; none: all.
        say: takes a line of progress.
    """

    seed: int = 1
    kills: int = 200
    files: int = 1000
    days: int = 30
    rounds: int = 50
    tweet_catalog: Path = SQL_ROOT
    outages: tuple[str, ...] = ()
    say: Callable[[str], None] = print


@dataclass
class Result:
    """The result of a scenario; it holds where there is no fault.

    Attributes:
        scenario: its name.
        tries: how often something was disturbed.
        lost: rows of the undisturbed tables that are missing.
        doubled: rows that the undisturbed tables do not have, or have less often.
        differing: tables whose checksum differs.
        seconds: how long it took.
        faults: what did not hold.
        outcomes: how often each outcome came.
    """

    scenario: str
    tries: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def compare(self, moment: str, expected: dict[str, list[str]], actual: dict[str, list[str]]) -> None:
        """Count what differs between the tables of a warehouse and those of an undisturbed one."""
        for table in sorted(expected.keys() | actual.keys()):
            wanted, rows = expected.get(table), actual.get(table)
            if wanted is None or rows is None:
                self.differing += 1
                self.faults.append(f"{moment}: {table} is {'missing' if rows is None else 'not expected'}")
            elif digest(wanted) != digest(rows):
                missing, more = Counter(wanted) - Counter(rows), Counter(rows) - Counter(wanted)
                self.lost += missing.total()
                self.doubled += more.total()
                self.differing += 1
                example = next(iter(missing or more))
                self.faults.append(f"{moment}: {table} lacks {missing.total()}, has {more.total()} more, as {example}")


@contextlib.contextmanager
def scenario(name: str) -> Iterator[Result]:
    """A result, with the seconds that its scenario took."""
    result, began = Result(name), time.monotonic()
    try:
        yield result
    finally:
        result.seconds = round(time.monotonic() - began, 1)
