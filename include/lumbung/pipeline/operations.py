"""What the runs did, for people who operate them: the audit of each task, and how fresh each system's tables are."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.pipeline.run import Run, Step
from lumbung.storage import state
from lumbung.storage.columns import arrow_schema
from lumbung.storage.lake import Lake
from lumbung.storage.warehouse import short

AUDIT, FRESHNESS = "ops.run_audit", "datamart.freshness"


def record(run: Run, task: str, started_at: datetime, step: Step) -> None:
    """Keep what a task did in the lake, for `ops.run_audit`.

    Args:
        run: the run.
        task: the task's id.
        started_at: when it started.
        step: what it did.
    """
    line = {"day": f"{run.day}", "run_id": run.run_id, "task": task, "started_at": started_at.isoformat()}
    content = json.dumps({**line, **asdict(step)}, ensure_ascii=False).encode()
    run.lake.write(f"audit/dt={run.day}/{short(run.run_id)}/{task}.json", content)


def records(lake: Lake, day: date, run_id: str | None = None) -> list[dict[str, Any]]:
    """What the day's tasks did, of one run or of all, in the order they started.

    Args:
        lake: the lake.
        day: the business day.
        run_id: Airflow's id of the run; None: all runs of the day.
    """
    folder = f"audit/dt={day}"
    runs = [short(run_id)] if run_id else lake.names(folder)
    documents = [lake.read_json(f"{folder}/{run}/{name}") for run in runs for name in lake.names(f"{folder}/{run}")]
    return sorted(filter(None, documents), key=lambda task: (task["started_at"], task["task"]))


def load_audit(run: Run) -> Step:
    """Rebuild the day's partition of `ops.run_audit` from what all of the day's tasks have recorded."""
    contract = run.catalog[AUDIT]
    with run.lake.lease(f"load/{AUDIT}"):
        rows = [_audit_row(task, contract) for task in records(run.lake, run.day)]
        return load_rows(run, contract, rows, run.day)


def load_freshness(run: Run) -> Step:
    """Rebuild `datamart.freshness` from what every system has published in this warehouse."""
    contract = run.catalog[FRESHNESS]
    with run.lake.lease(f"load/{FRESHNESS}"):
        documents = [system.published() for system in state.of_warehouse(run.lake, run.identity)]
        rows = [
            {
                "system": published.system,
                "published_day": published.day,
                "generation": published.generation,
                "extracted_at": published.extracted_at,
                "published_at": published.published_at,
                "state": "provisional" if published.provisional else "final",
                "view_copy": published.view_copy,
            }
            for published in documents
            if published
        ]
        return load_rows(run, contract, rows, None)


def _audit_row(task: dict[str, Any], contract: Contract) -> dict[str, Any]:
    row = {
        **task,
        "day": date.fromisoformat(task["day"]),
        "table_name": task["table"],
        "checks": json.dumps(task["checks"], ensure_ascii=False),
        "started_at": datetime.fromisoformat(task["started_at"]),
    }
    return {column.name: row.get(column.name) for column in contract.columns}


def load_rows(run: Run, contract: Contract, rows: list[dict[str, Any]], day: date | None) -> Step:
    """Replace a table, or one partition of it, by rows; the lease of its loads is held.

    Args:
        run: the run.
        contract: the table.
        rows: by column.
        day: the partition; None: the whole table.
    """
    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file = Path(folder) / f"{contract.table}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, arrow_schema(contract)), file)
        job = run.warehouse.load(contract, file, day, {**run.labels, "table": contract.table})
    run.warehouse.describe(contract, {"layer": contract.dataset})
    return Step.written(contract.address, rows_out=len(rows), bytes=job.bytes, seconds=job.seconds, job_id=job.job_id)
