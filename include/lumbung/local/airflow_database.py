"""Airflow's metadata database on a laptop: migrated, and cleared of what killed commands left half-done in it."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy

from lumbung.core.locks import locked
from lumbung.core.settings import Settings
from lumbung.core.settings import environment as user_environment
from lumbung.local import processes
from lumbung.local.airflow_environment import PORT, environment, program
from lumbung.local.processes import Process
from lumbung.local.services import METADATA_VARIABLE, Services

RUNS, INSTANCES = (
    sqlalchemy.table(name, *map(sqlalchemy.column, ("dag_id", "run_id", "state", "end_date")))
    for name in ("dag_run", "task_instance")
)
UNFINISHED = ("running", "queued", "scheduled", "up_for_retry", "up_for_reschedule", "deferred")
"""The states of task instances that are not over."""


def prepare(settings: Settings, services: Services, port: int = PORT) -> dict[str, str]:
    """Make Airflow's database ready for its processes.

    Args:
        settings: this process's settings.
        services: where the services are.
        port: where the API server will listen.

    Returns:
        The environment of Airflow's processes.

    Raises:
        LumbungError: the database cannot be migrated.
    """
    env = environment(settings, services, port)
    migrate(env, settings.home)
    fail_abandoned(settings.home, services.metadata_url)
    complete_backfills(services.metadata_url)
    return env


def migrate(env: Mapping[str, str], home: Path) -> None:
    """Migrate the database to the installed version of Airflow; a query if it is there already.

    Args:
        env: the environment of Airflow's processes.
        home: the folder of all local state.

    Raises:
        LumbungError: the migration failed; the message holds the end of its log.
    """
    stamp, log = home / "airflow" / "migrated.json", home / "logs" / "migrate.log"
    version = importlib.metadata.version("apache-airflow")
    url = env[METADATA_VARIABLE]
    with locked(home / "airflow" / "migrate.lock", fcntl.LOCK_EX):
        # Airflow writes the revision before its last rows (the default pool, log templates), so the database of a
        # killed migration may look finished: the stamp is written only after a migration ended well. The stamp alone
        # is not enough either: the database may have been emptied or replaced since, which its revision shows.
        if processes.read_json(stamp) == {"version": version, "revision": _revision(url)}:
            return
        process = processes.start([program(), "db", "migrate"], env=env, log=log, dies_with_parent=True)
        leader = Process.of(process.pid)
        try:
            status = process.wait()
        finally:
            # On Ctrl-C it is killed at once, as it would go on without the lock; the next command completes it.
            processes.end_sessions([leader], grace=0)
        if status:
            raise processes.error_with_log("Airflow's database cannot be migrated", log, "run the command again")
        processes.write_json(stamp, {"version": version, "revision": _revision(url)})


def _revision(url: str) -> str | None:
    with connected(url) as connection:
        if not sqlalchemy.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
        return revision


@contextlib.contextmanager
def connected(url: str) -> Iterator[sqlalchemy.Connection]:
    """A transaction on Airflow's database, committed at the end.

    Args:
        url: SQLAlchemy address of the database.
    """
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def runs_folder(home: Path) -> Path:
    """The folder of the single runs' pid files, one for each run that is going on.

    A file holds `dag_id`, `run_id`, `pid` and `created`, and is locked for as long as its run lives: the run's process
    inherits the lock's descriptor, so a command that is killed does not release it.

    Args:
        home: the folder of all local state.
    """
    return home / "airflow" / "runs"


def fail_abandoned(home: Path, metadata_url: str) -> None:
    """Mark the single runs as failed whose processes were killed.

    They would stay `running` for ever, and a scheduler that starts later would adopt them and run the rest of their
    tasks.

    Args:
        home: the folder of all local state.
        metadata_url: SQLAlchemy address of Airflow's database.
    """
    for path in runs_folder(home).glob("*.json"):
        # A file that is locked belongs to a run that is alive.
        with contextlib.suppress(BlockingIOError), locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if path.stat().st_size:  # else the command was killed before it started the run
                run = json.loads(path.read_text())
                # The leader is gone, but a task in its session may go on and write to the warehouse.
                processes.end_sessions([Process(run["pid"], run["created"])], grace=0)
                fail_run(metadata_url, run["dag_id"], run["run_id"])
            path.unlink()


def fail_run(metadata_url: str, dag_id: str, run_id: str) -> None:
    """Mark a run and its unfinished tasks as failed, if it is `running`.

    Args:
        metadata_url: SQLAlchemy address of Airflow's database.
        dag_id: the run's DAG.
        run_id: Airflow's id of the run.
    """
    _fail(metadata_url, RUNS.c.dag_id == dag_id, RUNS.c.run_id == run_id, RUNS.c.state == "running")


def fail_unfinished(metadata_url: str) -> list[tuple[str, str]]:
    """Mark every run as failed that is queued or running, and its backfill as complete.

    Only for a command that has the home to itself: no scheduler and no single run is alive. A database that the user
    has set is left alone, as an Airflow elsewhere may be at work in it.

    Args:
        metadata_url: SQLAlchemy address of Airflow's database.

    Returns:
        DAG and run id of each.
    """
    if METADATA_VARIABLE in user_environment():
        return []
    failed = _fail(metadata_url, RUNS.c.state.in_(("queued", "running")))
    complete_backfills(metadata_url)
    return failed


def _fail(metadata_url: str, *which: sqlalchemy.ColumnElement[bool]) -> list[tuple[str, str]]:
    now = {"state": "failed", "end_date": datetime.now(UTC)}
    with connected(metadata_url) as connection:
        failed = [(row.dag_id, row.run_id) for row in connection.execute(sqlalchemy.select(RUNS).where(*which))]
        for dag_id, run_id in failed:
            for table, states in ((RUNS, ("queued", "running")), (INSTANCES, UNFINISHED)):
                where = (table.c.dag_id == dag_id, table.c.run_id == run_id, table.c.state.in_(states))
                connection.execute(table.update().where(*where).values(now))
    return failed


def complete_backfills(metadata_url: str) -> None:
    """Mark the backfills as complete whose runs have all ended, as a scheduler does every half minute.

    `lumbung backfill` ends its Airflow before that, and the next backfill of the DAG would wait for this one. One that
    has no planned runs is still being created.

    Args:
        metadata_url: SQLAlchemy address of Airflow's database.
    """
    statement = """
        UPDATE backfill SET completed_at = :now
        WHERE
            completed_at IS NULL
            AND EXISTS (SELECT 1 FROM backfill_dag_run AS planned WHERE planned.backfill_id = backfill.id)
            AND NOT EXISTS (
                SELECT 1 FROM dag_run AS run WHERE run.backfill_id = backfill.id AND run.state IN ('queued', 'running')
            )
    """
    with connected(metadata_url) as connection:
        connection.execute(sqlalchemy.text(statement), {"now": datetime.now(UTC)})
