"""Plans that a job on Dataproc makes: what it is given, and what it has left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lumbung.core.errors import LumbungError
from lumbung.pipeline.run import Run
from lumbung.storage.warehouse import short
from lumbung.systems.contract_events.part import GROUP_EVENTS
from lumbung.systems.contract_events.plan import Work, inputs, ranges, write
from lumbung.systems.contract_events.sending import PLANS, Plan

if TYPE_CHECKING:
    from lumbung.spark.contracts import Chunk
    from lumbung.spark.dataproc import Staged

EVENTS, CONTRACTS, PARTIES = OUTPUTS = ("events", "contracts", "parties")


def stage(run: Run, work: Work) -> Staged:
    """Keep what the job is to do for the task that finishes it, and put into the lake what the job needs."""
    from lumbung.spark import dataproc

    address = run.lake.address
    run.lake.write(_path(run), work.model_dump_json(indent=2).encode())
    contracts = dataproc.Contracts(
        inputs=inputs([[address(path) for path in paths] for paths in work.files]),
        day=f"{work.version.day}",
        schema_version=work.schema_version,
        holds_removals=work.holds_removals,
        ranges=ranges(run, work),
        **{name: address(_output(work, name)) for name in OUTPUTS},
    )
    return dataproc.stage(run.lake, contracts)


def work_of(run: Run) -> Work | None:
    """What the run's job was to do; None: there was nothing to do."""
    content = run.lake.read(_path(run))
    return Work.model_validate_json(content) if content else None


def forget(run: Run) -> None:
    """Of an earlier try of the run nothing is to be finished."""
    run.lake.delete(_path(run))


def by_job(run: Run, work: Work) -> Plan:
    """Make the plan of what the job has left.

    Raises:
        LumbungError: it has left nothing, or a message is not as its schema says.
    """
    for name in OUTPUTS:
        folder, _, file = _output(work, name).rpartition("/")
        if file not in run.lake.names(folder, file):
            raise LumbungError(
                "the job has left no events",
                where=run.lake.address(_output(work, name)),
                remedy="read the job's log, and clear the failed tasks",
            )
    return write(run, work, _chunks(run, work))


def _chunks(run: Run, work: Work) -> Iterator[Chunk]:
    from lumbung.spark import contracts
    from lumbung.spark.contracts import Chunk

    schemas = {EVENTS: contracts.EVENTS, CONTRACTS: contracts.CONTRACTS, PARTIES: contracts.PARTIES}
    nothing = {name: schema.empty_table() for name, schema in schemas.items()}
    with ExitStack() as stack:
        for name in OUTPUTS:
            file = stack.enter_context(run.lake.local(_output(work, name)))
            for batch in pq.ParquetFile(file).iter_batches(GROUP_EVENTS):
                yield Chunk(**(nothing | {name: pa.Table.from_batches([batch])}))


def _output(work: Work, name: str) -> str:
    return f"{PLANS}/{work.key}-{name}.parquet"


def _path(run: Run) -> str:
    return f"{PLANS}/{short(run.run_id)}-work.json"
