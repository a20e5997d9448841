"""What contract events need beside Kafka: a schema registry that takes their schema."""

from __future__ import annotations

from collections.abc import Iterator

from lumbung.core.settings import Settings, variable
from lumbung.serving.schema import Finding
from lumbung.systems.contract_events import schema


def check(settings: Settings) -> Iterator[Finding]:
    """The registry that is set answers, and has the schema or would take it."""
    if settings.schema_registry.url is None:
        yield Finding("schema registry", True, f"off: {variable('schema_registry')} is not set")
        return
    version, registry = settings.contract_events.schema_version, schema.registry(settings)
    result = registry.check(schema.text(version))
    found = f"{registry.url} answers; version {version} of {result.subject}: {result.state}"
    yield Finding("schema registry", result.state != "incompatible", found, registry.incompatible().remedy)
