"""Load: a day's version into its staging partitions."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.core.errors import LumbungError
from lumbung.pipeline import snapshot, unchanged
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage import job_config
from lumbung.storage.columns import arrow_schema
from lumbung.storage.duck import engine, literal, parquet, quote
from lumbung.storage.manifest import DataFile
from lumbung.storage.state import Marker
from lumbung.storage.warehouse import Job

UNCHANGED = "unchanged, not loaded again"


def load(run: Run, contract: Contract, target: Target) -> Step:
    """Load the run's day, and the target version's day where that is another one and not loaded yet.

    Under a lease the newest version of the day is read again and loaded, so whichever run comes last, the partition
    holds the newest one. A partition that holds the same rows already is left as it is.

    Args:
        run: the run.
        contract: a staging table with a source.
        target: the version that `dwh` will be built from.

    Returns:
        What was loaded for the run's day, or is there already.

    Raises:
        LumbungError: a day has no committed version, or another number of rows was loaded than the snapshot has.
    """
    with run.lake.lease(f"load/{contract.address}"):
        if target.day != run.day:
            _load(run, contract, target.day)  # whole tables are known by what its marker says, so it must be true
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
    changes = {"job_id": job_config.new_id("load", contract.address), "series": unchanged.series(run, contract)}
    marker = marker.model_copy(update={**changes, "loaded": False})
    run.state.write_marker(contract.table, day, marker)
    labels = {**run.labels, "table": contract.table}
    job = run.warehouse.load(contract, source, day, labels, job_id=marker.job_id)
    stamp = run.warehouse.describe(contract, {"layer": contract.dataset})
    if job.rows != rows:
        raise LumbungError(
            f"{job.rows} rows loaded where the snapshot has {rows}",
            where=f"{contract.address}, day {day}",
            remedy="run the day again",
        )
    unchanged.keep_series(run, contract, stamp, marker.series)
    loaded = {"loaded": True, "table_created": stamp.created}
    run.state.write_marker(contract.table, day, marker.model_copy(update=loaded))
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
    file = member.file if member else None
    marker = Marker(generation=version.generation, content=_content(contract, file))
    counts: dict[str, Any] = {
        "rows_in": member.rows_read if member else 0,
        "rows_out": file.rows if file else 0,
        "rows_rejected": member.rows_rejected if member else 0,
        "note": member.note if member else "the day was taken before this source was added",
    }
    if _is_there(run, contract, day, marker):
        return Step(contract.address, **{**counts, "note": "; ".join(filter(None, [UNCHANGED, counts["note"]]))})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumbung-")))
        source: Path | list[str]
        if member is None:
            source = folder / "nothing.parquet"
            pq.write_table(arrow_schema(contract).empty_table(), source)
        elif set(member.columns) != {column.name for column in contract.business_columns}:
            source = _conformed(stack.enter_context(run.lake.local(member.file.path)), contract, folder)
        else:
            source = stack.enter_context(loadable(run, member.file.path))
        job = replace(run, contract, day, source, rows=counts["rows_out"], marker=marker)
    size = file.bytes if file else 0
    return Step.written(contract.address, **counts, bytes=size, seconds=job.seconds, job_id=job.job_id)


def _content(contract: Contract, file: DataFile | None) -> str:
    """Checksum of what a partition holds, and of the contract that it is loaded by; without a file it holds nothing."""
    return hashlib.sha256(f"{file.sha256 if file else ''} {contract.definition}".encode()).hexdigest()


def _is_there(run: Run, contract: Contract, day: date, marker: Marker) -> bool:
    """Whether a partition holds the rows already; its marker gets the generation then. The lease is held."""
    there = run.state.marker(contract.table, day)
    if there is None or not there.loaded or there.content != marker.content:
        return False
    if not unchanged.is_untouched(run, contract, there.series):
        return False
    if there.generation != marker.generation:
        run.state.write_marker(contract.table, day, there.model_copy(update={"generation": marker.generation}))
    return True


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
