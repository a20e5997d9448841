"""`make faults`: all scenarios, or those that are named, at full length."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from faults.activity_kills import run_activity_kills
from faults.contract_kills import run_contract_kills
from faults.engines import run_engines
from faults.environment import FaultEnvironment
from faults.files import run_files
from faults.kills import run_kills
from faults.order import run_order, run_together
from faults.outages import run_outages
from faults.result import Options, Result
from faults.tweet_kills import run_tweet_kills
from lumbung.cli import console

SCENARIOS = {
    "kills": run_kills,
    "tweet-kills": run_tweet_kills,
    "models-stream": run_activity_kills,
    "contracts": run_contract_kills,
    "files": run_files,
    "together": run_together,
    "outages": run_outages,
    "order": run_order,
    "engines": run_engines,
}


def main() -> int:
    """Run the scenarios; 1 where one of them does not hold."""
    usual = Options()
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="default: all")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--files", type=int, default=usual.files)
    parser.add_argument("--days", type=int, default=usual.days)
    parser.add_argument("--rounds", type=int, default=usual.rounds)
    parser.add_argument("--json", type=Path, default=Path(".lumbung/faults.json"), metavar="FILE")
    given = vars(parser.parse_args())
    names, file = given.pop("scenarios") or list(SCENARIOS), given.pop("json")
    results = []
    with FaultEnvironment() as environment:
        for name in names:
            options = replace(usual, **given, say=lambda line, name=name: console.err.print(f"{name}: {line}"))
            try:
                result = SCENARIOS[name](environment, options)
            except Exception:  # noqa: BLE001 - the other scenarios are run nevertheless
                result = Result(name, faults=[traceback.format_exc()])
            results.append(result)
            for fault in result.faults:
                console.err.print(f"{name}: {fault}", style="red", markup=False)
    _table(results)
    file.parent.mkdir(parents=True, exist_ok=True)
    report = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **given, "results": [vars(result) for result in results]}
    file.write_text(json.dumps(report, indent=2))
    console.out.print(f"JSON: {file}")
    if any(result.faults for result in results):
        console.err.print(f"A scenario does not hold. To repeat it: make faults SEED={given['seed']}", style="red")
        return 1
    return 0


def _table(results: list[Result]) -> None:
    numbers = ("tries", "lost", "doubled", "differing checksums", "faults", "seconds")
    rows = [
        (
            result.scenario,
            result.tries,
            result.lost,
            result.doubled,
            result.differing,
            len(result.faults),
            result.seconds,
            ", ".join(f"{count} {what}" for what, count in result.outcomes.items()),
        )
        for result in results
    ]
    console.table("Faults", ("scenario", *numbers, "met"), rows, numbers=numbers)


if __name__ == "__main__":
    sys.exit(main())
