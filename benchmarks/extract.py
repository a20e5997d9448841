"""PostgreSQL to the lake: our extract beside COPY to nowhere, ADBC, connectorx, pandas and dlt."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.results import RIVALS_PYTHON, ROOT, Measure, Took, in_turn
from benchmarks.watch import program
from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.local.postgres import Postgres
from lumbung.local.services import Services
from lumbung.systems.pinter_skuy.generate import generate

PATHS = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "include")])}
ENVIRON = {**PATHS, "RUNTIME__DLTHUB_TELEMETRY": "false"}
OURS = "Lumbung's extract"


@contextmanager
def source(rows: int) -> Iterator[tuple[Settings, Services]]:
    """Sources of a size, their table in an embedded PostgreSQL; settings and addresses."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # root's PostgreSQL runs as another user
        generate(folder / "sources", enrollments=rows, seed=1)
        settings = Settings.of(home=folder / "home", data_source=folder / "sources")
        with services.running(settings) as addresses:
            yield settings, addresses


def postgres(settings: Settings) -> list[int]:
    """The process of the embedded PostgreSQL that the others belong to."""
    process = Postgres(settings.home).process()
    return [process.pid] if process else []


def measure(rows: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure each way, taking turns."""
    with source(rows) as (settings, addresses):
        dsn = addresses.connections["pinter_skuy"]

        def run(what: str, *command: str | Path) -> Took:
            with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as folder:
                return program(what, [*command, dsn, folder], ENVIRON, *postgres(settings))

        ways = {
            what: partial(run, what, RIVALS_PYTHON, "-m", "benchmarks.rivals", way)
            for what, way in (
                ("COPY binary to nowhere", "copy"),
                ("ADBC to Parquet, bare", "adbc"),
                ("connectorx to Parquet", "connectorx"),
                ("pandas in chunks to Parquet", "pandas"),
                ("dlt, pyarrow backend, to Parquet", "dlt"),
            )
        }
        ways[OURS] = partial(run, OURS, sys.executable, "-m", "benchmarks.ours")
        took = in_turn(ways, rounds, say)
    goal = "at least 4 x faster than dlt, at most 350 MB"
    return [Measure(f"PostgreSQL to the lake, {rows:,} rows", goal, took, ["CPU is with PostgreSQL's."])]
