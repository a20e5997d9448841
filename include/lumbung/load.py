"""Load: a day's version into its staging partitions."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from lumbung import snapshot
from lumbung.contract import Contract
from lumbung.errors import LumbungError
from lumbung.extract import engine, literal, parquet, quote
from lumbung.run import Run, Step
from lumbung.snapshot import Version
from lumbung.warehouse import new_job_id


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
    marker = run.lake.read_json(_marker(run, contract, day))
    return (marker["generation"], marker["loaded"]) if marker else (0, False)


def unchanged(run: Run, version: Version) -> bool:
    """Whether every staging partition of the version still is that version's."""
    return all(
        loaded_generation(run, contract, version.day)[0] == version.generation
        for contract in run.sources
        if contract.table in version.members
    )


def _marker(run: Run, contract: Contract, day: date) -> str:
    return f"{run.state}/staging/{contract.table}/dt={day}.json"


def _load(run: Run, contract: Contract, day: date) -> Step:
    version = snapshot.version_of(run.lake, run.system, day)
    where = f"{contract.address}, day {day}"
    if version is None or contract.table not in version.members:
        raise LumbungError("no committed version", where=where, remedy="run the day again")
    member = version.members[contract.table]

    there = run.lake.read_json(_marker(run, contract, day))
    if there and not there["loaded"]:
        run.warehouse.settle([there["job_id"]])
    job_id = new_job_id("load", contract.address)

    def mark(loaded: bool) -> None:
        content = json.dumps({"generation": version.generation, "loaded": loaded, "job_id": job_id}).encode()
        run.lake.write(_marker(run, contract, day), content)

    mark(False)
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
        job = run.warehouse.load(contract, source, day, {**run.labels, "table": contract.table}, job_id=job_id)
    run.warehouse.describe(contract, {"layer": contract.dataset})
    if job.rows != member.file.rows:
        raise LumbungError(
            f"{job.rows} rows loaded where the snapshot has {member.file.rows}", where=where, remedy="run the day again"
        )
    mark(True)
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
