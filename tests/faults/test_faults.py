"""The scenarios of the fault harness in short; `make faults` runs them at full length.

Days in random order are in `tests/system/test_any_order.py` for every day.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from faults.activity_kills import run_activity_kills
from faults.contract_kills import run_contract_kills
from faults.engines import run_engines
from faults.environment import FaultEnvironment
from faults.files import run_files
from faults.kills import run_kills
from faults.order import run_together
from faults.outages import can_mount, run_outages
from faults.result import Options, Result
from faults.tweet_kills import run_tweet_kills
from lumbung.catalog.contract import Catalog
from support import stream

SHORT = Options(
    kills=3, files=60, days=3, rounds=2, outages=("the disk is full", "PostgreSQL restarts while it is read")
)
Scenario = Callable[[FaultEnvironment, Options], Result]


@pytest.fixture(scope="module")
def environment(small_catalog: Catalog) -> Iterator[FaultEnvironment]:
    with FaultEnvironment(small_catalog.root) as environment:
        yield environment


@pytest.mark.parametrize(
    "scenario",
    [
        run_kills,
        run_tweet_kills,
        run_activity_kills,
        run_contract_kills,
        run_files,
        run_together,
        run_outages,
        run_engines,
    ],
)
def test_a_scenario_holds(
    environment: FaultEnvironment, scenario: Scenario, small_tweet_catalog: Catalog, missing: Callable[[str], None]
) -> None:
    if scenario is run_outages and not can_mount():
        missing("the right to mount a small disk")
    if scenario in (run_tweet_kills, run_activity_kills, run_contract_kills) and not stream.has_java_and_maven():
        missing("Java and Maven")
    result = scenario(environment, replace(SHORT, tweet_catalog=small_tweet_catalog.root))
    assert not result.faults
    assert result.tries
    assert (result.lost, result.doubled, result.differing) == (0, 0, 0)


def test_a_difference_is_counted() -> None:
    result = Result("a difference")
    result.compare("try 1", {"dwh.a": ["1", "2", "2"], "dwh.b": []}, {"dwh.a": ["1", "2", "3", "3"], "dwh.c": []})
    assert (result.lost, result.doubled, result.differing, len(result.faults)) == (1, 2, 3, 3)
