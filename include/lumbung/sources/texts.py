"""Which texts a column takes: those that its contract lists, days, and timestamps.

Days and timestamps are those that every Spark reads alike, so that what passes here is never null there.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lumbung.catalog.contract import Column
from lumbung.core.day import JAKARTA

_LEAP_YEAR = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = (
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    rf"|{_LEAP_YEAR}-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_OFFSET = r"(?:Z|[+-](?:(?:0[0-9]|1[0-7]):[0-5][0-9]|18:00))"  # 18 hours are the most that Java takes
_PATTERNS = {"DATE": rf"\A{_DAY}\z", "TIMESTAMP": rf"\A{_DAY}(?:[T ]{_TIME}{_OFFSET}?)?\z"}
_FORMS = {
    "DATE": "a day YYYY-MM-DD from year 0001 on",
    "TIMESTAMP": "a timestamp YYYY-MM-DD[T| ]HH:MM[:SS[.fraction]][Z|±HH:MM] or a day YYYY-MM-DD of years 0001 to 9999",
}
_NO_YEAR = "0000-"
_EDGES = ("0001-01-01", "9999-12-31")
"""Days some of whose timestamps are in another year in UTC, in which they are stored and sent."""


def faults(column: Column, values: pa.StringArray) -> pa.StringArray:
    """Why each text is not allowed; null: it is, or there is none.

    Args:
        column: with `values` or `parses_as`.
        values: its texts.
    """
    if column.values:
        form = f"one of {', '.join(map(repr, column.values))}"
        wrong = pc.invert(pc.is_in(values, pa.array([*column.values, None], pa.string())))
    else:
        assert column.parses_as
        form = _FORMS[column.parses_as]
        wrong = _unreadable(values, column.parses_as, required=column.required)
    if not pc.any(wrong).as_py():
        return pa.nulls(len(values), pa.string())
    reasons = [
        f"column {column.name}: {text[:60]!r} is not {form}" if is_wrong else None
        for text, is_wrong in zip(values.to_pylist(), wrong.to_pylist(), strict=True)
    ]
    return pa.array(reasons, pa.string())


def _unreadable(values: pa.StringArray, kind: str, *, required: bool) -> pa.BooleanArray:
    """Which texts are not a day or a timestamp; an empty one counts as null."""
    readable = pc.match_substring_regex(values, _PATTERNS[kind])
    readable = pc.and_not(readable, pc.starts_with(values, _NO_YEAR))
    if not required:
        readable = pc.or_(readable, pc.equal(values, ""))
    wrong = pc.fill_null(pc.invert(readable), False)
    if kind == "TIMESTAMP":
        edge = pc.and_(readable, pc.or_(*(pc.starts_with(values, day) for day in _EDGES)))
        if pc.any(edge).as_py():
            outside = [bool(day) and _is_outside(day) for day in pc.if_else(edge, values, None).to_pylist()]
            wrong = pc.or_(wrong, pa.array(outside))
    return wrong


def _is_outside(text: str) -> bool:
    """Whether a timestamp is in another year than 0001 to 9999 in UTC."""
    timestamp = datetime.fromisoformat(text)
    try:
        (timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=JAKARTA)).astimezone(UTC)
    except OverflowError:
        return True
    return False
