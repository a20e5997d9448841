"""Runs of contract events are killed in each of their steps: the task with the Sail in it, the broker, or both."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

from faults import contract_path
from faults.environment import FaultEnvironment, Started, day_of
from faults.result import Options, Result, scenario
from lumbung.systems.contract_events.generate import generate
from support import stream
from support.contracts_harness import STAGES, ContractsHarness

# Days of one home: each begins with what the kills before it left.
CHAIN = 5
CONTRACTS, SEED = 150, 4
# A run takes longer than one of enrollments; 20 of the usual 200.
SHARE = 0.1
# What is killed in which step. Sail runs inside the task, in `events`; messages are sent in `send`.
PLACES = (
    *(("task", stage) for stage in ("send", "events", "publish", "snapshot", "build", "extract")),
    *(("broker", stage) for stage in ("send", "events")),
    *(("all", stage) for stage in ("send", "events")),
    *(("task", stage) for stage in ("load", "contract_event_run", "version", "send", "events")),
)
LONGEST_WAIT = 60


class Contracts:
    """The path of contract events in homes of its own, with a broker."""

    def __init__(self, environment: FaultEnvironment, broker: stream.Broker) -> None:
        self.environment, self.broker, self._numbers = environment, broker, itertools.count()

    @contextlib.contextmanager
    def harness(self) -> Iterator[ContractsHarness]:
        """Sources, a topic, a lake and a warehouse of their own."""
        order = {
            "home": f"{self.environment.folder}/contracts-{next(self._numbers)}",
            "server": self.environment.bigquery.address,
            "kafka": self.broker.address,
            "name": "",
        }
        with contextlib.closing(contract_path.open_harness(order)) as harness:
            yield harness

    def fill(self, harness: ContractsHarness, number: int) -> None:
        """Let the sources be those of the day with that number."""
        # Ten steps: so few contracts change in one that there would be one transaction.
        generate(harness.settings.contract_events.source, contracts=CONTRACTS, seed=SEED, step=10 * number)

    def start(self, harness: ContractsHarness, number: int) -> tuple[Started, Path]:
        """Start a run of a day; gives it, and the file of the stages that it has begun."""
        progress = harness.folder / f"progress-{next(self._numbers)}"
        progress.touch()
        run = self.environment.order(
            contracts={
                "home": str(harness.folder),
                "server": self.environment.bigquery.address,
                "kafka": self.broker.address,
                "name": harness.name,
                "day": f"{day_of(number)}",
                "progress": str(progress),
            }
        )
        return run, progress

    def take(self, harness: ContractsHarness, number: int) -> str | None:
        """Run a day: what `Started.wait` gives."""
        return self.start(harness, number)[0].wait()


def run_contract_kills(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb runs of contract events: kill the task, the broker, or both, in each step; then run the day again."""
    kills = max(min(3, options.kills), int(SHARE * options.kills))
    choice = random.Random(options.seed)
    # Each place comes once before any comes again.
    places = list(itertools.islice(itertools.cycle(PLACES), kills))
    if kills >= len(PLACES):
        choice.shuffle(places)
    with (
        scenario("kills of a run of contract events") as result,
        stream.running(environment.folder / "kafka-contracts") as broker,
    ):
        contracts = Contracts(environment, broker)
        expected, seconds = _undisturbed(contracts, min(CHAIN, kills))
        while result.tries < kills:
            with contracts.harness() as harness:
                for number in range(min(CHAIN, kills - result.tries)):
                    target, stage = places[result.tries]
                    moment = choice.uniform(0, seconds[stage])
                    _kill_once(contracts, harness, number, target, stage, moment, expected[number], result)
                    options.say(f"kill {result.tries} of {kills}: {target} after {moment:.2f} s of {stage}")
    return result


def _undisturbed(contracts: Contracts, days: int) -> tuple[list[dict[str, list[str]]], dict[str, float]]:
    """What each of the days leaves, and the seconds that each stage takes."""
    tables, seconds = [], dict.fromkeys(STAGES, 0.0)
    with contracts.harness() as harness:
        for number in range(days):
            contracts.fill(harness, number)
            run, progress = contracts.start(harness, number)
            began: dict[str, float] = {}
            while run.process.is_alive:
                for stage in progress.read_text().split():
                    began.setdefault(stage, time.monotonic())
                time.sleep(0.005)
            if outcome := run.wait():
                raise AssertionError(f"a run that nothing disturbed failed: {outcome}")
            ends = [*list(began.values())[1:], time.monotonic()]
            for stage, end in zip(began, ends, strict=True):
                seconds[stage] = max(seconds[stage], end - began[stage])
            tables.append(contract_path.contents(harness))
    return tables, seconds


def _kill_once(
    contracts: Contracts,
    harness: ContractsHarness,
    number: int,
    target: str,
    stage: str,
    moment: float,
    expected: dict[str, list[str]],
    result: Result,
) -> None:
    """Kill the target after `moment` seconds of a stage, run the day again, and compare topic, lake and tables.

    Args:
        contracts: the path.
        harness: where it runs.
        number: of the day.
        target: what is killed.
        stage: in which stage.
        moment: when in it, in seconds.
        expected: what an undisturbed run leaves.
        result: takes what came of it.
    """
    place = f"try {result.tries + 1}, {target} killed after {moment:.2f} s of {stage} of day {number}"
    result.tries += 1
    contracts.fill(harness, number)
    run, progress = contracts.start(harness, number)
    until = time.monotonic() + LONGEST_WAIT
    while stage not in progress.read_text().split():
        assert run.process.is_alive, f"{place}: the run ended before: {run.wait()}"
        assert time.monotonic() < until, place
        time.sleep(0.002)
    time.sleep(moment)
    if target != "broker":
        run.kill()
    if target != "task":
        contracts.broker.kill()
        contracts.broker.start()
    outcome = run.wait()
    result.outcomes["killed" if outcome is None else "refused" if outcome else "ended well"] += 1
    if outcome and not outcome.startswith("refused: "):
        result.faults.append(f"{place}: the run said {outcome}")
    if (again := contracts.take(harness, number)) != "":
        result.faults.append(f"{place}: the run after it said {again}")
    result.compare(place, expected, contract_path.contents(harness))
    verified = harness.verify()
    if verified.counts or verified.messages != len(expected["topic"]):
        result.faults.append(f"{place}: the topic is not as the lake: {verified}")
    if (again := contracts.take(harness, number)) != "":
        result.faults.append(f"{place}: the second run after it said {again}")
    result.compare(f"{place}, run a second time", {"topic": expected["topic"]}, {"topic": contract_path.topic(harness)})
