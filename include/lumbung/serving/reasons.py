"""Reasons of rejects without what they quote of a row: for readers who may not see rows, and to count alike ones."""

from __future__ import annotations

import re

# A value in quotes, as `repr` writes it; a number; the values of a reference, see `lumbung.pipeline.references`.
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_NUMBER = re.compile(r"(?<![\w-])(?:0x[0-9a-f]+|[0-9](?:[0-9,.]*[0-9])?)\b")
_REFERENCE = re.compile(
    r"(?:(?<=^)|(?<=; ))(\w+(?:, \w+)*) .*? is not in (\w+)(?:, which has .*?: (only [a-z ,]+))?(?=; \w|$)", re.DOTALL
)


def without_values(reason: str) -> str:
    """The reason with `…` for each value and number in it.

    Example:
        `course_id c9 is not in course` becomes `course_id … is not in course`.
    """
    if _REFERENCE.search(reason):
        return _REFERENCE.sub(_without_reference, reason)
    return _NUMBER.sub("…", _QUOTED.sub("…", reason))


def _without_reference(reference: re.Match[str]) -> str:
    columns, table, near = reference.groups()
    return f"{columns} … is not in {table}{f': {near}' if near else ''}"
