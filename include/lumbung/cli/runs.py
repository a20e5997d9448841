"""What commands of the command line share: running a DAG once, and reading the warehouse."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumbung.cli import console
from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.serving.schema import FAILED

if TYPE_CHECKING:
    from lumbung.local.services import Services
    from lumbung.orchestrator.api import Api
    from lumbung.storage.warehouse import Warehouse

POLL_SECONDS = 0.5

Records = dict[str, dict[str, Any]]
"""What each task of a run recorded, by its name."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
All = Annotated[bool, typer.Option("--all", help=f"Print all rows of each table, not only {console.ROWS}.")]


def day_or_today(text: str | None) -> date:
    """The day that a command is for; today in Jakarta where none is given.

    Raises:
        LumbungError: it is not a day, or one in the future.
    """
    chosen = business_day.parse(text) if text else business_day.today()
    business_day.refuse_future(chosen)
    return chosen


@contextlib.contextmanager
def running_kafka(settings: Settings) -> Iterator[Settings]:
    """The settings with a Kafka that runs."""
    from lumbung.local.kafka import broker

    with broker(settings) as address:
        yield settings.replace(kafka=address)


def check_kafka_of_up(settings: Settings) -> None:
    """Refuse a run that needs Kafka where the Airflow of `lumbung up` would do it and knows none.

    Raises:
        LumbungError: it runs, and no Kafka is set.
    """
    from lumbung.orchestrator.up import connect

    if settings.kafka.servers is None and (api := connect(settings)):
        raise LumbungError(
            "the Airflow of `lumbung up` knows no Kafka",
            where=api.url,
            remedy="stop it, or set LUMBUNG_KAFKA for it and here",
        )


def run_dag(settings: Settings, addresses: Services, dag_id: str, day: date, conf: dict[str, Any]) -> None:
    """Run a DAG once, by the Airflow of `lumbung up` or without one, and print its tasks.

    Args:
        settings: this process's settings.
        addresses: where the services are.
        dag_id: the DAG.
        day: the day that `conf` names.
        conf: the run's conf.

    Raises:
        LumbungError: a task failed.
    """
    from lumbung.orchestrator.up import connect

    api = connect(settings)
    if api:
        addresses.wait()
    records, failures = (
        _run_up(settings, api, dag_id, day, conf) if api else _run_alone(settings, addresses, dag_id, day, conf)
    )
    publish = records.get("publish", {})
    published = publish.get("rows_out") is not None and not publish.get("skipped")
    if failures:
        outcome = (
            "the tables are published; run the day again for the rest"
            if published
            else "nothing of this run was published"
        )
        what = "\n  ".join([f"{len(failures)} tasks failed; {outcome}", *failures])
        one = len(failures) == 1
        raise LumbungError(failures[0] if one else what, where=f"{dag_id}, day {day}", remedy=outcome if one else "")
    if not published and publish:
        console.err.print(
            "This run published nothing, as a newer version of its sources exists. If the run that took it has not"
            " published it, run again.",
            soft_wrap=True,
        )


def warehouse_at(settings: Settings, address: str | None) -> Warehouse:
    """The warehouse at the address where a local server runs, as a command reads it."""
    from lumbung.serving.read_once import ReadOnce

    return ReadOnce(settings.replace(emulator_host=address))


@contextlib.contextmanager
def reading(settings: Settings) -> Iterator[Warehouse]:
    """The warehouse, for commands that need no source database."""
    from lumbung.local import services

    with services.warehouse(settings) as address:
        yield warehouse_at(settings, address)


def write_report(settings: Settings, warehouse: Warehouse) -> Path:
    """Write the report page of what is published; gives its path.

    Raises:
        LumbungError: nothing is published yet.
    """
    from lumbung.report import render
    from lumbung.report.data import collect
    from lumbung.storage.lake import open_lake

    path = settings.home / "report" / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(render(collect(warehouse, open_lake(settings), settings)), encoding="utf-8")
    temporary.replace(path)
    return path


def _run_alone(
    settings: Settings, addresses: Services, dag_id: str, day: date, conf: dict[str, Any]
) -> tuple[Records, list[str]]:
    from lumbung.orchestrator.single_run import Task, test_run

    log = settings.home / "logs" / f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    with console.err.status(f"Airflow runs {dag_id} for {day}") as status:

        def show_task(task: Task) -> None:
            status.update(f"Airflow runs {dag_id} for {day}: {task.task_id} {task.state}")
            importlib.import_module("lumbung.report.data")  # what the results need, while the first task works

        result = test_run(settings, addresses, dag_id, conf, log, show_task)
    instances = [
        {"task_id": _task_name(t.task_id, t.map_index), "state": t.state, "start": t.start, "end": t.end}
        for t in result.tasks
    ]
    records = _show_tasks(settings, day, result.run_id, instances)
    console.out.print(f"Log: {log}", soft_wrap=True)
    return records, [] if result.exit_code == 0 else result.errors or ["the run failed"]


def _run_up(settings: Settings, api: Api, dag_id: str, day: date, conf: dict[str, Any]) -> tuple[Records, list[str]]:
    from lumbung.orchestrator.api import ENDED

    api.refuse_paused(dag_id)
    run_id = api.trigger(dag_id, conf, note="lumbung run")
    with console.err.status(f"Airflow at {api.url} runs {dag_id} for {day}") as status:
        while (state := api.dag_run(dag_id, run_id)["state"]) not in ENDED:
            instances = api.task_instances(dag_id, run_id)
            ended = sum(task["state"] in (*ENDED, "skipped", "upstream_failed") for task in instances)
            status.update(f"Airflow at {api.url} runs {dag_id} for {day}: {ended} of {len(instances)} tasks")
            time.sleep(POLL_SECONDS)
    instances = sorted(api.task_instances(dag_id, run_id), key=lambda task: task["end_date"] or "")
    records = _show_tasks(
        settings,
        day,
        run_id,
        [
            {
                "task_id": _task_name(t["task_id"], t["map_index"]),
                "state": t["state"],
                "start": t["start_date"],
                "end": t["end_date"],
            }
            for t in instances
        ],
    )
    if state == "success":
        return records, []
    failed = [_task_name(t["task_id"], t["map_index"]) for t in instances if t["state"] == "failed"]
    failures = [f"{task}: {records.get(task, {}).get('note', 'it failed').removeprefix(FAILED)}" for task in failed]
    return records, failures or ["the run failed"]


def _task_name(task_id: str, map_index: int) -> str:
    """The task, with its map index if it is mapped, as it records what it did."""
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _show_tasks(settings: Settings, day: date, run_id: str, instances: list[dict[str, Any]]) -> Records:
    """Print a run's tasks; gives what each recorded, by its name. In a bucket, that is a request for each task."""
    from lumbung.pipeline.operations import records
    from lumbung.storage.lake import open_lake

    recorded = {record["task"]: record for record in records(open_lake(settings), day, run_id)}
    console.tasks(instances, recorded)
    return recorded
