import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.local.airflow_database import connected, migrate, prepare
from lumbung.local.airflow_environment import environment
from lumbung.local.services import Services
from support import airflow_home


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A home with a throw-away DAG."""
    with airflow_home.created() as settings:
        yield settings


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[Services]:
    """The services of that home."""
    with services.running(settings) as running:
        yield running


def test_a_migration_killed_half_way_is_completed(settings: Settings, running: Services) -> None:
    env = environment(settings, running)
    stamp = settings.home / "airflow" / "migrated.json"
    tables = 0
    while not tables:  # killed while it makes its tables
        command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not tables:
            with connected(running.metadata_url) as connection:
                tables = len(sqlalchemy.inspect(connection).get_table_names())
        process.kill()
        process.wait()
    assert not stamp.exists()
    migrate(env, settings.home)
    before = stamp.stat().st_mtime_ns
    migrate(env, settings.home)
    assert stamp.stat().st_mtime_ns == before, "not done twice"
    with connected(running.metadata_url) as connection:
        assert connection.scalar(sqlalchemy.text("SELECT count(*) FROM slot_pool")) == 1


def test_a_backfill_whose_runs_have_all_ended_is_complete_at_the_next_start(
    settings: Settings, running: Services
) -> None:
    """`lumbung backfill` ends its Airflow before a scheduler would say so. One that has a run to come goes on."""
    prepare(settings, running)
    insert = """
        WITH made AS (
            INSERT INTO backfill (
                dag_id, from_date, to_date, dag_run_conf, max_active_runs, reprocess_behavior, created_at, updated_at
            )
            VALUES ('gone', now(), now(), '{}', 1, 'none', now(), now())
            RETURNING id
        ), planned AS (
            INSERT INTO backfill_dag_run (backfill_id, sort_ordinal) SELECT id, 1 FROM made WHERE :planned
        )
        INSERT INTO dag_run (dag_id, run_id, run_type, run_after, state, backfill_id, log_template_id)
        SELECT 'gone', CAST(:run AS text), 'backfill', now(), :state, id, (SELECT max(id) FROM log_template) FROM made
    """
    runs = [("a", "success", True), ("b", "failed", True), ("c", "queued", True), ("d", "running", True)]
    complete = """
        SELECT dag_run.run_id FROM dag_run JOIN backfill ON backfill.id = dag_run.backfill_id
        WHERE backfill.dag_id = 'gone' AND backfill.completed_at IS NOT NULL ORDER BY dag_run.run_id
    """
    with sqlalchemy.create_engine(running.metadata_url).connect() as connection:
        # The last is still being made.
        for run, state, planned in [*runs, ("e", "success", False)]:
            connection.execute(sqlalchemy.text(insert), {"run": run, "state": state, "planned": planned})
        connection.commit()
        prepare(settings, running)
        completed = list(connection.scalars(sqlalchemy.text(complete)))
        for table in ("dag_run", "backfill"):
            connection.execute(sqlalchemy.text(f"DELETE FROM {table} WHERE dag_id = 'gone'"))
        connection.commit()
    assert completed == ["a", "b"]
