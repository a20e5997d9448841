"""Sending: the events of each sending to Kafka, each once, in the order of their sendings.

A sending is written down before its first message is sent, so a run that finds it unfinished completes it. A file of
events and the record that it is done are one transaction. A topic that was deleted and made again has another id: it
gets all sendings again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from lumbung.core.errors import LumbungError
from lumbung.core.settings import variable
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile
from lumbung.stream.shipper import Shipper
from lumbung.systems.contract_events import part as parts
from lumbung.systems.contract_events import record
from lumbung.systems.contract_events.schema import check_registry, prefix
from lumbung.systems.contract_events.sending import (
    LEASE,
    PLANS,
    Content,
    Counts,
    Plan,
    Sending,
    newest_sending,
    plan_of,
    sendings,
)
from lumbung.systems.contract_events.topic import is_empty, open_cluster


def send(run: Run, target: Target) -> Step:
    """Send the run's plan, whose tables are built and have passed their checks.

    Args:
        run: the run.
        target: what its tables are built from: a plan, or the newest sending.

    Returns:
        What was sent; skipped where a newer version was sent meanwhile.

    Raises:
        LumbungError: another version was sent since the plan was made, or Kafka or the registry refuses.
    """
    topic = run.settings.contract_events.topic
    plan = plan_of(run.lake, target.manifest) if target.manifest.startswith(f"{PLANS}/") else None
    with run.lake.lease(LEASE):
        newest = newest_sending(run.lake)
        if plan and newest and newest.content.order > plan.order:
            note = f"version {newest.content.day} generation {newest.content.generation} was sent meanwhile"
            return Step(table=topic, rows_out=0, note=note, skipped=True)
        counts = ship(run, plan)
        sending = newest_sending(run.lake)
        assert sending, "a target is a plan, which is a sending now, or a sending"
    record.note_sent(run, sending, counts)
    version = f"version {sending.content.day} generation {sending.content.generation}"
    what = f"{counts}" if counts.messages else "nothing new to send"
    return Step(
        table=topic,
        rows_in=counts.messages,
        rows_out=counts.messages,
        note=f"sending {sending.generation}, {version}: {what}",
    )


def ship(run: Run, plan: Plan | None = None) -> Counts:
    """Send what the topic does not have of all sendings; the lease is held.

    Args:
        run: the run.
        plan: becomes the next sending before.

    Returns:
        The messages that the run has sent, also by an earlier try.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: Kafka or the registry refuses, the plan is outdated, or another lake has sent to the topic.
    """
    cluster, counts = open_cluster(run.settings), Counts()
    all_sendings = sendings(run.lake)
    if not (all_sendings or plan):
        return counts
    cluster.ensure_topics()
    topic_id = cluster.topic().id
    with Shipper(cluster, content="events") as shipper:
        shipper.claim()
        contents = [sending.content for sending in all_sendings] + ([plan] if plan else [])
        _refuse_others(run, shipper, topic_id, [part for content in contents for part in content.parts])
        if plan:
            all_sendings = _commit(run, plan, all_sendings)
        for sending in all_sendings:
            missing = []
            for part in sending.content.parts:
                done = shipper.done(part.sha256)
                if done is None or done["topic_id"] != topic_id:
                    missing.append(part)
                elif done["run_id"] == run.run_id:
                    counts = counts.add(done["operations"])
            frame = prefix(run.settings, sending.content.schema_version) if missing else b""
            for part in missing:
                done = {"topic_id": topic_id, "sending": sending.generation, "run_id": run.run_id}
                shipper.send(part.sha256, _messages(run.lake, part, frame, done), done)
                counts = counts.add(done["operations"])
    return counts


def _commit(run: Run, plan: Plan, before: Sequence[Sending]) -> list[Sending]:
    """Make the plan the next sending, unless it is the newest one already; gives all sendings."""
    newest = before[-1] if before else None
    if newest and _is_same(newest.content, plan):
        return list(before)  # by an earlier try, or by a run at the same time
    if plan.base == (newest.generation if newest else 0):
        check_registry(run.settings, plan.schema_version)
        sending = Sending.of(plan)
        if run.lake.create(sending.path, sending.model_dump_json(indent=2).encode()):
            return [*before, sending]
    raise LumbungError(
        "another version was sent after this run had compared its own",
        where=f"{run.settings.contract_events.topic}, version {plan.day} generation {plan.generation}",
        remedy="run the day again",
    )


def _is_same(sent: Content, plan: Plan) -> bool:
    """Whether a sending is the plan: a run with other settings makes other events of the same version."""
    parts, sent_parts = ([part.sha256 for part in content.parts] for content in (plan, sent))
    return (sent.order, sent.base, sent_parts) == (plan.order, plan.base, parts)


def _refuse_others(run: Run, shipper: Shipper, topic_id: str, ours: Sequence[DataFile]) -> None:
    """Refuse a topic with messages of which this lake knows nothing: a contract would be inserted twice."""
    names = {part.sha256 for part in ours}
    done = {name for name, record in shipper.records().items() if record["topic_id"] == topic_id}
    if done - names or (not done and not is_empty(run.settings)):
        topic = run.settings.contract_events.topic
        raise LumbungError(
            "the topic has messages that this lake has not sent, or the topic of what is done is gone",
            where=topic,
            remedy=f"set {variable('contract_events_topic')} to a topic of this lake's own, or delete {topic} if no"
            " other lake sends to it: then it gets all sendings again",
        )


def _messages(lake: Lake, part: DataFile, frame: bytes, done: dict[str, Any]) -> Iterator[tuple[bytes, bytes | None]]:
    """Key and value of each message of a file; how many of each operation are added to the record behind them."""
    operations: Counter[str] = Counter()
    yield from parts.messages(lake, part, frame, operations)
    done["operations"] = dict(operations)
