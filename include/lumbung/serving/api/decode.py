"""What is sent, decoded and checked; faults are named by JSON pointers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from lumbung.serving.api.problems import Fault, Problem

MAX_BYTES = 256 * 1024
# Of a text that an answer repeats.
MAX_DETAIL = 200
MAX_FAULTS = 20

_PLACE = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_FIELD = re.compile(r"field `(.*)`", re.DOTALL)


def body[T](decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    """A body.

    Raises:
        Problem: it is not JSON (`not-json`), or not what the path takes (`invalid-input`).
    """
    try:
        return decoder.decode(content)
    except (ValueError, RecursionError) as error:  # invalid UTF-8 does not raise MsgspecError; all are ValueErrors
        first = str(error)
    # The decoder stops at the first fault, which may stand before a syntax error, and each is named here.
    try:
        value = msgspec.json.decode(content)
    except RecursionError:
        raise _invalid([Fault("", "It is nested too deeply.")]) from None
    except msgspec.ValidationError:  # JSON, with a number that no float holds
        raise _invalid([_fault("", first)]) from None
    except ValueError:
        raise Problem("not-json", "Send JSON (RFC 8259) in UTF-8.") from None
    # JSON has one kind of number: 10.0 is an integer there, and not to the decoder.
    if isinstance(value, dict):
        value = {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in value.items()}
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert(value, decoder.type)
    raise _invalid(list(islice(_faults(value, decoder.type), MAX_FAULTS)))


def query(content: bytes, names: tuple[str, ...]) -> dict[str, str]:
    """The parameters of a query, each given once.

    Args:
        content: the query, percent-encoded.
        names: of the parameters; others are ignored.

    Raises:
        Problem: one is missing, or given more than once.
    """
    pairs = parse_qsl(content.decode("latin-1"), keep_blank_values=True)
    values = {name: [value for key, value in pairs if key == name] for name in names}
    if faults := [Fault(f"/{name}", "Give it once.") for name, given in values.items() if len(given) != 1]:
        raise _invalid(faults)
    return {name: given[0] for name, given in values.items()}


def invalid(detail: str) -> Problem:
    """The problem of a body that is wrong as a whole."""
    return _invalid([Fault("", detail)])


def _invalid(faults: list[Fault]) -> Problem:
    return Problem("invalid-input", "Correct what errors names and send it again.", errors=faults)


def _faults(value: Any, wanted: Any) -> Iterator[Fault]:
    """What is wrong with a decoded body: one fault a field."""
    if not isinstance(value, dict):
        yield Fault("", "Expected an object.")
        return
    types = {field.name: field for field in msgspec.structs.fields(wanted)}
    for name in (name for name in value if name not in types):
        yield Fault(f"/{_escaped(name)}"[:MAX_DETAIL], "There is no such field.")
    for name, field in types.items():
        if name not in value:
            if field.required:
                yield Fault(f"/{name}", "It is missing.")
            continue
        try:
            msgspec.convert(value[name], field.type)
        except msgspec.ValidationError as error:
            yield _fault(f"/{name}", str(error))


def _fault(start: str, message: str) -> Fault:
    """A message of msgspec, such as "Expected `float`, got `str` - at `$[0].rating`", with its place as a pointer."""
    place = _PLACE.search(message)
    steps = _STEP.findall(place[1]) if place else []
    pointer = start + "".join(f"/{_escaped(name or number)}" for name, number in steps)
    text = _PLACE.sub("", message)
    if (field := _FIELD.search(text)) and "missing" in text:
        return Fault(f"{pointer}/{_escaped(field[1])}", "It is missing.")
    if field:
        return Fault(f"{pointer}/{_escaped(field[1])}"[:MAX_DETAIL], "There is no such field.")
    return Fault(pointer, f"{text.replace('`', '')}."[:MAX_DETAIL])


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
