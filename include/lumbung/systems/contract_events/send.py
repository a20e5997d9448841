"""Sending: the events of each sending to Kafka, each once, in the order of their sendings.

A sending is written down before its first message is sent, so a run that finds it unfinished completes it. A file of
events and the record that it is done are one transaction. A topic that was deleted and made again has another id: it
gets all sendings again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile
from lumbung.stream import registry as registries
from lumbung.stream.kafka import EVENTS, Cluster
from lumbung.stream.shipper import Shipper
from lumbung.systems.contract_events import part as parts
from lumbung.systems.contract_events import record, schema
from lumbung.systems.contract_events.sending import (
    LEASE,
    PLANS,
    Counts,
    Plan,
    Sending,
    newest_sending,
    plan_of,
    sendings,
)

SENDER = "lumbung contract-events run"


class Shipped(NamedTuple):
    """What a run has sent.

    Attributes:
        counts: its messages, also those that an earlier try of it had sent.
        known: sendings that were in the topic before.
    """

    counts: Counts
    known: int


def open_cluster(settings: Settings) -> Cluster:
    """The Kafka of the events.

    Raises:
        LumbungError: the settings name none.
    """
    return Cluster(settings, settings.contract_events.topic, EVENTS, sender=SENDER, has_dead=False)


def open_registry(settings: Settings) -> registries.Registry | None:
    """The registry of the events' schema; None: there is none."""
    if settings.schema_registry.url is None:
        return None
    return registries.Registry(settings, f"{settings.contract_events.topic}-value")


def check_compatible(settings: Settings, schema_version: str) -> None:
    """Refuse a version of the schema that the registry would not take.

    Raises:
        LumbungError: it would break what readers of the topic were promised, or the registry does not answer.
    """
    if registry := open_registry(settings):
        registry.check(schema.text(schema_version))


def send(run: Run, target: Target) -> Step:
    """Send the run's plan, whose tables are built and have passed their checks.

    Args:
        run: the run.
        target: what its tables are built from: a plan, or the newest sending.

    Raises:
        LumbungError: another version was sent since the plan was made, or Kafka or the registry refuses.
    """
    topic = run.settings.contract_events.topic
    with run.lake.lease(LEASE):
        note = "nothing new to send"
        if target.manifest.startswith(f"{PLANS}/"):
            plan = plan_of(run.lake, target.manifest)
            newest = newest_sending(run.lake)
            if newest and newest.content.order > plan.order:
                note = f"version {newest.content.day} generation {newest.content.generation} was sent meanwhile"
                return Step(table=topic, rows_out=0, note=note, skipped=True)
            number = _commit(run, plan, newest)
            note = f"sending {number}, version {plan.day} generation {plan.generation}"
        shipped = ship(run)
        record.note_sent(run, newest_sending(run.lake), shipped.counts)
    return Step(
        table=topic,
        rows_in=shipped.counts.messages,
        rows_out=shipped.counts.messages,
        note=f"{note}: {shipped.counts}" if shipped.counts.messages else note,
    )


def _commit(run: Run, plan: Plan, newest: Sending | None) -> int:
    """Make the plan the next sending, unless it is the newest one already; gives the sending's number."""
    if newest and newest.content.order == plan.order:
        return newest.generation  # by an earlier try, or by a run at the same time: the same events
    if plan.base == (newest.generation if newest else 0):
        check_compatible(run.settings, plan.schema_version)
        sending = Sending.of(plan)
        if run.lake.create(sending.path, sending.model_dump_json(indent=2).encode()):
            return sending.generation
    raise LumbungError(
        "another version was sent after this run had compared its own",
        where=f"{run.settings.contract_events.topic}, version {plan.day} generation {plan.generation}",
        remedy="run the day again",
    )


def ship(run: Run) -> Shipped:
    """Send what the topic does not have of all sendings; the lease is held.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: Kafka or the registry refuses, or another lake has sent to the topic.
    """
    all_sendings = sendings(run.lake)
    if not all_sendings:
        return Shipped(Counts(), 0)
    cluster = open_cluster(run.settings)
    cluster.ensure_topics()
    topic_id = cluster.topic().id
    counts, known = Counts(), 0
    with Shipper(cluster, content="events") as shipper:
        for sending in all_sendings:
            missing = []
            for part in sending.content.parts:
                done = shipper.done(part.sha256)
                if done is None or done["topic_id"] != topic_id:
                    missing.append(part)
                elif done["run_id"] == run.run_id:
                    counts = counts.add(done["operations"])
            known += not missing
            frame = _frame(run.settings, sending.content.schema_version) if missing else b""
            for part in missing:
                done = {"topic_id": topic_id, "sending": sending.generation, "run_id": run.run_id}
                shipper.send(part.sha256, _messages(run.lake, part, frame, done), done)
                counts = counts.add(done["operations"])
    return Shipped(counts, known)


def _messages(lake: Lake, part: DataFile, frame: bytes, done: dict[str, Any]) -> Iterator[tuple[bytes, bytes | None]]:
    """Key and value of each message of a file; how many of each operation are added to the record behind them."""
    operations: Counter[str] = Counter()
    for event in parts.read(lake, part):
        operations[event.operation] += 1
        yield event.contract_id.encode(), None if event.value is None else frame + event.value.encode()
    done["operations"] = dict(operations)


def _frame(settings: Settings, schema_version: str) -> bytes:
    """What stands before each message: the schema's id in the registry; nothing without a registry."""
    registry = open_registry(settings)
    return registries.frame(registry.schema_id(schema.text(schema_version))) if registry else b""
