"""Whole days, sources to marts: `lumbung run` beside what one would use instead.

The days of a way follow each other in one home: the first day, the same day again, and the next day, on which one row
of a hundred of the two large sources is new or different. All ways must make the same tables of each day.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks import contents
from benchmarks.contents import Contents
from benchmarks.extract import ENVIRON, postgres, source
from benchmarks.peer import project
from benchmarks.peer.run import Peer
from benchmarks.results import RIVALS_PYTHON, Measure, Took, described, medians
from benchmarks.watch import whole
from lumbung.core.settings import Settings, variable
from lumbung.local.airflow_database import prepare
from lumbung.local.bigquery import BigQuery
from lumbung.storage.warehouse import Warehouse

DAY, NEXT_DAY = "2026-11-10", "2026-11-11"
FIRST, AGAIN, REFRESHED, CHANGED = "first", "again", "refresh", "changed"
STAGES = (FIRST, AGAIN, REFRESHED, CHANGED)
DATABASE = "day.duckdb"
DUCKDB, DLT, PEER, OURS = "a DuckDB script", "dlt and the same SQL", "dlt, dbt-duckdb and cosmos", "lumbung run"
WAYS = {"duckdb": DUCKDB, "dlt": DLT, "peer": PEER, "lumbung": OURS}
ONE_OF = 100
TABLE = "course_enrollment"
GOALS = {
    FIRST: "at most 1.8 x the wall clock and 2 x the CPU of the DuckDB script; at most half of dlt, dbt and cosmos",
    AGAIN: "at most 0.4 x the first day",
    REFRESHED: "at most 0.4 x the first day",
    CHANGED: "less than the first day",
}
TITLES = {
    FIRST: "A day, {:,} enrollments",
    AGAIN: "The same day again, {:,} enrollments",
    REFRESHED: "The same day again, sources read again, {:,} enrollments",
    CHANGED: "The next day, 1 % changed, {:,} enrollments",
}
NOTE = (
    "CPU is that of all processes, with the BigQuery server's and PostgreSQL's. The DuckDB script has no checks, no"
    " snapshots, no Airflow; dlt and the same SQL has none either. The peer has Airflow and the same checks as dbt"
    " tests; it keeps no snapshots and no rejects, and what fails a test is there all the same. Lumbung makes two more"
    " tables, from a workbook."
)


class Way(NamedTuple):
    """One way, in a home of its own.

    Attributes:
        run: runs a day: the stage, the day, the folder of the files.
        contents: what it has made of a day.
    """

    run: Callable[[str, str, Path], Took]
    contents: Callable[[str], Contents]


def statements() -> str:
    """The project's queries as statements for DuckDB, in the order of their references; JSON."""
    made = [f"CREATE SCHEMA IF NOT EXISTS {name}" for name in ("dwh", "datamart")]
    for contract in project.tables()[1]:
        query = project.duckdb(project.rendered(contract, lambda address: address), "'{day}'")
        made.append(f"CREATE OR REPLACE TABLE {contract.address} AS {query}")
    return json.dumps(made)


class Sources:
    """The sources of the first day, and of the next one."""

    def __init__(self, settings: Settings, dsn: str) -> None:
        self.first, self.dsn = settings.data_source, dsn
        self.next = settings.data_source.with_name("sources-next")
        self.next.mkdir()
        for file in self.first.iterdir():
            if file.name != "student.json":
                (self.next / file.name).hardlink_to(file)
        with (self.first / "student.json").open() as old, (self.next / "student.json").open("w") as new:
            for number, line in enumerate(old):
                new.write(line.replace("(0800)", "(0811)") if number % ONE_OF == 0 else line)
        with psycopg.connect(dsn) as connection:
            condition = f"abs(hashtext(student_id || course_id)) % {ONE_OF} = 0"
            connection.execute(f"CREATE TABLE later AS SELECT * FROM {TABLE} WHERE {condition}")
            connection.execute(f"DELETE FROM {TABLE} WHERE {condition}")
        self.vacuum()

    @contextmanager
    def changed(self) -> Iterator[Path]:
        """Have the rows of the next day in the table; gives the folder of its files."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(f"INSERT INTO {TABLE} SELECT * FROM later")
        yield self.next
        with psycopg.connect(self.dsn) as connection:
            connection.execute(f"DELETE FROM {TABLE} USING later WHERE {TABLE} = later")
        self.vacuum()

    def vacuum(self) -> None:
        """Drop what was deleted, so that no way pays for it."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"VACUUM {TABLE}")


def script(what: str, way: str, settings: Settings, dsn: str, folder: Path) -> Way:
    """One of the scripts, in an empty folder."""
    (folder / "tables.json").write_text(statements())

    def run(_stage: str, day: str, files: Path) -> Took:
        environ = {**ENVIRON, "DAY": day, "DAY_SOURCE": str(files)}
        return whole(what, [RIVALS_PYTHON, "-m", "benchmarks.rivals", way, dsn, folder], environ, *postgres(settings))

    return Way(run, partial(contents.of_duckdb, folder / DATABASE))


