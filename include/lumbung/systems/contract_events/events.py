"""Events of a run: the newest version compared with what was sent last."""

from __future__ import annotations

from lumbung.core.errors import LumbungError
from lumbung.pipeline.references import make_version
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.snapshot import Version, newest_version
from lumbung.systems.contract_events import plan as plans
from lumbung.systems.contract_events import record
from lumbung.systems.contract_events.schema import check_registry
from lumbung.systems.contract_events.send import ship
from lumbung.systems.contract_events.sending import LEASE, Counts, Sending, newest_sending


def is_dry(run: Run) -> bool:
    """Whether the run loads, sends and publishes nothing."""
    return bool(run.options.get("dry_run"))


def snapshot(run: Run) -> Step:
    """Check references between the day's snapshots, and write down which of them belong together."""
    version = make_version(run.sources, run.system, run.day, run.lake)
    members = version.members.values()
    return Step(
        table=run.system,
        rows_in=sum(member.rows_read for member in members),
        rows_out=sum(member.file.rows for member in members),
        rows_rejected=sum(member.rows_rejected for member in members),
        note=f"version {version.day} generation {version.generation}",
    )


def events(run: Run) -> Step:
    """Complete what a killed run was sending; then write down what this run would send.

    Raises:
        LumbungError: Kafka, Spark or the schema registry refuses, or a message is not as its schema says.
    """
    sent = Counts()
    if not is_dry(run):
        with run.lake.lease(LEASE):  # its audits had passed
            sent = ship(run)
    previous, version = newest_sending(run.lake), _version(run)
    older = f"; day {run.day} is older than what is sent and sends nothing" if run.day < version.day else ""
    completed = f"; completed: {sent}" if sent.messages else ""
    if not _is_new(version, previous):
        assert previous
        run.lake.delete(plans.plan_path(run))  # of an earlier try
        record.note_plan(run, previous.content, None, sent)
        note = f"version {previous.content.day} generation {previous.content.generation} is sent{older}{completed}"
        return Step(table="events", rows_out=0, note=note)
    check_registry(run.settings, run.settings.contract_events.schema_version)
    plan = plans.by_session(run, plans.prepare(run, version, previous))
    run.lake.write(plans.plan_path(run), plan.model_dump_json(indent=2).encode())
    record.note_plan(run, plan, plan.engine, sent)
    return Step(
        table="events",
        rows_in=sum(version.members[name].file.rows for name in (plans.ACCOUNT, plans.PARTY, plans.ADDRESS)),
        rows_out=plan.counts.messages,
        bytes=sum(part.bytes for part in plan.parts),
        note=f"version {plan.day} generation {plan.generation}: {plan.counts}{older}{completed}",
    )


def _version(run: Run) -> Version:
    version = newest_version(run.lake, run.system)
    if version is None:
        raise LumbungError("no committed version", where=f"{run.system}, day {run.day}", remedy="run the day again")
    return version


def _is_new(version: Version, previous: Sending | None) -> bool:
    return previous is None or version.order > previous.content.order
