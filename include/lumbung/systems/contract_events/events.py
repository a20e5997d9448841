"""Events of a run: the newest version compared with what was sent last."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from lumbung.core.errors import LumbungError
from lumbung.pipeline.references import make_version
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import newest_version
from lumbung.systems.contract_events import job, record
from lumbung.systems.contract_events import plan as plans
from lumbung.systems.contract_events.schema import check_registry
from lumbung.systems.contract_events.send import ship
from lumbung.systems.contract_events.sending import LEASE, Counts, Sending, newest_sending

if TYPE_CHECKING:
    from lumbung.spark.dataproc import Staged


def is_dry(run: Run) -> bool:
    """Whether the run loads, sends and publishes nothing."""
    return bool(run.options.get("dry_run"))


def snapshot(run: Run) -> Step:
    """Check references between the day's snapshots, and write down which of them belong together."""
    version = make_version(run.sources, run.system, run.day, run.lake, run.run_id)
    return Step(
        table=run.system,
        rows_in=version.rows_read,
        rows_out=version.rows_kept,
        rows_rejected=version.rows_rejected,
        note=f"version {version.day} generation {version.generation}",
    )


def plan(run: Run) -> tuple[Step, Staged | None]:
    """Put in the lake what Dataproc needs to compare the newest version, where that is new."""
    _complete(run)
    job.forget(run)
    work = _work(run, newest_sending(run.lake))
    rows = sum(work.version.members[name].file.rows for name in plans.SOURCES) if work else 0
    step = Step(table="changes", rows_in=rows, note="" if work else "nothing is new", skipped=work is None)
    return step, job.stage(run, work) if work else None


def events(run: Run) -> Step:
    """Complete what a killed run was sending; then write down what this run would send.

    Raises:
        LumbungError: Kafka, Spark or the schema registry refuses, or a message is not as its schema says.
    """
    sent = _complete(run)
    previous = newest_sending(run.lake)
    by_job = run.settings.spark.engine.startswith("dataproc")
    work = job.work_of(run) if by_job else _work(run, previous)
    completed = f"; completed: {sent}" if sent.messages else ""
    if work is None:
        assert previous, "a version that is compared with nothing is new"
        run.lake.delete(plans.plan_path(run))  # of an earlier try
        record.note_plan(run, previous.content, None, sent)
        version = f"version {previous.content.day} generation {previous.content.generation}"
        note = f"{version} is sent{_older(run, previous.content.day)}{completed}"
        return Step(table="events", rows_out=0, note=note)
    check_registry(run.settings, work.schema_version)
    made = job.by_job(run, work) if by_job else plans.by_session(run, work)
    run.lake.write(plans.plan_path(run), made.model_dump_json(indent=2).encode())
    record.note_plan(run, made, made.engine, sent)
    removals = ", and every removal, as a reject has no key" if made.holds_removals else ""
    note = f"version {made.day} generation {made.generation}: {made.counts}{removals}{_older(run, made.day)}{completed}"
    return Step(
        table="events",
        rows_in=sum(work.version.members[name].file.rows for name in plans.SOURCES),
        rows_out=made.counts.messages,
        bytes=sum(part.bytes for part in made.parts),
        note=note,
    )


def _complete(run: Run) -> Counts:
    """Send what a killed run has left of a sending, whose checks had passed; gives what this run has sent of it."""
    if is_dry(run):
        return Counts()
    with run.lake.lease(LEASE):
        return ship(run)


def _work(run: Run, previous: Sending | None) -> plans.Work | None:
    """What the newest version is compared from; None: it is sent."""
    version = newest_version(run.lake, run.system)
    if version is None:
        raise LumbungError("no committed version", where=f"{run.system}, day {run.day}", remedy="run the day again")
    if previous and version.order <= previous.content.order:
        return None
    return plans.prepare(run, version, previous)


def _older(run: Run, day: date) -> str:
    return f"; day {run.day} is older: nothing of it is sent" if run.day < day else ""
