"""The path of activity is killed at random moments: replay, lander, what cuts or trains, the broker, or all."""

from __future__ import annotations

import json
import math
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from faults import activity_path
from faults.environment import FaultEnvironment, Started
from faults.kills import CHAIN
from faults.result import Options, Result, scenario
from lumbung.storage.lake import Lake, open_lake
from support import stream

ROWS = 330
FIRST = datetime(2026, 9, 1, 1, tzinfo=UTC)


class Activity:
    """The path of activity in homes of their own, with a broker."""

    def __init__(self, environment: FaultEnvironment, broker: stream.Broker) -> None:
        self.environment, self.broker = environment, broker

    def dataset(self, number: int) -> Path:
        """A dataset: rows in two hours of their own, some of them late, some that cannot be read."""
        file = self.environment.folder / f"activity-{number:03}.ndjson"
        start = FIRST + timedelta(hours=2 * number)
        lines = []
        for index in range(ROWS):
            at = start + timedelta(seconds=20 * index - (900 if index % 37 == 9 else 0))
            row = {
                "student_id": f"student-{index % 23}",
                "course_id": f"course-{index % 7}",
                "rating": 9 if index % 41 == 5 else index % 5 + 1,
                "minutes": index % 60 / 2,
                "device": "phone" if index % 3 else None,
                "completed": index % 4 == 0,
                "event_time": f"{at:%Y-%m-%dT%H:%M:%S}Z",
            }
            lines.append("cut off" if index % 61 == 7 else json.dumps(row))
        file.write_text("\n".join(lines) + "\n")
        return file

    def start(self, home: Path, number: int, *steps: str) -> Started:
        """Start a run of a dataset, or some of its steps."""
        return self.environment.order(
            activity={
                "home": str(home),
                "kafka": self.broker.address,
                "file": str(self.dataset(number)),
                "steps": list(steps or activity_path.STEPS),
            }
        )

    def take(self, home: Path, number: int, *steps: str) -> float:
        """Do it, undisturbed: how many seconds it took.

        Raises:
            AssertionError: it failed.
        """
        began = time.monotonic()
        if (outcome := self.start(home, number, *steps).wait()) != "":
            raise AssertionError(f"a run that nothing disturbed failed: {outcome}")
        return time.monotonic() - began

    def lake(self, home: Path) -> Lake:
        return open_lake(activity_path.settings_of(home, self.broker.address))


def run_activity_kills(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb runs of activity: kill one of their steps, the broker, or both; then run the same again."""
    choice = random.Random(options.seed)
    with (
        scenario("kills of a run of activity") as result,
        stream.running(environment.folder / "kafka-activity") as broker,
    ):
        activity = Activity(environment, broker)
        expected, seconds = _undisturbed(activity, min(CHAIN, options.kills))
        while result.tries < options.kills:
            home = environment.folder / f"activity-killed-{result.tries}"
            for number in range(min(CHAIN, options.kills - result.tries)):
                target = choice.choice([*seconds, "broker", "all"])
                moment = choice.uniform(0, seconds.get(target, sum(seconds.values())))
                _kill_once(activity, home, number, target, moment, expected[number], result)
                options.say(f"kill {result.tries} of {options.kills}: {target} after {moment:.1f} s")
    return result


def _undisturbed(activity: Activity, chain: int) -> tuple[list[dict[str, list[str]]], dict[str, float]]:
    """What each dataset leaves, undisturbed, and the least seconds that each step took."""
    home = activity.environment.folder / "activity-plain"
    contents, seconds = [], dict.fromkeys(activity_path.STEPS, math.inf)
    for number in range(chain):
        for step in seconds:
            seconds[step] = min(seconds[step], activity.take(home, number, step))
        contents.append(activity_path.contents(activity.lake(home)))
    return contents, seconds


def _kill_once(
    activity: Activity,
    home: Path,
    number: int,
    target: str,
    moment: float,
    expected: dict[str, list[str]],
    result: Result,
) -> None:
    """Kill the target after `moment` seconds of a run, or of its step; run the same again, and compare.

    Args:
        activity: the path.
        home: where it runs.
        number: of the dataset.
        target: what is killed.
        moment: when, in seconds.
        expected: what an undisturbed run leaves.
        result: takes what came of it.
    """
    place = f"try {result.tries + 1}, {target} killed after {moment:.2f} s of dataset {number}"
    result.tries += 1
    steps = list(activity_path.STEPS)
    at = steps.index(target) if target in steps else 0
    if at:
        activity.take(home, number, *steps[:at])
    run = activity.start(home, number, *steps[at:])
    time.sleep(moment)
    if target != "broker":
        run.kill()
    if target in ("broker", "all"):
        activity.broker.kill()
        activity.broker.start()
    outcome = run.wait()
    result.outcomes["killed" if outcome is None else "refused" if outcome else "ended well"] += 1
    if outcome and not outcome.startswith("refused: "):
        result.faults.append(f"{place}: the run said {outcome}")
    again = activity.start(home, number).wait()
    if again != "":
        result.faults.append(f"{place}: the run after it said {again}")
    result.compare(place, expected, activity_path.contents(activity.lake(home)))
