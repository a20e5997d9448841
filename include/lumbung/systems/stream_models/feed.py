"""Activity of students on its way from Kafka to the lake.

A message is a JSON object, a row of the stream. `seq` is the row's number in the stream, from 0; a producer that does
not number its rows leaves it out. A row that the sender could not read comes as `{"seq": 13, "refused": "<reason>",
"line": 14, "raw": "<text>"}`, so that it is counted once like any other row.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from lumbung.core import day as business_day
from lumbung.core.settings import Settings
from lumbung.stream.feed import Feed, Record, RefusedError, UnreadableError, value_of
from lumbung.stream.kafka import ACTIVITY
from lumbung.stream.ticks import is_tick

RAW = "raw/stream_models/activity"
LANDED = "landed/stream_models/activity"

_AT = pa.timestamp("us", "UTC")
# A row of the stream, as batches have it.
ACTIVITY_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("student_id", pa.string()),
        ("course_id", pa.string()),
        ("rating", pa.int64()),
        ("minutes", pa.float64()),
        ("hour", pa.int64()),
        ("device", pa.string()),
        ("completed", pa.bool_()),
        ("event_at", _AT),
    ]
)
SCHEMA = pa.schema([*ACTIVITY_SCHEMA, ("offset", pa.int64()), ("appended_at", _AT)])

MAX_SEQ = 2**62
MAX_TEXT = 1000
YEARS = range(1970, 2100)  # partitions of BigQuery end in 2159
_RAW_BYTES = 10_000


class _Usual(msgspec.Struct, forbid_unknown_fields=True):
    """A row as nearly all are, which is checked while it is decoded."""

    student_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
    course_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
    event_at: Annotated[datetime, msgspec.Meta(tz=True)]
    seq: Annotated[int, msgspec.Meta(ge=0, lt=MAX_SEQ)] | None = None
    rating: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    minutes: Annotated[float, msgspec.Meta(ge=0, le=1e300)] | None = None
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] | None = None
    device: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)] | None = None
    completed: bool | None = None


_decode = msgspec.json.Decoder(_Usual).decode


def feed(settings: Settings) -> Feed:
    """The topic of activity that the settings name, landed by the day that rows were appended on."""
    return Feed(
        topic=settings.activity.topic,
        config=ACTIVITY,
        raw=RAW,
        landed=LANDED,
        parse=_parse,
        schema=SCHEMA,
        dictionary=("student_id", "course_id", "device"),
        sender="lumbung models replay",
        lost="delete the topic, so that lumbung models replay sends its datasets again, of which rows that the lake has"
        " count once; or go on without them with lumbung models land --skip-lost",
        by_append_time=True,
    )


def _parse(record: Record) -> tuple[date, dict[str, Any]] | None:
    if is_tick(record):
        return None
    value = value_of(record)
    try:
        usual = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        row = _checked(value)
    else:
        if YEARS[0] < usual.event_at.year < YEARS[-1]:  # whatever its zone
            row = msgspec.structs.asdict(usual)
            row["event_at"] = usual.event_at.astimezone(UTC)
        else:
            row = _checked(value)
    row["offset"], row["appended_at"] = record.offset, record.at
    return business_day.today(record.at), row


def _checked(value: bytes) -> dict[str, Any]:
    """The row of a message, checked bit by bit, so that a reason can be given."""
    try:
        message = json.loads(value)
    except (ValueError, RecursionError):
        raise UnreadableError("the message is not JSON") from None
    if not isinstance(message, dict):
        raise UnreadableError("the message is not a JSON object")
    seq = message.get("seq")
    if seq is not None and (type(seq) is not int or not 0 <= seq < MAX_SEQ):
        raise UnreadableError("seq is not a whole number from 0")
    try:
        row = _row(message)
    except UnreadableError as error:
        if seq is None:
            raise
        raise RefusedError(str(error), seq, _raw(message, value)) from None
    return {"seq": seq, **row}


def _row(message: dict[str, Any]) -> dict[str, Any]:
    if "refused" in message:
        line = message.get("line")
        raise UnreadableError(_encodable(f"{message['refused']}{'' if line is None else f' (line {line})'}"))
    return {
        "student_id": _text(message, "student_id"),
        "course_id": _text(message, "course_id"),
        "rating": _whole(message, "rating", 1, 5),
        "minutes": _minutes(message.get("minutes")),
        "hour": _whole(message, "hour", 0, 23),
        "device": _text(message, "device") if message.get("device") is not None else None,
        "completed": _flag(message.get("completed")),
        "event_at": _time(message.get("event_at")),
    }


def _raw(message: dict[str, Any], value: bytes) -> str:
    raw = message.get("raw")
    if "refused" in message and isinstance(raw, str):
        return _encodable(raw)
    return value[:_RAW_BYTES].decode("utf-8", "backslashreplace")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _text(message: dict[str, Any], name: str) -> str:
    text = message.get(name)
    if text is None:
        raise UnreadableError(f"{name} is missing")
    if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
        raise UnreadableError(f"{name} is not a text of 1 to {MAX_TEXT:,} characters")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON may hold half of a surrogate pair
        raise UnreadableError(f"{name} is not Unicode text") from None
    return text


def _whole(message: dict[str, Any], name: str, least: int, most: int) -> int | None:
    number = message.get(name)
    if number is None:
        return None
    if type(number) is not int or not least <= number <= most:
        raise UnreadableError(f"{name} is not a whole number from {least} to {most}")
    return number


def _minutes(number: object) -> float | None:
    if number is None:
        return None
    if type(number) not in (int, float) or not 0 <= number < math.inf:  # type: ignore[operator]
        raise UnreadableError("minutes is not a number from 0")
    try:
        return float(number)  # type: ignore[arg-type]
    except OverflowError:
        raise UnreadableError("minutes is not a number from 0") from None


def _flag(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise UnreadableError("completed is neither true nor false")
    return value


def _time(text: object) -> datetime:
    if text is None:
        raise UnreadableError("event_at is missing")
    try:
        at = datetime.fromisoformat(text)  # type: ignore[arg-type]
        if at.tzinfo is not None and (at := at.astimezone(UTC)).year in YEARS:
            return at
    except (TypeError, ValueError, OverflowError):
        pass
    raise UnreadableError(
        f"event_at is not a time with a zone, such as 2026-09-01T13:02:11.250Z, from {YEARS[0]} to {YEARS[-1]}"
    )
