import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sqlalchemy

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.local.airflow_database import connected, fail_abandoned, migrate
from lumbung.local.airflow_environment import environment
from lumbung.local.services import Services
from lumbung.orchestrator import single_run
from support import airflow_home


def test_a_run_without_a_scheduler(settings: Settings, running: Services) -> None:
    log, changes = settings.home / "logs" / "good.log", []
    result = single_run.test_run(settings, running, "three", {"day": "2026-11-20"}, log, changes.append)
    assert (result.exit_code, result.errors) == (0, [])
    assert [(task.task_id, task.state) for task in result.tasks] == [(n, "success") for n in ("one", "two", "three")]
    assert [task for task in changes if task.state == "success"] == result.tasks
    assert all(task.start and task.end and task.start <= task.end for task in result.tasks)
    assert airflow_home.states(running, result.run_id) == ["success"] * 4
    assert "Done. Returned value was" in log.read_text()


def test_a_run_after_a_migration_killed_at_its_end(settings: Settings, running: Services) -> None:
    env = environment(settings, running)
    migrate(env, settings.home)
    with connected(running.metadata_url) as connection:
        for table in ("task_instance", "dag_run", "log_template"):
            connection.execute(sqlalchemy.text(f"DELETE FROM {table}"))
    (settings.home / "airflow" / "migrated.json").unlink()
    assert single_run.test_run(settings, running, "three", {}, settings.home / "logs" / "good.log").exit_code == 0


def test_a_run_that_fails_says_why(settings: Settings, running: Services) -> None:
    log = settings.home / "logs" / "bad.log"
    result = single_run.test_run(settings, running, "three", {"fail": True}, log)
    assert (result.exit_code, result.errors) == (1, ["two: file.csv, line 3: it is broken. Fix it."])
    assert {task.task_id: task.state for task in result.tasks} == {
        "one": "success",
        "two": "failed",
        "three": "upstream_failed",
    }
    with pytest.raises(LumbungError, match="there is no nothing in"):
        single_run.test_run(settings, running, "nothing", {}, log)


def states(running: Services) -> list[str]:
    """The states of all runs."""
    with connected(running.metadata_url) as connection:
        return list(connection.scalars(sqlalchemy.text("SELECT state FROM dag_run")))


def test_nothing_runs_before_the_services_answer(settings: Settings, running: Services) -> None:
    log, before, seen = settings.home / "logs" / "waits.log", len(states(running)), []

    def wait() -> None:
        while "Filling up the DagBag" not in log.read_text():  # Airflow has started
            time.sleep(0.1)
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline and len(states(running)) == before:
            time.sleep(0.1)
        seen.append(len(states(running)))

    result = single_run.test_run(settings, replace(running, wait=wait), "three", {}, log)
    assert (result.exit_code, seen, len(states(running))) == (0, [before], before + 1)


def test_a_run_whose_services_do_not_start(settings: Settings, running: Services) -> None:
    def wait() -> None:
        raise LumbungError("the local BigQuery server does not start")

    before = len(states(running))
    with pytest.raises(LumbungError, match="does not start"):
        single_run.test_run(settings, replace(running, wait=wait), "three", {}, settings.home / "logs" / "none.log")
    assert len(states(running)) == before, "no run was made"
    assert not list((settings.home / "airflow" / "runs").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_ends_with_its_command(
    settings: Settings, running: Services, tmp_path: Path, number: signal.Signals
) -> None:
    mark = tmp_path / "mark"
    command = airflow_home.start(settings, "run", str(mark))
    airflow_home.wait_for(mark, command)
    child = psutil.Process(int(mark.read_text()))
    (pid_file,) = (settings.home / "airflow" / "runs").iterdir()
    run = json.loads(pid_file.read_text())
    command.send_signal(number)
    assert command.wait(60) != 0
    airflow_home.wait_for_end(run["pid"])
    assert mark.read_text().endswith(" released"), "the task gave back what it held"
    fail_abandoned(settings.home, running.metadata_url)
    assert not child.is_running() or child.status() == "zombie"
    assert "running" not in airflow_home.states(running, run["run_id"])
    assert "failed" in airflow_home.states(running, run["run_id"])
    assert not pid_file.exists()


def test_a_run_whose_processes_were_all_killed_is_marked_failed(
    settings: Settings, running: Services, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    command = airflow_home.start(settings, "run", str(mark))
    airflow_home.wait_for(mark, command)
    (pid_file,) = (settings.home / "airflow" / "runs").iterdir()
    run = json.loads(pid_file.read_text())
    fail_abandoned(settings.home, running.metadata_url)
    assert airflow_home.states(running, run["run_id"]).count("running") == 2, "one that lives is left alone"
    os.kill(run["pid"], signal.SIGKILL)
    command.kill()
    command.wait()
    deadline = time.monotonic() + 60
    while pid_file.exists():  # its threads may hold the lock for a moment yet
        assert time.monotonic() < deadline
        fail_abandoned(settings.home, running.metadata_url)
    assert sorted(map(str, airflow_home.states(running, run["run_id"]))) == ["None", "failed", "failed", "success"]
    assert not airflow_home.left({run["pid"]})
