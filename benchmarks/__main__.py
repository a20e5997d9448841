"""`make bench`: all measures, or those that are named; writes the results to docs/reference."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from benchmarks import (
    activity_batches,
    airflow,
    clean_tweets,
    contracts,
    day,
    extract,
    kafka_land,
    models_api,
    publish,
    replay,
    train_models,
    year,
)
from benchmarks.results import Measure, write
from lumbung.cli import console

PUBLISHES = 100
GROWTH = (100, 10)  # the sizes before the last one are this part of it


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    names = (
        "extract",
        "day",
        "airflow",
        "year",
        "publish",
        "kafka",
        "replay",
        "batches",
        "clean",
        "train",
        "api",
        "contracts",
    )
    parser.add_argument("measures", nargs="*", choices=[[], *names], help="default: all")
    parser.add_argument("--enrollments", type=int, default=10_000_000)
    parser.add_argument("--contracts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rows, rounds = given.enrollments, given.rounds
    sizes = [*(rows // part for part in GROWTH), rows]
    measures: dict[str, list[Callable[[Callable[[str], object]], list[Measure]]]] = {
        "extract": [partial(extract.measure, size, rounds) for size in sizes],
        "day": [partial(day.measure, size, rounds) for size in sizes],
        "airflow": [partial(airflow.measure, rounds)],
        "year": [partial(year.measure, given.days)],
        "publish": [partial(publish.measure, PUBLISHES)],
        "kafka": [partial(kafka_land.measure, 10_000, rounds)],
        "batches": [partial(activity_batches.measure, 200_000, rounds)],
        "clean": [partial(clean_tweets.measure, 500_000, max(rounds, 5))],
        "replay": [partial(replay.measure, 500_000, rounds)],
        "api": [partial(models_api.measure, rounds)],
        "train": [partial(train_models.measure, 500_000, rounds)],
        "contracts": [partial(contracts.measure, given.contracts, rounds)],
    }
    for name in given.measures or names:
        for run in measures[name]:
            results = run(lambda line: console.err.print(line, soft_wrap=True, markup=False))
            write(results, {"rounds": rounds})
            for result in results:
                took = [
                    (way.what, f"{way.seconds:.2f}", f"{way.seconds / result.took[0].seconds:.2f}", way.peak_mb or "")
                    for way in result.took
                ]
                numbers = ("seconds", "ratio", "peak MB")
                console.table(f"{result.name} ({result.goal})", ("", *numbers), took, numbers=numbers)


if __name__ == "__main__":
    main()
