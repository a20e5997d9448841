"""Run one DAG once, without a scheduler: `python -P dag_test.py DAG_ID LOGICAL_DATE CONF`.

`single_run.test_run` executes this file by its path, in a process of its own; the package never imports it, so it alone
may import Airflow. -P keeps the modules beside it from hiding Airflow's.

It gets ready, and runs the DAG once standard input gives a line: the services that tasks need answer then.

Standard output takes one JSON line per event: `{"event": "task", "task_id", "map_index", "state", "start", "end"}`
when a task instance starts or ends, `{"event": "error", "task_id", "message"}` for a failure, and at the end
`{"event": "run", "state"}`. All other output goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

events = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

from airflow import settings  # noqa: E402
from airflow.configuration import conf as configuration  # noqa: E402
from airflow.dag_processing import dagbag  # noqa: E402
from airflow.listeners import hookimpl  # noqa: E402
from airflow.models.taskinstance import TaskInstance  # noqa: E402
from airflow.sdk.exceptions import AirflowException  # noqa: E402
from airflow.sdk.listener import get_listener_manager  # noqa: E402
from airflow.serialization.definitions.dag import SerializedDAG  # noqa: E402
from airflow.utils.db import synchronize_log_template  # noqa: E402
from sqlalchemy import select  # noqa: E402

INTERRUPTED = 128 + signal.SIGINT
SHOWN = {"running", "success", "failed", "skipped", "upstream_failed", "up_for_retry", "removed"}

interrupted = threading.Event()


def emit(event: str, **content: Any) -> None:
    """Write one event."""
    events.write(json.dumps({"event": event, **content}, default=str) + "\n")


def serve_newest_version() -> None:
    """Make the API that the tasks of this process ask, in its newest version only.

    Only this process asks it. Cadwyn makes each version that Airflow keeps for its older clients, which takes longer
    than all else at the start. Where another release of Airflow or of Cadwyn does not work so, all versions are made.
    """
    try:
        import httpx
        from airflow.api_fastapi.execution_api import versions
        from airflow.api_fastapi.execution_api.routes import execution_api_router as router
        from airflow.sdk.execution_time.supervisor import in_process_api_server
        from cadwyn import HeadVersion, Version, VersionBundle
        from cadwyn.route_generation import _DELETED_ROUTE_TAG
    except ImportError as error:
        logging.warning("All versions of Airflow's API are made, which takes some seconds: %s", error)
        return
    bundle, routes = versions.bundle, list(router.routes)
    try:
        # Without older versions, Cadwyn refuses the routes that only they have.
        router.routes[:] = [route for route in routes if _DELETED_ROUTE_TAG not in getattr(route, "tags", ())]
        versions.bundle = VersionBundle(HeadVersion(), Version(bundle.versions[0].value))
        with httpx.Client(transport=in_process_api_server().transport, base_url="http://in-process.invalid") as client:
            client.get("/health/ping").raise_for_status()  # Cadwyn makes the versions at the first request
    except Exception:
        logging.warning("All versions of Airflow's API are made, which takes some seconds:", exc_info=True)
        versions.bundle, router.routes[:] = bundle, routes
        in_process_api_server.cache_clear()


def store_only(file: Path) -> None:
    """Of all DAG files, which `dag.test()` reads and stores first, let it read one.

    Args:
        file: the DAG file.
    """

    class OneFile(dagbag.BundleDagBag):
        def __init__(self, *args: Any, **options: Any) -> None:
            if file.is_relative_to(options.get("dag_folder", file)):
                options["dag_folder"] = file
            super().__init__(*args, **options)

    dagbag.BundleDagBag = OneFile  # type: ignore[misc]


class Failures:
    """Reports why a task failed."""

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: str | BaseException | None) -> None:
        """Called by Airflow after a task failed, for good or until its next try."""
        text = str(error) if isinstance(error, AirflowException | str) else f"{type(error).__name__}: {error}"
        emit("error", task_id=task_instance.task_id, message=text)
        if interrupted.is_set():  # the task has cleaned up; Airflow would start the next one
            os._exit(INTERRUPTED)


class Watcher(threading.Thread):
    """Reports the run's task instances as their state changes, also of those that Airflow skips."""

    def __init__(self, dag_id: str, logical_date: datetime) -> None:
        super().__init__(daemon=True)
        self.query = select(
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.state,
            TaskInstance.start_date.label("start"),
            TaskInstance.end_date.label("end"),
        ).where(TaskInstance.dag_id == dag_id, TaskInstance.dag_run.has(logical_date=logical_date))
        self.reported: dict[tuple[str, int], str] = {}
        self.over = threading.Event()

    def run(self) -> None:
        """Poll until the run is over, and once more for the last changes."""
        while not self.over.wait(0.2):
            self.poll()
        self.poll()

    def poll(self) -> None:
        """Report what changed since the last poll."""
        with settings.get_engine().connect() as connection:  # type: ignore[no-untyped-call]
            rows = connection.execute(self.query).mappings().all()
        for row in sorted(rows, key=lambda row: str(row["end"] or row["start"])):
            key, state = (row["task_id"], row["map_index"]), str(row["state"])
            if state in SHOWN and self.reported.get(key) != state:
                self.reported[key] = state
                emit("task", **{**row, "state": state})


def interrupt(_number: int, _frame: Any) -> None:
    """End the task at hand as Ctrl-C would, so that it gives back what it holds."""
    interrupted.set()
    raise KeyboardInterrupt


def main(dag_id: str, logical_date: str, conf: str) -> int:
    """Run the DAG when it is time; 0 when the run succeeded.

    Args:
        dag_id: the DAG.
        logical_date: when the run is for, ISO 8601 with a zone.
        conf: the run's conf, a JSON object.
    """
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    file = Path(configuration.get("core", "dags_folder"), f"{dag_id}.py")
    bag = dagbag.DagBag(dag_folder=file)
    if dag_id not in bag.dags:
        message = "\n".join(bag.import_errors.values()) or f"there is no {dag_id} in {file}"
        emit("error", task_id=None, message=message)
        return 1
    serve_newest_version()
    store_only(file)
    try:
        if not sys.stdin.readline():  # the command has ended
            return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())  # tasks' own processes get it
    now = datetime.fromisoformat(logical_date)
    # As Airflow's commands do: a migration that was killed at its end has written none, and no later one adds them.
    synchronize_log_template()
    get_listener_manager().add_listener(Failures())  # type: ignore[no-untyped-call]
    watcher = Watcher(dag_id, now)
    watcher.start()
    # `dag.test()` gives callbacks the DAG as it was stored, which lacks what notifiers render their texts with.
    render = bag.dags[dag_id].get_template_env
    SerializedDAG.get_template_env = lambda _, **options: render(**options)  # type: ignore[attr-defined]
    run = bag.dags[dag_id].test(run_after=now, logical_date=now, run_conf=json.loads(conf))
    watcher.over.set()
    watcher.join()
    emit("run", state=str(run.state))
    return 0 if run.state == "success" else 1


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # Airflow's in-process server takes seconds to shut down
