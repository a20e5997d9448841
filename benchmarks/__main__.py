"""`make bench`: all measures, or those that are named; writes the results to docs/reference.

extract    PostgreSQL to the lake, beside COPY, ADBC, connectorx, pandas and dlt
day        a day from sources to marts, again, and with 1 % changed, beside a DuckDB script, dlt, and
           dlt + dbt-duckdb + cosmos; STAGES says which of `first again refresh changed`, WAYS which of
           `duckdb dlt peer lumbung`
json       a million students in JSON beside DuckDB's read_json
warm       a warm run of the sample data beside an empty DAG
backfill   five and thirty days of the sample data beside days of tasks that do nothing
landings   a version of ten times as many landings
year       a year of days: time and the server's memory
parse publish kafka replay batches clean train api contracts
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

from benchmarks import (
    activity_batches,
    airflow,
    clean_tweets,
    contracts,
    day,
    extract,
    json_rows,
    kafka_land,
    landings,
    models_api,
    publish,
    replay,
    train_models,
    year,
)
from benchmarks.results import Measure, ratios, write
from lumbung.cli import console

PUBLISHES = 100
SIZES = [10_000, 100_000, 1_000_000, 10_000_000]

Say = Callable[[str], object]


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measures", nargs="*", help="default: all")
    parser.add_argument("--enrollments", type=int, nargs="+", default=SIZES, help="sizes of extract and day")
    parser.add_argument(
        "--stages", nargs="+", choices=day.STAGES, default=day.STAGES, help="of day; first always is run"
    )
    parser.add_argument("--ways", nargs="+", choices=day.WAYS, default=[*day.WAYS], help="of day")
    parser.add_argument("--students", type=int, default=1_000_000)
    parser.add_argument("--contracts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=365, help="of year")
    parser.add_argument("--backfill-days", type=int, nargs="+", default=[5, 30])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rounds = given.rounds
    measures: dict[str, list[Callable[[Say], list[Measure]]]] = {
        "extract": [partial(extract.measure, rows, rounds) for rows in given.enrollments],
        "day": [partial(day.measure, rows, rounds, given.stages, given.ways) for rows in given.enrollments],
        "json": [partial(json_rows.measure, given.students, rounds)],
        "warm": [partial(airflow.warm, rounds)],
        "backfill": [partial(airflow.backfill, days, rounds) for days in given.backfill_days],
        "parse": [partial(airflow.parse, rounds)],
        "landings": [partial(landings.measure, rounds)],
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
    if unknown := set(given.measures) - measures.keys():
        parser.error(f"{', '.join(unknown)}: not one of {', '.join(measures)}")
    for name in given.measures or measures:
        began = time.perf_counter()
        for run in measures[name]:
            results = run(say)
            write(results, {"rounds": rounds})
            for result in results:
                show(result)
        say(f"{name}: {time.perf_counter() - began:.0f} s in all")


def say(line: str) -> None:
    """Print a line of progress."""
    console.err.print(line, soft_wrap=True, markup=False)


def show(result: Measure) -> None:
    """Print the ways of a measure, with ratios to the first."""
    numbers = ("seconds", "ratio", "CPU s", "CPU ratio", "peak MB")
    rows = []
    for took in result.took:
        ratio = ratios(result.took[0], took)
        values = (took.seconds, ratio["ratio"], took.cpu, ratio["cpu_ratio"])
        shown = ["" if value is None else f"{value:.2f}" for value in values]
        rows.append((took.what, *shown, "" if took.peak_mb is None else f"{took.peak_mb:.0f}"))
    console.table(f"{result.name} ({result.goal})", ("", *numbers), rows, numbers=numbers)


if __name__ == "__main__":
    main()
