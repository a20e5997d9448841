"""Load: a day's version into its staging partitions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.core.errors import LumbungError
from lumbung.pipeline import snapshot
from lumbung.pipeline.extract import engine, literal, parquet, quote
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import Target, Version
from lumbung.storage.warehouse import Job, new_job_id


def load(run: Run, contract: Contract, target: Version) -> Step:
    """Load the run's day, and the target version's day where that is another one and not loaded yet.

    Under a lease the newest version of the day is read again and loaded, so whichever run comes last, the partition
    holds the newest one.

    Args:
        run: the run.
        contract: a staging table with a source.
        target: the version that `dwh` will be built from.

    Returns:
        What was loaded for the run's day.
    """
    with run.lake.lease(f"load/{contract.address}"):
        if target.day != run.day and loaded_generation(run, contract, target.day) != (target.generation, True):
            _load(run, contract, target.day)
        return _load(run, contract, run.day)


def loaded_generation(run: Run, contract: Contract, day: date) -> tuple[int, bool]:
    """The version's generation a partition holds or is about to hold, and whether the load ended; (0, False): none."""
    held = marker(run, contract.table, day)
    return held.get("generation", 0), held.get("loaded", False)


def marker(run: Run, table: str, day: date) -> dict[str, Any]:
    """What is known of a staging partition: generation, the key where there is one, whether its load ended."""
    found: dict[str, Any] | None = run.lake.read_json(_path(run, table, day))
    return found or {}


def unchanged(run: Run, version: Target) -> bool:
    """Whether every staging partition that the version's tables are built from still is that version's."""
    held = {(table, day): marker(run, table, day) for table, day in version.partitions}
    return all(
        held[place].get("key", held[place].get("generation")) == what
        for place, what in version.partitions.items()
        if f"staging.{place[0]}" in run.catalog.contracts
    )


def replace(
    run: Run, contract: Contract, day: date, source: Path | Sequence[str], rows: int, held: dict[str, Any]
) -> Job:
    """Replace a staging partition, its marker written before and after; the lease of its loads is held.

    Args:
        run: the run.
        contract: the staging table.
        day: the partition.
        source: a local file, or addresses of files that BigQuery reads itself.
        rows: how many there are in it.
        held: what the marker tells of the partition then.

    Raises:
        LumbungError: another number of rows was loaded.
    """
    there = marker(run, contract.table, day)
    if there and not there["loaded"]:
        run.warehouse.settle([there["job_id"]])
    job_id = new_job_id("load", contract.address)

    def mark(loaded: bool) -> None:
        content = json.dumps({**held, "loaded": loaded, "job_id": job_id}).encode()
        run.lake.write(_path(run, contract.table, day), content)

    mark(False)
    job = run.warehouse.load(contract, source, day, {**run.labels, "table": contract.table}, job_id=job_id)
    run.warehouse.describe(contract, {"layer": contract.dataset})
    if job.rows != rows:
        raise LumbungError(
            f"{job.rows} rows loaded where the snapshot has {rows}",
            where=f"{contract.address}, day {day}",
            remedy="run the day again",
        )
    mark(True)
    return job


def _path(run: Run, table: str, day: date) -> str:
    return f"{run.state}/staging/{table}/dt={day}.json"


def _load(run: Run, contract: Contract, day: date) -> Step:
    version = snapshot.version_of(run.lake, run.system, day)
    where = f"{contract.address}, day {day}"
    if version is None or contract.table not in version.members:
        raise LumbungError("no committed version", where=where, remedy="run the day again")
    member = version.members[contract.table]
    with ExitStack() as stack:
        source: Path | list[str]
        if set(member.columns) != {column.name for column in contract.business_columns}:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-")))
            source = _conformed(stack.enter_context(run.lake.local(member.file.path)), contract, folder)
        elif run.settings.lake_folder is not None:
            # BigQuery takes no file addresses, so a file goes up with the job; gs:// it reads by itself.
            source = stack.enter_context(run.lake.local(member.file.path))
        else:
            source = [run.lake.address(member.file.path)]
        job = replace(run, contract, day, source, member.file.rows, {"generation": version.generation})
    return Step.written(
        contract.address,
        rows_in=member.rows_read,
        rows_out=job.rows,
        rows_rejected=member.rows_rejected,
        bytes=member.file.bytes,
        seconds=job.seconds,
        job_id=job.job_id,
        note=member.note,
    )


def _conformed(file: Path, contract: Contract, folder: Path) -> Path:
    """A snapshot from before the contract changed, in today's columns: new ones are null, old ones left out."""
    there = set(pq.read_schema(file).names)
    columns = ", ".join(
        quote(column.name) if column.name in there else f"NULL::VARCHAR AS {quote(column.name)}"
        for column in contract.columns
    )
    target = folder / "conformed.parquet"
    with engine(folder) as db:
        db.execute(f"COPY (SELECT {columns} FROM {parquet(file)}) TO {literal(target)} (FORMAT parquet)")
    return target
