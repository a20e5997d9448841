"""The tables that are rebuilt from files in the lake: rejected rows, the runs' audit, freshness."""

from __future__ import annotations

import json
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.pipeline import run as runs
from lumbung.pipeline import snapshot
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import DataFile
from lumbung.storage.lake import Lake
from lumbung.stream.landing import landings

ARROW = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


def load_rejected(run: Run, day: date | None = None) -> Step:
    """Rebuild a day's partition of `staging.rejected_row` from the newest attempts at all sources, and from landings.

    Args:
        run: the run.
        day: the day; None: the run's.
    """
    day = day or run.day
    contract = run.catalog["staging.rejected_row"]
    with run.lake.lease(f"load/{contract.address}"), tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file = Path(folder) / "rejected.parquet"
        rows = 0
        with pq.ParquetWriter(file, _schema(contract)) as writer:
            for system, entity, rejects in _rejects(run.lake, day):
                with run.lake.local(rejects.path) as part:
                    for batch in pq.ParquetFile(part).iter_batches():
                        stamped = _stamp(batch, contract, day, system, entity)
                        writer.write_batch(stamped)
                        rows += stamped.num_rows
        job = run.warehouse.load(contract, file, day, {**run.labels, "table": contract.table})
        run.warehouse.describe(contract, {"layer": contract.dataset})
    return Step.written(contract.address, rows_out=rows, bytes=job.bytes, seconds=job.seconds, job_id=job.job_id)


def load_audit(run: Run) -> Step:
    """Rebuild the day's partition of `ops.run_audit` from what all of the day's tasks left."""
    contract = run.catalog["ops.run_audit"]
    with run.lake.lease(f"load/{contract.address}"):
        rows = [_audit_row(one, contract) for one in runs.records(run.lake, run.day)]
        return _load_rows(run, contract, rows, run.day)


def load_freshness(run: Run) -> Step:
    """Rebuild `datamart.freshness` from what every system has published."""
    contract = run.catalog["datamart.freshness"]
    with run.lake.lease(f"load/{contract.address}"):
        root = run.state.rpartition("/")[0]
        documents = [run.lake.read_json(f"{root}/{system}/published.json") for system in run.lake.names(root)]
        rows = [
            {
                "system": one["system"],
                "published_day": date.fromisoformat(one["day"]),
                "generation": one["generation"],
                "extracted_at": datetime.fromisoformat(one["extracted_at"]),
                "published_at": datetime.fromisoformat(one["published_at"]),
                "state": "provisional" if one["provisional"] else "final",
            }
            for one in documents
            if one
        ]
        return _load_rows(run, contract, rows, None)


def _rejects(lake: Lake, day: date) -> list[tuple[str, str, DataFile]]:
    """Files of a day's rejects: of the newest attempt at each source, of references between them, and from Kafka."""
    found: list[tuple[str, str, DataFile]] = []
    for system in lake.names("raw"):
        version = snapshot.version_of(lake, system, day, refused=True)
        for entity in lake.names(f"raw/{system}"):
            taken = snapshot.attempted(lake, system, entity, day)
            if taken is None:
                continue
            member = version.members.get(entity) if version else None
            checked = member.rejects if member and member.generation == taken.generation else None
            found += [(system, entity, file) for file in (taken.rejects, checked) if file]
    for landing in landings(lake, "landed/cilvest/tweet"):
        if landing.rejects and landing.rejects.day == day:
            found.append(("cilvest", "tweet", landing.rejects))
    return found


def _stamp(batch: pa.RecordBatch, contract: Contract, day: date, system: str, entity: str) -> pa.RecordBatch:
    fixed = {"snapshot_date": day, "system": system, "entity": entity}
    schema = _schema(contract)
    columns = [
        pa.array([fixed[name]] * batch.num_rows, schema.field(name).type) if name in fixed else batch.column(name)
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _audit_row(one: dict[str, Any], contract: Contract) -> dict[str, Any]:
    row = {
        **one,
        "day": date.fromisoformat(one["day"]),
        "table_name": one["table"],
        "checks": json.dumps(one["checks"], ensure_ascii=False),
        "started_at": datetime.fromisoformat(one["started_at"]),
    }
    return {column.name: row.get(column.name) for column in contract.columns}


def _load_rows(run: Run, contract: Contract, rows: list[dict[str, Any]], day: date | None) -> Step:
    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file = Path(folder) / f"{contract.table}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, _schema(contract)), file)
        job = run.warehouse.load(contract, file, day, {**run.labels, "table": contract.table})
    run.warehouse.describe(contract, {"layer": contract.dataset})
    return Step.written(contract.address, rows_out=len(rows), bytes=job.bytes, seconds=job.seconds, job_id=job.job_id)


def _schema(contract: Contract) -> pa.Schema:
    return pa.schema([(column.name, ARROW[column.type]) for column in contract.columns])
