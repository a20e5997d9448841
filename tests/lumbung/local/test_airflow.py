import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy

from lumbung.core import settings as lumbung_settings
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.local import airflow, services

DAG = '''
import os
import subprocess
import time
from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

@dag(schedule=None)
def three():
    @task
    def one():
        """Nothing."""

    @task
    def two():
        conf = get_current_context()["dag_run"].conf
        if conf.get("fail"):
            raise AirflowFailException("file.csv, line 3: it is broken. Mend it.")
        if mark := conf.get("sleep"):
            child = subprocess.Popen(["sleep", "300"])
            try:
                open(mark, "w").write(str(child.pid))
                time.sleep(300)
            finally:
                open(mark, "a").write(" released")

    @task
    def three():
        """Nothing."""

    one() >> two() >> three()

three()
'''
COMMAND = """
import json, sys
from pathlib import Path
from lumbung.local import airflow, services
from lumbung.core.settings import Settings
settings = Settings.model_validate(json.loads(sys.argv[2]))
if sys.argv[1] == "up":
    airflow.up(settings)
else:
    with services.running(settings) as running:
        airflow.test_run(settings, running, "three", {"sleep": sys.argv[3]}, settings.home / "run.log")
"""


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A home with a throw-away DAG; no test here needs a warehouse. Not in pytest's folder, as in test_services.py."""
    with tempfile.TemporaryDirectory(prefix="lumbung airflow ") as folder:
        yield from made(Path(folder))


