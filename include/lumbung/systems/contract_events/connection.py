"""What events are sent to: the topic, and the registry of their schema."""

from __future__ import annotations

from lumbung.core.settings import Settings
from lumbung.stream.kafka import EVENTS, Cluster
from lumbung.stream.registry import Registry, frame
from lumbung.systems.contract_events import schema

SENDER = "lumbung contract-events run"


def open_cluster(settings: Settings) -> Cluster:
    """The Kafka of the events.

    Raises:
        LumbungError: the settings name none.
    """
    return Cluster(settings, settings.contract_events.topic, EVENTS, sender=SENDER, has_dead=False)


def check_compatible(settings: Settings, schema_version: str) -> None:
    """Refuse a version of the schema that the registry would not take.

    Args:
        settings: which registry.
        schema_version: of the events.

    Raises:
        LumbungError: it would break what readers of the topic were promised, or the registry does not answer.
    """
    if registry := _open_registry(settings):
        registry.check(schema.text(schema_version))


def prefix(settings: Settings, schema_version: str) -> bytes:
    """What stands before each message: the schema's id in the registry; nothing without a registry.

    Args:
        settings: which registry.
        schema_version: of the events; it is registered if it is not yet.

    Raises:
        LumbungError: the registry refuses it, or does not answer.
    """
    registry = _open_registry(settings)
    return frame(registry.schema_id(schema.text(schema_version))) if registry else b""


def _open_registry(settings: Settings) -> Registry | None:
    if settings.schema_registry.url is None:
        return None
    return Registry(settings, f"{settings.contract_events.topic}-value")
