"""The schema of events: its text for a registry, and its validator, which every message passes before it is sent.

The files beside this module are JSON Schema, draft 7: the newest that all of Confluent's tools read.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.stream.registry import Registry, frame

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

VERSIONS = ("1.0", "1.1")
"""Each takes the events of those before it."""
# Where an event, a contract, a party or a leaf says which of its forms it has.
_OPERATIONS = (["operation"], ["contractIdentifier", "operation"], ["partyIdentifier", "operation"])


def text(version: str) -> str:
    """The schema of a version, as it stands in its file.

    Args:
        version: of the events, such as "1.0".
    """
    return Path(__file__).with_name(f"event-{version}.schema.json").read_text(encoding="utf-8")


@functools.cache
def validator(version: str) -> Callable[[Sequence[str]], None]:
    """What checks events of a version: given their JSON texts, it raises at the first that breaks the schema.

    A text of 1.6 KB takes some 6 microseconds of one core, about as long as sending it. Threads may share it.

    Args:
        version: of the events, such as "1.0".

    Returns:
        A function that raises a LumbungError which names the contract, the place in its event and what is wrong there,
        without the value: that may be personal data.
    """
    import jsonschema_rs
    import msgspec

    schema = json.loads(text(version))
    # A schema allows events of the versions before it too, so that what reads it can read them. We send only this one.
    header = schema["properties"]["eventHeader"]["properties"]
    header["minorSchemaVersion"] = {"const": int(version.partition(".")[2])}
    compiled = jsonschema_rs.validator_for(
        schema, pattern_options=jsonschema_rs.RegexOptions(), mask="the value", offline=True
    )
    is_valid = compiled.is_valid
    decode = msgspec.json.Decoder().decode

    def check(texts: Sequence[str]) -> None:
        try:
            if all(map(is_valid, map(decode, texts))):
                return
        except msgspec.DecodeError:
            pass
        for event in texts:
            try:
                message = decode(event)
            except msgspec.DecodeError as error:
                raise _error(version, None, f"not JSON: {error}") from None
            if fault := next(compiled.iter_errors(message), None):
                raise _error(version, message, _explain(fault))

    return check


def registry(settings: Settings) -> Registry:
    """What the schema registry has for the topic of events.

    Raises:
        LumbungError: no registry is set.
    """
    return Registry(settings, f"{settings.contract_events.topic}-value", command="lumbung contract-events schema")


def check_registry(settings: Settings, version: str) -> None:
    """Refuse a version that does not fit what the registry has; nothing is written there. No registry takes any.

    Args:
        settings: which registry and topic.
        version: of the events, such as "1.0".

    Raises:
        RegistryUnavailableError: the registry does not answer.
        LumbungError: the version does not fit, or the registry refuses.
    """
    if settings.schema_registry.url:
        subject = registry(settings)
        if subject.check(text(version)).state == "incompatible":
            raise subject.incompatible()


def prefix(settings: Settings, version: str) -> bytes:
    """What stands before the JSON of each message; the registry gets the schema if it does not have it.

    Events that were sent before may go to a registry that has got a later version only: its id stands before them, as
    they are valid by it, too.

    Args:
        settings: which registry and topic.
        version: of the events, such as "1.0".

    Returns:
        Nothing where no registry is set.

    Raises:
        RegistryUnavailableError: the registry does not answer.
        LumbungError: the version does not fit what the registry has, or the registry refuses.
    """
    if not settings.schema_registry.url:
        return b""
    subject = registry(settings)
    if subject.check(text(version)).state == "incompatible":
        for later in VERSIONS[VERSIONS.index(version) + 1 :]:
            if (check := subject.check(text(later))).schema_id is not None:
                return frame(check.schema_id)
    return frame(subject.schema_id(text(version)))


def _error(version: str, event: Any, fault: str) -> LumbungError:
    try:
        contract = event["payload"]["contractIdentifier"]
        where = f"contract {contract.get('newValue') or contract['oldValue']}"
    except (LookupError, TypeError, AttributeError):
        where = "contract events"
    return LumbungError(
        f"an event breaks version {version} of their schema: {fault}",
        where=where,
        remedy="nothing was sent; correct the contract's rows in the source, or report it if they are right",
    )


def _explain(fault: ValidationError) -> str:
    """The place and the rule; of a choice of forms, the rule of the form that the event says it has."""
    while forms := getattr(fault.kind, "context", None):
        base = len(fault.instance_path)
        meant = [form for form in forms if all(list(each.instance_path[base:]) not in _OPERATIONS for each in form)]
        if len(meant) != 1:
            return f"{_place(fault.instance_path)}: has no operation of INSERT, UPDATE and DELETE, or the wrong one"
        fault = meant[0][0]
    return f"{_place(fault.instance_path)}: {fault.message}"


def _place(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".") or "event"
