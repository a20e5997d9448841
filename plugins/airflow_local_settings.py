"""Airflow imports this file when a process starts.

In the scheduler it loads what tasks will need: LocalExecutor forks their processes from it, and each would otherwise
import the same modules and parse the same queries again, which takes longer than most tasks' work. The processes that
watch over tasks are forked from it, too: they are made to notice at once that a task has ended.

In every process that makes runs it gives them their business day. Where OpenLineage's events are sent, it is by a way
that no receiver can hold up.
"""

import contextlib
import importlib
import json
import os
import sys
from typing import Any

from lumbung_airflow import creation

TASK_MODULES = (
    "airflow.providers.standard.operators.empty",
    "jinja2.ext",
    "lumbung.pipeline.build",
    "lumbung.pipeline.extract",
    "lumbung.pipeline.operations",
    "lumbung.pipeline.publish",
    "lumbung.pipeline.references",
    "lumbung.pipeline.rejects",
    "lumbung.sources.csv_file",
    "lumbung.sources.json_file",
    "lumbung.sources.postgres",
    "lumbung.sources.xlsx_file",
    "lumbung_airflow.dag",
)

EXIT_SECONDS = 0.02


def notice_exits() -> None:
    """Let a task's supervisor notice at once that the task's process has ended.

    A process closes its last socket a moment before it is gone. A supervisor that looks in between has nothing left to
    wait for but time, and waits for a whole `min_heartbeat_interval`: five seconds, or a heartbeat to the API server in
    each second of every task.
    """
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    service = WatchedSubprocess._service_subprocess

    def service_briefly(process: WatchedSubprocess, max_wait_time: float, **options: Any) -> int | None:
        is_ending = not process._open_sockets
        code: int | None = service(process, min(max_wait_time, EXIT_SECONDS) if is_ending else max_wait_time, **options)
        return code

    WatchedSubprocess._service_subprocess = service_briefly


creation.listen()
if os.environ.get("OPENLINEAGE_URL") and not os.environ.get("OPENLINEAGE_CONFIG"):
    os.environ.setdefault("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps({"type": "lumbung_airflow.receiver.Receiver"}))
if "scheduler" in sys.argv:
    notice_exits()
    for module in TASK_MODULES:
        importlib.import_module(module)

    from lumbung.catalog import query
    from lumbung.catalog.contract import Catalog
    from lumbung.core.errors import LumbungError
    from lumbung.systems import registry

    registry.all_systems()

    with contextlib.suppress(LumbungError):  # the DAG file meets the same fault, and Airflow's page shows it
        query.build_order(Catalog().contracts.values())