def made(folder: Path) -> Iterator[Settings]:
    (folder / "dags").mkdir()
    (folder / "dags" / "three.py").write_text(DAG)
    (folder / "course_enrollment.csv").write_text("student_id,course_id\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(folder / "dags"))
        patch.delenv("AIRFLOW__API__PORT", raising=False)
        yield Settings.of(home=folder / "home", data_source=folder, emulator_host="http://127.0.0.1:1")


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[services.Services]:
    with services.running(settings) as running:
        yield running


def start(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    what, *rest = arguments
    command = [sys.executable, "-c", COMMAND, what, settings.model_dump_json(exclude_none=True), *rest]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(path: Path, command: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() or not path.read_text():
        assert command.poll() is None, command.stdout and command.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def left(sessions: set[int]) -> list[str]:
    return [
        process.info["name"]
        for process in psutil.process_iter(["name", "status"])
        if process.info["status"] != "zombie" and psutil.pid_exists(process.pid) and os.getsid(process.pid) in sessions
    ]


def sessions(settings: Settings) -> set[int]:
    return {told["pid"] for told in json.loads((settings.home / "airflow" / "stack.json").read_text()).values()}


def states(running: services.Services, run_id: str) -> list[str | None]:
    engine = sqlalchemy.create_engine(running.metadata_url)
    query = (
        "SELECT state FROM dag_run WHERE run_id = :run UNION ALL SELECT state FROM task_instance WHERE run_id = :run"
    )
    with engine.connect() as connection:
        return list(connection.scalars(sqlalchemy.text(query), {"run": run_id}))


def test_children_agree_on_every_setting(settings: Settings, running: services.Services) -> None:
    env = airflow.environment(settings, running)
    assert lumbung_settings.load(env) == settings
    assert env["AIRFLOW_CONN_PINTER_SKUY"] == running.connections["pinter_skuy"]
    assert env == airflow.environment(settings, running), "keys are made once"
    for path in ("secrets.json", "passwords.json"):
        assert (settings.home / "airflow" / path).stat().st_mode & 0o777 == 0o600
    google = airflow.environment(
        Settings.of(home=settings.home, project="my-project"),
        services.Services(running.connections, None, running.metadata_url),
    )
    assert "BIGQUERY_EMULATOR_HOST" not in google
    assert json.loads(google["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"])["extra"] == {"project": "my-project"}


def test_a_migration_killed_half_way_is_completed(settings: Settings, running: services.Services) -> None:
    env = airflow.environment(settings, running)
    stamp = settings.home / "airflow" / "migrated.json"
    tables = 0
    while not tables:  # killed while it makes its tables
        command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not tables:
            with airflow._engine(running.metadata_url) as engine:
                tables = len(sqlalchemy.inspect(engine).get_table_names())
        process.kill()
        process.wait()
    assert not stamp.exists()
    airflow.migrate(env, settings.home)
    before = stamp.stat().st_mtime_ns
    airflow.migrate(env, settings.home)
    assert stamp.stat().st_mtime_ns == before, "not done twice"
    with airflow._engine(running.metadata_url) as engine, engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT count(*) FROM slot_pool")) == 1


def test_a_run_without_a_scheduler(settings: Settings, running: services.Services) -> None:
    log, told = settings.home / "logs" / "good.log", []
    result = airflow.test_run(settings, running, "three", {"day": "2026-11-20"}, log, told.append)
    assert (result.exit_code, result.errors) == (0, [])
    assert [(task.task_id, task.state) for task in result.tasks] == [(n, "success") for n in ("one", "two", "three")]
    assert [task for task in told if task.state == "success"] == result.tasks
    assert all(task.start and task.end and task.start <= task.end for task in result.tasks)
    assert states(running, result.run_id) == ["success"] * 4
    assert "Done. Returned value was" in log.read_text()


def test_a_run_after_a_migration_killed_at_its_end(settings: Settings, running: services.Services) -> None:
    env = airflow.environment(settings, running)
    airflow.migrate(env, settings.home)
    with airflow._engine(running.metadata_url) as engine, engine.begin() as connection:
        for table in ("task_instance", "dag_run", "log_template"):
            connection.execute(sqlalchemy.text(f"DELETE FROM {table}"))
    (settings.home / "airflow" / "migrated.json").unlink()
    assert airflow.test_run(settings, running, "three", {}, settings.home / "logs" / "good.log").exit_code == 0


def test_a_run_that_fails_says_why(settings: Settings, running: services.Services) -> None:
    log = settings.home / "logs" / "bad.log"
    result = airflow.test_run(settings, running, "three", {"fail": True}, log)
    assert (result.exit_code, result.errors) == (1, ["two: file.csv, line 3: it is broken. Mend it."])
    assert {task.task_id: task.state for task in result.tasks} == {
        "one": "success",
        "two": "failed",
        "three": "upstream_failed",
    }
    with pytest.raises(LumbungError, match="there is no nothing in"):
        airflow.test_run(settings, running, "nothing", {}, log)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_ends_with_its_command(
    settings: Settings, running: services.Services, tmp_path: Path, number: signal.Signals
) -> None:
    mark = tmp_path / "mark"
    command = start(settings, "run", str(mark))
    wait_for(mark, command)
    child = psutil.Process(int(mark.read_text()))
    (notes,) = (settings.home / "airflow" / "runs").iterdir()
    run = json.loads(notes.read_text())
    command.send_signal(number)
    assert command.wait(60) != 0
    wait_for_end(run["pid"])
    assert mark.read_text().endswith(" released"), "the task gave back what it held"
    airflow.fail_abandoned(settings.home, running.metadata_url)
    assert not child.is_running() or child.status() == "zombie"
    assert "running" not in states(running, run["run_id"])
    assert "failed" in states(running, run["run_id"])
    assert not notes.exists()


def test_a_run_whose_processes_were_all_killed_is_marked_failed(
    settings: Settings, running: services.Services, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    command = start(settings, "run", str(mark))
    wait_for(mark, command)
    (notes,) = (settings.home / "airflow" / "runs").iterdir()
    run = json.loads(notes.read_text())
    airflow.fail_abandoned(settings.home, running.metadata_url)
    assert states(running, run["run_id"]).count("running") == 2, "one that lives is left alone"
    os.kill(run["pid"], signal.SIGKILL)
    command.kill()
    command.wait()
    deadline = time.monotonic() + 60
    while notes.exists():  # its threads may hold the lock for a moment yet
        assert time.monotonic() < deadline
        airflow.fail_abandoned(settings.home, running.metadata_url)
    assert sorted(map(str, states(running, run["run_id"]))) == ["None", "failed", "failed", "success"]
    assert not left({run["pid"]})


def test_a_backfill_whose_runs_have_all_ended_is_complete_at_the_next_start(
    settings: Settings, running: services.Services
) -> None:
    """`lumbung backfill` ends its Airflow before a scheduler would say so. One that has a run to come goes on."""
    airflow.ready(settings, running)
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
        airflow.ready(settings, running)
        found = list(connection.scalars(sqlalchemy.text(complete)))
        for table in ("dag_run", "backfill"):
            connection.execute(sqlalchemy.text(f"DELETE FROM {table} WHERE dag_id = 'gone'"))
        connection.commit()
    assert found == ["a", "b"]


def test_up_serves_refuses_a_second_and_leaves_nothing(settings: Settings, running: services.Services) -> None:
    assert airflow.connect(settings) is None
    command = start(settings, "up")
    notes = settings.home / "up.json"
    wait_for(notes, command)
    api = airflow.connect(settings)
    assert api
    assert notes.stat().st_mode & 0o777 == 0o600
    assert api.dag_ids() == {"three"}
    second = start(settings, "up")
    assert second.stdout
    assert f"up already: {api.url}" in second.stdout.read()
    assert second.wait() == 1

    run_id = api.trigger("three", {"day": "2026-11-20"}, "by a test")
    deadline = time.monotonic() + 60
    while (run := api.dag_run("three", run_id))["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (run["state"], run["note"], run["conf"]) == ("success", "by a test", {"day": "2026-11-20"})
    assert len(api.task_instances("three", run_id)) == 3
    latest, *_ = api.dag_runs("three", state="success", run_type="manual", order_by="-id")
    assert latest["dag_run_id"] == run_id
    assert api.list_backfills("three", active=True) == []
    with pytest.raises(LumbungError, match="status 404: Dag with dag_id: 'absent' not found"):
        api.trigger("absent", {})

    ours = sessions(settings)
    assert len(ours) == 3
    command.send_signal(signal.SIGTERM)
    assert command.wait(60) == 0
    assert not left(ours)
    assert not notes.exists()
    assert airflow.connect(settings) is None


def test_what_a_killed_up_left_is_ended_by_the_next_command(settings: Settings, running: services.Services) -> None:
    command = start(settings, "up")
    wait_for(settings.home / "up.json", command)
    ours = sessions(settings)
    command.kill()
    command.wait()
    assert airflow.connect(settings) is None
    assert not left(ours)
    assert not (settings.home / "up.json").exists()


def test_a_component_that_ends_is_named(settings: Settings, running: services.Services) -> None:
    env = airflow.environment(settings, running, airflow.processes.free_port())
    stack = airflow.Stack({**env, "AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"}, settings.home)
    try:
        with pytest.raises(LumbungError, match=r"Airflow's [a-z-]+ ended with status 1(?s:.)*NoSuchExecutor"):
            stack.start()
        ours = sessions(settings)
    finally:
        stack.stop()
    assert not left(ours)


def test_a_port_that_was_asked_for_and_is_taken(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("AIRFLOW__API__PORT", str(taken.getsockname()[1]))
        with pytest.raises(LumbungError, match=r"AIRFLOW__API__PORT: port \d+ is taken"):
            airflow.up(settings)
