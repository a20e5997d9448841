"""Load: a day's version into its staging partitions."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.core.errors import LumbungError
from lumbung.pipeline import snapshot
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage import job_config
from lumbung.storage.columns import arrow_schema
from lumbung.storage.duck import engine, literal, parquet, quote
from lumbung.storage.state import Marker
from lumbung.storage.warehouse import Job


def load(run: Run, contract: Contract, target: Target) -> Step:
    """Load the run's day, and the target version's day where that is another one and not loaded yet.

    Under a lease the newest version of the day is read again and loaded, so whichever run comes last, the partition
    holds the newest one.

    Args:
        run: the run.
        contract: a staging table with a source.
        target: the version that `dwh` will be built from.

    Returns:
        What was loaded for the run's day.

    Raises:
        LumbungError: a day has no committed version, or another number of rows was loaded than the snapshot has.
    """
    with run.lake.lease(f"load/{contract.address}"):
        if target.day != run.day:
            marker = run.state.marker(contract.table, target.day)
            created = run.warehouse.created(run.warehouse.table(contract.address))
            if not (marker and marker.is_loaded(created) and marker.generation == target.generation):
                _load(run, contract, target.day)
        return _load(run, contract, run.day)


def is_unchanged(run: Run, target: Target) -> bool:
    """Whether every staging partition that the target's tables are built from still is that version's."""
    for partition in target.partitions:
        if f"staging.{partition.table}" not in run.catalog.contracts:
            continue
        marker = run.state.marker(partition.table, partition.day)
        if marker is None or (marker.key or marker.generation) != partition.holds:
            return False
    return True


def replace(run: Run, contract: Contract, day: date, source: Path | Sequence[str], *, rows: int, marker: Marker) -> Job:
    """Replace a staging partition, its marker written before and after; the lease of its loads is held.

    Args:
        run: the run.
        contract: the staging table.
        day: the partition.
        source: a local file, or addresses of files that BigQuery reads itself.
        rows: how many rows there are in it.
        marker: the version that the partition holds then.

    Raises:
        LumbungError: another number of rows was loaded.
    """
    previous = run.state.marker(contract.table, day)
    if previous and not previous.loaded:  # a load job of a killed run would overwrite this one
        run.warehouse.settle([previous.job_id])
    marker = marker.model_copy(update={"job_id": job_config.new_id("load", contract.address), "loaded": False})
    run.state.write_marker(contract.table, day, marker)
    labels = {**run.labels, "table": contract.table}
    job = run.warehouse.load(contract, source, day, labels, job_id=marker.job_id)
    run.warehouse.describe(contract, {"layer": contract.dataset})
    if job.rows != rows:
        raise LumbungError(
            f"{job.rows} rows loaded where the snapshot has {rows}",
            where=f"{contract.address}, day {day}",
            remedy="run the day again",
        )
    created = run.warehouse.created(run.warehouse.table(contract.address))
    run.state.write_marker(contract.table, day, marker.model_copy(update={"loaded": True, "table_created": created}))
    return job


@contextlib.contextmanager
def loadable(run: Run, path: str) -> Iterator[Path | list[str]]:
    """A file of the lake as a load job takes it: its address where BigQuery reads that, else a local file to upload."""
    if run.settings.bigquery_reads_lake:
        yield [run.lake.address(path)]
    else:
        with run.lake.local(path) as file:
            yield file


def _load(run: Run, contract: Contract, day: date) -> Step:
    version = snapshot.version_of(run.lake, run.system, day)
    member = version.members.get(contract.table) if version else None
    if version is None or (member is None and not (contract.source and contract.source.optional)):
        where = f"{contract.address}, day {day}"
        raise LumbungError("no committed version", where=where, remedy="run the day again")
    marker = Marker(generation=version.generation)
    if member is None:
        return _load_nothing(run, contract, day, marker)
    with ExitStack() as stack:
        source: Path | list[str]
        if set(member.columns) != {column.name for column in contract.business_columns}:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-")))
            source = _conformed(stack.enter_context(run.lake.local(member.file.path)), contract, folder)
        else:
            source = stack.enter_context(loadable(run, member.file.path))
        job = replace(run, contract, day, source, rows=member.file.rows, marker=marker)
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


def _load_nothing(run: Run, contract: Contract, day: date, marker: Marker) -> Step:
    """A partition without rows: the day's version is from before there was the contract of this optional source."""
    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        file = Path(folder) / "nothing.parquet"
        pq.write_table(arrow_schema(contract).empty_table(), file)
        job = replace(run, contract, day, file, rows=0, marker=marker)
    note = "the day was taken before this source was added"
    return Step.written(
        contract.address,
        rows_in=0,
        rows_out=0,
        rows_rejected=0,
        bytes=0,
        seconds=job.seconds,
        job_id=job.job_id,
        note=note,
    )


def _conformed(file: Path, contract: Contract, folder: Path) -> Path:
    """A snapshot from before the contract changed, in today's columns: new ones are null, old ones left out."""
    names = set(pq.read_schema(file).names)
    columns = ", ".join(
        quote(column.name) if column.name in names else f"NULL::VARCHAR AS {quote(column.name)}"
        for column in contract.columns
    )
    conformed = folder / "conformed.parquet"
    with engine(folder) as db:
        db.execute(f"COPY (SELECT {columns} FROM {parquet(file)}) TO {literal(conformed)} (FORMAT parquet)")
    return conformed
