"""`make test-midnight`: tests marked `midnight` by a clock by which a day in Jakarta ends in the middle of each module.

    PYTHONPATH=tests python -m support.midnight [--at 00:30] [--test 0] [pytest's arguments]

The program starts pytest by a `Clock`, with itself as a plugin. Modules that have such tests are imported on the last
evening of a month. Each module then runs over a turn of its own: of a month, of a year, to a leap day, from a leap day,
then of days. The hour comes one second into the module's middle test, or into the one of number `--test`; `--at 00:30`
lets that of the schedule come instead of midnight.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import count, islice
from pathlib import Path

import pytest

from lumbung.core.day import JAKARTA
from support.clock import Clock

AT, TEST = "MIDNIGHT_AT", "MIDNIGHT_TEST"
TESTS = Path(__file__).parents[1]
BEFORE = timedelta(minutes=15)


def turns(now: datetime) -> Iterator[datetime]:
    """Midnights in Jakarta after `now`, in order: of a month, a year, to and from a leap day, then of days."""
    month = next(turn for turn in _midnights(now) if turn.day == 1 and turn.month != 1)
    year = next(turn for turn in _midnights(month) if (turn.month, turn.day) == (1, 1))
    leap = next(turn for turn in _midnights(year) if (turn.month, turn.day) == (2, 29))
    return iter([month, year, *islice(_midnights(leap - timedelta(days=1)), 200)])


def _midnights(after: datetime) -> Iterator[datetime]:
    day = after.astimezone(JAKARTA).date()
    return (datetime.combine(day + timedelta(days=n), time.min, JAKARTA) for n in count(1))


class Midnight:
    """Sets the clock as modules and their tests come."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.turns = turns(clock.now())
        self.at = time.fromisoformat(os.environ[AT])
        self.hours: dict[Path, datetime] = {}
        self.over: dict[str, datetime] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose the test of each module that the hour comes into."""
        chosen = os.environ[TEST]
        modules: dict[Path, list[pytest.Item]] = {}
        for item in items:
            if item.get_closest_marker("midnight"):
                modules.setdefault(item.path, []).append(item)
        for (path, tests), turn in zip(modules.items(), self.turns, strict=False):
            self.hours[path] = datetime.combine(turn.date(), self.at, JAKARTA)
            number = int(chosen) if chosen else len(tests) // 2
            if number < len(tests):
                self.over[tests[number].nodeid] = self.hours[path]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The module's evening, before its servers start."""
        if (hour := self.hours.pop(item.path, None)) is not None:
            self.clock.set(hour - BEFORE)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """The hour."""
        if item.nodeid in self.over:
            self.clock.set(self.over[item.nodeid] - timedelta(seconds=1))


def marked() -> list[str]:
    """The files that have such tests; to import the others, too, takes a quarter of a minute."""
    return [str(path) for path in sorted(TESTS.rglob("test_*.py")) if "mark.midnight" in path.read_text()]


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest for a plugin."""
    config.pluginmanager.register(Midnight(Clock.current()), "the hour")


def main() -> None:
    """Start pytest with a clock."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", default="00:00", help="the hour in Jakarta")
    parser.add_argument("--test", default="", help="the number in its module of the test that it comes into")
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="lumbung-clock-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        clock = Clock(folder, next(turns(datetime.now(UTC))) - BEFORE)
        environ = {**os.environ, **clock.environ, AT: options.at, TEST: options.test}
        command = [sys.executable, "-m", "pytest", "-p", "support.midnight", "-m", "midnight", *arguments]
        if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
            command += marked()
        status = os.spawnve(os.P_WAIT, sys.executable, command, environ)
    sys.exit(status)


if __name__ == "__main__":
    main()