def peer(settings: Settings, dsn: str, folder: Path) -> Way:
    """The peer, in an empty folder."""
    home = Peer(folder, dsn)

    def run(_stage: str, day: str, files: Path) -> Took:
        return whole(PEER, home.command(), home.day(day, files), *postgres(settings))

    return Way(run, partial(contents.of_duckdb, folder / DATABASE))


def ours(settings: Settings, dsn: str, _folder: Path) -> Way:
    """`lumbung run` with servers that run already, an empty lake and an empty warehouse."""
    server = BigQuery(settings.home)
    server.stop()
    for part in ("bigquery", "lake"):
        shutil.rmtree(settings.home / part, ignore_errors=True)
    server.launch()
    server.wait()

    def run(stage: str, day: str, files: Path) -> Took:
        environ = {
            variable("home"): str(settings.home),
            variable("data_source"): str(files),
            "AIRFLOW_CONN_PINTER_SKUY": dsn,  # so that the table is taken as it is, and not filled from its file
        }
        command = [sys.executable, "-m", "lumbung", "run", "--day", day]
        command += ["--refresh"] if stage == REFRESHED else []
        process = server.process()
        assert process
        return whole(OURS, command, environ, process.pid, *postgres(settings))

    warehouse = Warehouse(settings.replace(emulator_host=server.address))
    return Way(run, partial(contents.of_warehouse, warehouse))


def measure(
    rows: int, rounds: int, stages: Sequence[str], names: Sequence[str], say: Callable[[str], object]
) -> list[Measure]:
    """Measure ways, taking turns; each round begins with nothing.

    Args:
        rows: enrollments of the first day, and of the next one that are new.
        rounds: how often.
        stages: which of `STAGES` are results; the first day always is run.
        names: which of `WAYS`.
        say: is given lines of progress.

    Raises:
        SystemExit: a day failed, or two ways did not make the same.
    """
    took: dict[str, dict[str, list[Took]]] = {stage: {} for stage in STAGES}
    made: dict[str, tuple[str, Contents]] = {}  # by day: who made it first, and what
    with source(rows) as (settings, addresses):
        dsn = addresses.connections["pinter_skuy"]
        prepare(settings, addresses)
        sources = Sources(settings, dsn)
        begin: dict[str, Callable[[Path], Way]] = {
            DUCKDB: partial(script, DUCKDB, "day-duckdb", settings, dsn),
            DLT: partial(script, DLT, "day-dlt", settings, dsn),
            PEER: partial(peer, settings, dsn),
            OURS: partial(ours, settings, dsn),
        }
        for number in range(rounds):
            for what in (WAYS[name] for name in names):
                with tempfile.TemporaryDirectory(prefix="lumbung-bench-") as folder:
                    way = begin[what](Path(folder))
                    for stage in _of(what, stages):
                        result = _run(way, stage, sources)
                        found = way.contents(day := _day(stage))
                        _compare(day, *made.setdefault(day, (what, found)), what, found)
                        took[stage].setdefault(what, []).append(result)
                        say(f"{rows:,} rows, {stage}, {what}, round {number + 1}: {described(result)}")
    return [
        Measure(TITLES[stage].format(rows), GOALS[stage], _shown(took, stage), [NOTE])
        for stage in STAGES
        if stage in stages and took[stage]
    ]


def _of(what: str, stages: Sequence[str]) -> list[str]:
    return [stage for stage in STAGES if stage in {FIRST, *stages} and (stage != REFRESHED or what == OURS)]


def _day(stage: str) -> str:
    return NEXT_DAY if stage == CHANGED else DAY


def _run(way: Way, stage: str, sources: Sources) -> Took:
    if stage == CHANGED:
        with sources.changed() as files:
            return way.run(stage, NEXT_DAY, files)
    return way.run(stage, DAY, sources.first)


def _compare(day: str, first: str, expected: Contents, what: str, found: Contents) -> None:
    if different := [table for table in expected if found[table] != expected[table]]:
        lines = [f"{table}: {expected[table]} and {found[table]}" for table in different]
        raise SystemExit("\n".join([f"{first} and {what} did not make the same of {day}:", *lines]))


def _shown(took: dict[str, dict[str, list[Took]]], stage: str) -> list[Took]:
    """The ways of a stage; of a later one beside the first day of `lumbung run`, where that was measured."""
    ways = [medians(each) for each in took[stage].values()]
    if stage == FIRST or OURS not in took[FIRST]:
        return ways
    return [replace(medians(took[FIRST][OURS]), what="lumbung run, the first day"), *ways]
