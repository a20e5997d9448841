"""Loads of what a plan or a sending names: contracts and their parties by its day, events by the days that changed."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.catalog.contract import Contract
from lumbung.pipeline.load import load as load_snapshot
from lumbung.pipeline.load import replace
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import version_of
from lumbung.pipeline.target import Target
from lumbung.storage.columns import arrow_schema
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile
from lumbung.storage.state import Marker
from lumbung.systems.contract_events import part as parts
from lumbung.systems.contract_events.message import TOMBSTONE
from lumbung.systems.contract_events.part import GROUP_EVENTS
from lumbung.systems.contract_events.plan import CONTRACT
from lumbung.systems.contract_events.sending import Content, Sending
from lumbung.systems.contract_events.version import EVENT, checksum, content_of, sendings_by_day

MOST_GENERATIONS = 1_000_000  # of a day: their manifests have six digits


def load(run: Run, contract: Contract, target: Target) -> Step:
    """Load a staging table; what a newer version has loaded or is loading stays.

    A source's snapshot is loaded for the run's own day only: tables are built from contracts as they are sent.
    """
    if contract.source:
        own = version_of(run.lake, run.system, run.day)
        return load_snapshot(run, contract, own.target() if own else target)
    if contract.table == EVENT:
        return _load_events(run, contract, target)
    return _load_state(run, contract, target)


def _load_state(run: Run, contract: Contract, target: Target) -> Step:
    """Replace the partition of the target's day."""
    content = content_of(run.lake, target)
    source = content.contracts if contract.table == CONTRACT else content.parties
    marker = Marker(generation=_age(content), key=checksum(source))
    with run.lake.lease(f"load/{contract.address}"), tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        if _stays(run, contract, target.day, marker):
            note = "it is loaded, or a newer version"
            return Step(contract.address, rows_in=source.rows, rows_out=0, note=note)
        file = Path(folder) / f"{contract.table}.parquet"
        _write_state(run.lake, source, file, contract, target.day)
        job = replace(run, contract, target.day, file, rows=source.rows, marker=marker)
    return Step.written(
        contract.address,
        rows_in=source.rows,
        rows_out=job.rows,
        bytes=source.bytes,
        seconds=job.seconds,
        job_id=job.job_id,
    )


def _write_state(lake: Lake, source: DataFile, file: Path, contract: Contract, day: date) -> None:
    schema = arrow_schema(contract)
    with lake.local(source.path) as local, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in pq.ParquetFile(local).iter_batches(GROUP_EVENTS):
            dated = batch.append_column("snapshot_date", pa.array([day] * batch.num_rows, pa.date32()))
            writer.write_batch(dated.select(schema.names).cast(schema))


def _load_events(run: Run, contract: Contract, target: Target) -> Step:
    content = content_of(run.lake, target)
    days = sendings_by_day(run.lake, content)
    rows = loaded = 0
    seconds, job_id = 0.0, None
    with run.lake.lease(f"load/{contract.address}"), tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        for day in target.changed:
            marker = Marker(generation=_age(content), key=target.days[day])
            if _stays(run, contract, day, marker):
                continue
            file = Path(folder) / f"{day}.parquet"
            expected = _write_events(run.lake, file, contract, days.get(day, []))
            job = replace(run, contract, day, file, rows=expected, marker=marker)
            file.unlink()
            rows, loaded, seconds, job_id = rows + job.rows, loaded + 1, seconds + job.seconds, job.job_id
    return Step.written(
        contract.address, rows_out=rows, seconds=round(seconds, 3), job_id=job_id, note=f"{loaded} days loaded"
    )


def _write_events(lake: Lake, file: Path, contract: Contract, of_day: list[Sending]) -> int:
    """Write a day's events of all its sendings, as staging has them; gives their number."""
    schema, count = arrow_schema(contract), 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for sending in of_day:
            fixed = {
                "event_date": sending.content.day,
                "generation": sending.content.generation,
                "sending": sending.generation,
            }
            for part in sending.content.parts:
                with parts.local(lake, part) as local:
                    names = [name for name in schema.names if name not in fixed]
                    for batch in pq.ParquetFile(local).iter_batches(GROUP_EVENTS, columns=names):
                        rows = [fixed | row for row in batch.to_pylist() if row["operation"] != TOMBSTONE]
                        writer.write_batch(pa.RecordBatch.from_pylist(rows, schema))
                        count += len(rows)
    return count


def _age(content: Content) -> int:
    """Orders what a partition is loaded with: by sendings, and by generations where several may become the next one."""
    return content.number * MOST_GENERATIONS + content.generation


def _stays(run: Run, contract: Contract, day: date, marker: Marker) -> bool:
    """Whether a partition holds it, or what a newer version has loaded."""
    there = run.state.marker(contract.table, day)
    if there is None:
        return False
    if there.key != marker.key:
        return there.generation > marker.generation
    return not run.refreshes(day) and there.is_loaded(run.warehouse.created(run.warehouse.table(contract.address)))
