"""A whole day, sources to marts: `lumbung run` beside a DuckDB script and dlt with the same SQL."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sqlglot

from benchmarks.extract import rival, source
from benchmarks.results import Measure, Took, in_turn, watched
from lumbung.catalog import query as queries
from lumbung.catalog.contract import Catalog
from lumbung.core.settings import Settings, variable
from lumbung.local.bigquery import BigQuery

DAY = "2026-11-10"
SYSTEM = "pinter_skuy"


def statements() -> list[str]:
    """The project's queries as statements for DuckDB, in the order of their references."""
    made = [f"CREATE SCHEMA {name}" for name in ("dwh", "datamart")]
    for contract in queries.build_order(Catalog().contracts.values()):
        if contract.system == SYSTEM:
            query = queries.render(contract, lambda address: address).replace("`", "")
            (query,) = sqlglot.transpile(
                query.replace("@snapshot_date", f"DATE '{DAY}'"), read="bigquery", write="duckdb"
            )
            made.append(f"CREATE TABLE {contract.address} AS {query}")
    return made


def ours(settings: Settings) -> Took:
    """`lumbung run` with servers that run already; memory is the task process's or the server's."""
    environ = {variable("home"): str(settings.home), variable("data_source"): str(settings.data_source)}
    command = [sys.executable, "-m", "lumbung", "run", "--day", DAY, "--refresh"]
    server = BigQuery(settings.home).process()
    began = time.perf_counter()
    _, peak = watched(command, environ, *([server.pid] if server else []))
    return Took("Lumbung, by lumbung run", time.perf_counter() - began, peak)


def measure(rows: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure each way, taking turns."""
    with source(rows) as (settings, dsn):

        def prepare(folder: Path) -> None:
            (folder / "source").write_text(str(settings.data_source))
            (folder / "tables.json").write_text(json.dumps(statements()))

        ways: dict[str, Callable[[], Took]] = {
            what: partial(rival, what, way, dsn, prepare)
            for what, way in (("a DuckDB script", "day-duckdb"), ("dlt and the same SQL", "day-dlt"))
        }
        ways["Lumbung, by lumbung run"] = partial(ours, settings)
        took = in_turn(ways, rounds, say)
    goal = "at most 1.5 x the DuckDB script, at least 3 x faster than dlt and SQL, at most 2 GB"
    notes = [
        "Lumbung's figure has Airflow's start in it, snapshots with manifests, rejects, every check, private builds and"
        " publishing; the others have none of these."
    ]
    return [Measure(f"A day, {rows:,} enrollments", goal, took, notes)]
