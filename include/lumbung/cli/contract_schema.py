"""The commands of the schema of contract events: `lumbung contract-events schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lumbung.cli import console
from lumbung.core import settings as settings_module

if TYPE_CHECKING:
    from lumbung.stream.registry import Check, Registry

app = typer.Typer(no_args_is_help=True, help="The schema of contract events, in the project and in the registry.")

MEANINGS = {
    "new": "the registry has no schema of this topic",
    "same": "the registry has it",
    "compatible": "the registry does not have it; it fits",
    "incompatible": "it does not fit",
}


@app.command()
def check() -> None:
    """Compare the schema of the version that is set with what the registry has; exit 1 if it does not fit."""
    from lumbung.systems.contract_events import schema

    settings = settings_module.load()
    version = settings.contract_events.schema_version
    registry = schema.registry(settings)
    result = registry.check(schema.text(version))
    _show(registry, version, result)
    if result.state == "incompatible":
        raise registry.incompatible()


@app.command()
def publish() -> None:
    """Register the schema of the version that is set, if it fits."""
    from lumbung.systems.contract_events import schema

    settings = settings_module.load()
    version = settings.contract_events.schema_version
    registry = schema.registry(settings)
    _show(registry, version, registry.publish(schema.text(version)))


def _show(registry: Registry, version: str, result: Check) -> None:
    columns = ("subject", "schema", "state", "checked", "registry's latest", "registry's version of it", "id")
    row = (
        *(result.subject, version, f"{result.state}: {MEANINGS[result.state]}", result.level),
        *(result.latest, result.version, result.schema_id),
    )
    console.table(registry.url, columns, [row])
