import signal
import socket
import time

import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.local.airflow_environment import environment
from lumbung.local.airflow_stack import Stack
from lumbung.local.processes import free_port
from lumbung.local.services import Services
from lumbung.orchestrator.up import connect, start, up
from support import airflow_home


def test_up_serves_refuses_a_second_and_leaves_nothing(settings: Settings, running: Services) -> None:
    assert connect(settings) is None
    command = airflow_home.start(settings, "up")
    up_file = settings.home / "up.json"
    airflow_home.wait_for(up_file, command)
    api = connect(settings)
    assert api
    assert up_file.stat().st_mode & 0o777 == 0o600
    assert api.dag_ids() == {"three"}
    second = airflow_home.start(settings, "up")
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

    ours = airflow_home.sessions(settings)
    assert len(ours) == 4
    command.send_signal(signal.SIGTERM)
    assert command.wait(60) == 0
    assert not airflow_home.left(ours)
    assert not up_file.exists()
    assert connect(settings) is None


def test_what_a_killed_up_left_is_ended_by_the_next_command(settings: Settings, running: Services) -> None:
    command = airflow_home.start(settings, "up")
    airflow_home.wait_for(settings.home / "up.json", command)
    ours = airflow_home.sessions(settings)
    command.kill()
    command.wait()
    assert connect(settings) is None
    assert not airflow_home.left(ours)
    assert not (settings.home / "up.json").exists()


def test_a_component_that_ends_is_named(settings: Settings, running: Services) -> None:
    env = environment(settings, running, free_port())
    stack = Stack({**env, "AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"}, settings.home)
    try:
        with pytest.raises(LumbungError, match=r"Airflow's [a-z-]+ ended with status 1(?s:.)*NoSuchExecutor"):
            start(stack)
        ours = airflow_home.sessions(settings)
    finally:
        stack.stop()
    assert not airflow_home.left(ours)


def test_a_port_that_was_asked_for_and_is_taken(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("AIRFLOW__API__PORT", str(taken.getsockname()[1]))
        with pytest.raises(LumbungError, match=r"AIRFLOW__API__PORT: port \d+ is taken"):
            up(settings)
