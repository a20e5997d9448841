"""One run of a DAG without a scheduler, by Airflow's `dag.test()` in a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lumbung.core.errors import LumbungError
from lumbung.core.locks import locked
from lumbung.core.settings import Settings
from lumbung.local import processes
from lumbung.local.airflow_database import fail_run, prepare, runs_folder
from lumbung.local.airflow_stack import without_scheduler
from lumbung.local.processes import Process
from lumbung.local.services import Services

DAG_TEST = Path(__file__).with_name("dag_test.py")
INTERRUPT_SECONDS = 3.0


@dataclass(frozen=True)
class Task:
    """A task instance of a run; times are ISO 8601 in UTC."""

    task_id: str
    map_index: int
    state: str
    start: str | None
    end: str | None


class TestRun(NamedTuple):
    """What came of a run.

    Attributes:
        exit_code: 0 when the run succeeded.
        run_id: Airflow's id of the run.
        tasks: the last state of each task instance, in the order in which they ended.
        errors: why tasks failed, each as `task_id: message`.
    """

    exit_code: int
    run_id: str
    tasks: list[Task]
    errors: list[str]


def test_run(
    settings: Settings,
    addresses: Services,
    dag_id: str,
    conf: Mapping[str, Any],
    log_path: Path,
    on_task: Callable[[Task], None] = lambda _task: None,
) -> TestRun:
    """Run a DAG once.

    Args:
        settings: this process's settings.
        addresses: where the services are; Airflow starts while the warehouse does.
        dag_id: the DAG; only its file is read.
        conf: the run's conf.
        log_path: takes all that Airflow and the tasks log.
        on_task: is called with each task instance that starts or ends.

    Raises:
        LumbungError: the warehouse does not start, the run did not come to its end, or a scheduler is alive, which
            would take part in it; a run that failed is a result.
    """
    env = prepare(settings, addresses)
    now = datetime.now(UTC)
    run_id = f"manual__{now.isoformat()}"
    events = _Events(on_task)
    pid_file = runs_folder(settings.home) / f"{now:%Y%m%dT%H%M%S.%f}-{os.getpid()}.json"
    with (
        processes.terminable(),
        without_scheduler(settings.home) as no_scheduler,
        locked(pid_file, fcntl.LOCK_EX) as lock,
    ):
        # -P: else the modules beside the program would hide Airflow's. It inherits the locks, so `fail_abandoned` of
        # another command leaves the run alone until both processes are gone, whichever is killed.
        command = [sys.executable, "-P", str(DAG_TEST), dag_id, now.isoformat(), json.dumps(conf)]
        process = processes.start(
            command,
            env=env,
            log=log_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            keep=[no_scheduler.fileno(), lock.fileno()],
            dies_with_parent=True,
        )
        leader = Process.of(process.pid)
        lock.write(json.dumps({"dag_id": dag_id, "run_id": run_id, **leader.to_dict()}))
        lock.flush()
        try:
            addresses.wait()
            if process.stdin:
                with contextlib.suppress(BrokenPipeError):  # it has ended, and its events say why
                    process.stdin.write("\n")
                    process.stdin.close()
            for line in process.stdout or ():
                events.take(json.loads(line))
                if events.state is not None:
                    process.wait()
                    break
        finally:
            # On Ctrl-C the task at hand gets some seconds to give back what it holds. A run that came to no end is
            # `running` for Airflow; a scheduler would adopt it.
            processes.end_sessions([leader], grace=INTERRUPT_SECONDS)
            process.wait()
            if events.state is None:
                fail_run(addresses.metadata_url, dag_id, run_id)
            pid_file.unlink(missing_ok=True)  # last: a kill before this line leaves it to `fail_abandoned`
    if events.state is None:
        if events.errors:
            raise LumbungError(f"the run of {dag_id} did not come to its end: {events.errors[-1]}", where=str(log_path))
        raise processes.error_with_log(
            f"the run of {dag_id} ended with status {process.returncode}", log_path, "run it again"
        )
    return TestRun(0 if events.state == "success" else 1, run_id, list(events.tasks.values()), events.errors)


class _Events:
    """The events of `dag_test.py`, collected.

    Attributes:
        tasks: the last state of each task instance, in the order in which the states came.
        errors: why tasks failed.
        state: the run's state at its end; None before.
    """

    def __init__(self, on_task: Callable[[Task], None]) -> None:
        self._on_task = on_task
        self.tasks: dict[tuple[str, int], Task] = {}
        self.errors: list[str] = []
        self.state: str | None = None

    def take(self, event: dict[str, Any]) -> None:
        match event.pop("event"):
            case "task":
                task = Task(**event)
                self.tasks.pop(key := (task.task_id, task.map_index), None)
                self.tasks[key] = task
                self._on_task(task)
            case "error":
                self.errors.append(f"{event['task_id']}: {event['message']}" if event["task_id"] else event["message"])
            case "run":
                self.state = event["state"]
