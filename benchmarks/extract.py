"""PostgreSQL to the lake: our extract beside COPY to nowhere, ADBC, connectorx, pandas and dlt."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.results import RIVALS_PYTHON, Measure, Took, in_turn, program
from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.systems.pinter_skuy.generate import generate

HERE = Path(__file__).parent
ENVIRON = {"PYTHONPATH": str(HERE.parent / "include"), "RUNTIME__DLTHUB_TELEMETRY": "false"}


@contextmanager
def source(rows: int) -> Iterator[tuple[Settings, str]]:
    """Sources of a size, their table in an embedded PostgreSQL; settings and its address."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # root's PostgreSQL runs as another user
        generate(folder / "sources", enrollments=rows, seed=1)
        settings = Settings.of(home=folder / "home", data_source=folder / "sources")
        with services.running(settings) as addresses:
            yield settings, addresses.connections["pinter_skuy"]


def rival(what: str, way: str, dsn: str, prepare: Callable[[Path], object] = lambda _: None) -> Took:
    """Run one of the others in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as folder:
        prepare(Path(folder))
        return program(what, [RIVALS_PYTHON, HERE / "rivals.py", way, dsn, folder], ENVIRON)


def ours(what: str, dsn: str) -> Took:
    """Run our extract in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as folder:
        return program(what, [sys.executable, HERE / "ours.py", dsn, folder], ENVIRON)


def measure(rows: int, rounds: int, say: Callable[[str], object]) -> list[Measure]:
    """Measure each way, taking turns."""
    with source(rows) as (_, dsn):
        ways: dict[str, Callable[[], Took]] = {
            what: partial(rival, what, way, dsn)
            for what, way in (
                ("COPY binary to nowhere", "copy"),
                ("ADBC to Parquet, bare", "adbc"),
                ("connectorx to Parquet", "connectorx"),
                ("pandas in chunks to Parquet", "pandas"),
                ("dlt, pyarrow backend, to Parquet", "dlt"),
            )
        }
        ways["Lumbung's extract"] = partial(ours, "Lumbung's extract", dsn)
        took = in_turn(ways, rounds, say)
    goal = "at most 2.6 x COPY to nowhere, at least 4 x faster than dlt, at most 350 MB"
    return [Measure(f"PostgreSQL to the lake, {rows:,} rows", goal, took)]
