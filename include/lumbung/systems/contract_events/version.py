"""What a run's tables are built from: its plan, or the newest sending where there is nothing to send."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date

from lumbung.core.errors import LumbungError
from lumbung.pipeline import incremental
from lumbung.pipeline.run import Run
from lumbung.pipeline.target import Partition, Target
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile
from lumbung.systems.contract_events.plan import CONTRACT, CONTRACT_PARTY, plan_path
from lumbung.systems.contract_events.sending import (
    PLANS,
    Content,
    Plan,
    Sending,
    newest_sending,
    plan_of,
    sending_of,
    sendings,
)

EVENT = "contract_event"
CHECKSUM_DIGITS = 12


def plan_of_run(run: Run) -> Plan | None:
    """What the run would send; None: nothing."""
    path = plan_path(run)
    return plan_of(run.lake, path) if run.lake.read(path) else None


def content_of(lake: Lake, target: Target) -> Content:
    """The plan or the sending that a target stands for.

    Raises:
        LumbungError: the plan was pruned since.
    """
    if target.manifest.startswith(f"{PLANS}/"):
        return plan_of(lake, target.manifest)
    return sending_of(lake, target.manifest).content


def make_target(run: Run) -> Target | None:
    """The run's plan, or the newest sending; None: the warehouse would drop all of its days at once."""
    plan, newest = plan_of_run(run), newest_sending(run.lake)
    if plan:
        content, manifest = Sending.of(plan).content, plan_path(run)
    elif newest:
        content, manifest = newest.content, newest.path
    else:
        raise LumbungError("the run has neither a plan nor a sending", where=run.system, remedy="run the day again")
    days = {day: _key(files) for day, files in sendings_by_day(run.lake, content).items()}
    kept = incremental.keep(run, EVENT, days)
    if not kept:
        return None
    changed, rules = incremental.changes(run, kept)
    return Target(
        system=run.system,
        day=content.day,
        generation=content.generation,
        extracted_at=content.extracted_at,
        provisional=content.provisional,
        partitions=[
            Partition(table=CONTRACT, day=content.day, holds=checksum(content.contracts)),
            Partition(table=CONTRACT_PARTY, day=content.day, holds=checksum(content.parties)),
            *(Partition(table=EVENT, day=day, holds=kept[day]) for day in changed),
        ],
        manifest=manifest,
        changed=changed,
        days=kept,
        rules=rules,
    )


def sendings_by_day(lake: Lake, content: Content) -> dict[date, list[Sending]]:
    """The sendings of each day up to a target's own, with a plan as the sending that it would be.

    Args:
        lake: the lake.
        content: the target's.
    """
    earlier = [sending for sending in sendings(lake) if sending.content.order < content.order]
    days: dict[date, list[Sending]] = {}
    for sending in (*earlier, Sending.of(content)):
        days.setdefault(sending.content.day, []).append(sending)
    return days


def checksum(file: DataFile) -> str:
    """A file's checksum, in short, by which a partition names what it holds."""
    return file.sha256[:CHECKSUM_DIGITS]


def _key(of_day: Iterable[Sending]) -> str:
    names = []
    for sending in of_day:
        checksums = [part.sha256 for part in sending.content.parts]
        names.append(" ".join([f"{sending.generation}", f"{sending.content.generation}", *checksums]))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:CHECKSUM_DIGITS]
