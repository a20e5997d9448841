"""The order of runs is disturbed: any order, several at a time, a day twice, a run beside a backfill."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from faults.environment import FaultEnvironment, day_of, fill
from faults.kills import undisturbed
from faults.result import Options, Result, scenario
from support.harness import contents
from support.pipeline import PipelineHarness

AT_ONCE = 4
RERUNS = 0.3  # the share of the days that run once more, somewhere in the order


def run_order(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb the order of the days: random, 1 to 4 at a time, some days twice.

    The snapshots are taken beforehand and in order, so the tables must end as those of days that run one by one.
    """
    choice = random.Random(options.seed)
    days = list(range(options.days))
    with (
        scenario("days in random order") as result,
        environment.harness() as reference,
        environment.harness() as harness,
    ):
        for each in (reference, harness):
            _take_snapshots(each, days)
        for day in days:
            _run(environment, reference, [day], result)
        expected = contents(reference.warehouse)
        order = [*days, *choice.sample(days, max(1, int(RERUNS * len(days))))]
        choice.shuffle(order)
        while order:
            batch = [order.pop() for _ in range(min(len(order), choice.randint(1, AT_ONCE)))]
            _run(environment, harness, batch, result)
            options.say(f"days {', '.join(map(str, batch))}; {len(order)} runs left")
        result.compare("after all days", expected, contents(harness.warehouse))
    return result


def run_together(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb a run by others at the same time: the same day twice, then a backfill of two days beside a run of one."""
    with scenario("runs at the same time") as result:
        rounds = max(1, options.days // 10)
        expected, _ = undisturbed(environment, 3)
        for number in range(rounds):
            with environment.harness() as harness:
                fill(harness, 0)
                _run(environment, harness, [0, 0], result)
                # Each may have taken a snapshot of its own: then there are that many generations.
                result.compare(
                    f"round {number}, a day twice at once", _plain(expected[0]), _plain(contents(harness.warehouse))
                )
                _take_snapshots(harness, [1, 2])
                beside = environment.start(harness, day_of(2))
                for day in (1, 2):
                    _run(environment, harness, [day], result)
                _check("the run beside the backfill", beside.wait(), result)
                result.compare(
                    f"round {number}, a run and a backfill", _plain(expected[2]), _plain(contents(harness.warehouse))
                )
            options.say(f"round {number + 1} of {rounds}")
    return result


def _take_snapshots(harness: PipelineHarness, days: Sequence[int]) -> None:
    for day in days:
        fill(harness, day)
        harness.run(day_of(day)).extract()


def _run(environment: FaultEnvironment, harness: PipelineHarness, days: Sequence[int], result: Result) -> None:
    """Run days at the same time; all of them must succeed."""
    for day, run in [(day, environment.start(harness, day_of(day))) for day in days]:
        _check(f"day {day} of {list(days)}", run.wait(), result)


def _check(what: str, outcome: str | None, result: Result) -> None:
    result.tries += 1
    if outcome != "":
        result.faults.append(f"{what} said {outcome}")


def _plain(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """The tables, freshness without its generations."""
    rows = [json.loads(row) for row in tables["datamart.freshness"]]
    return {**tables, "datamart.freshness": [json.dumps({**row, "generation": 0}) for row in rows]}
