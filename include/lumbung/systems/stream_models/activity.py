"""Rows of a dataset as messages of the topic of activity."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from lumbung.core.day import JAKARTA
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.sources import Reject
from lumbung.storage.lake import Lake
from lumbung.stream import replay as stream_replay
from lumbung.stream.dataset import Columns, Dataset, Row
from lumbung.stream.kafka import ACTIVITY, Cluster
from lumbung.stream.replay import Replayed
from lumbung.systems.stream_models.feed import LANDED, SENDER

COLUMNS = Columns(
    names=("student_id", "course_id", "rating", "minutes", "hour", "device", "completed", "event_at"),
    required=("student_id", "course_id", "event_at"),
    aliases={"event_at": "event_time"},
)
MAX_MESSAGE_BYTES = 900_000  # what a broker takes by default, with room for what Kafka adds
DATE_DIGITS = 8  # 20260901
LEAST_MILLISECONDS = 10**11  # as a time after 1970: 1973 in milliseconds, 5138 in seconds
FLAGS = {"true": True, "false": False, "1": True, "0": False}


class Activity(msgspec.Struct):
    """A message: a row of the stream, with its number `seq` in it."""

    seq: int
    student_id: Any
    course_id: Any
    rating: Any
    minutes: Any
    hour: Any
    device: Any
    completed: Any
    event_at: Any


def replay(
    settings: Settings,
    lake: Lake,
    file: Path,
    contract: Path | None = None,
    delay: tuple[float, float] = (0, 0),
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Replayed:
    """Send a dataset to the topic of activity, each row exactly once; see `lumbung.stream.replay`.

    Args:
        settings: which Kafka and topic.
        lake: knows which dataset has which numbers of the stream.
        file: CSV, NDJSON or Parquet; beside it may lie its truth, `<file>.truth.npz`.
        contract: what the file calls the columns; None: their own names.
        delay: the least and the longest pause before a row, in milliseconds.
        seed: of the pauses.
        progress: is given what is done, how much of it, and all of it.

    Raises:
        LumbungError: the dataset cannot be read, Kafka refuses, or another replay has taken over.
    """
    return stream_replay.replay(
        Cluster(settings, settings.activity.topic, ACTIVITY, sender=SENDER),
        lake,
        Dataset(file, COLUMNS, contract),
        messages,
        landed=LANDED,
        delay=delay,
        seed=seed,
        progress=progress,
    )


def give_up(settings: Settings, lake: Lake, progress: Callable[[str, int, int], None] | None = None) -> Replayed:
    """Send what is missing of the last dataset, whose file is lost, as refused rows, so that others can come after it.

    Args:
        settings: which Kafka and topic.
        lake: knows which dataset has which numbers of the stream.
        progress: as `replay`'s.

    Raises:
        LumbungError: nothing was replayed, Kafka refuses, or another replay has taken over.
    """
    documents = stream_replay.replays(lake)
    if not documents:
        raise LumbungError("nothing has been replayed", where=lake.uri, remedy=f"replay a dataset: {SENDER}")
    cluster = Cluster(settings, settings.activity.topic, ACTIVITY, sender=SENDER)
    lost = stream_replay.LostDataset(documents[-1])
    return stream_replay.replay(cluster, lake, lost, messages, landed=LANDED, progress=progress)


def messages(rows: Iterator[Row | Reject], first: int) -> Iterator[tuple[bytes, bytes]]:
    """The key and the value of each row's message.

    A value of another type than the column's goes as it is: it is rejected, with its reason, where it is landed.

    Args:
        rows: of a dataset.
        first: the first row's number in the stream.
    """
    encode = msgspec.json.Encoder(enc_hook=str).encode
    for seq, row in enumerate(rows, first):
        if isinstance(row, Reject):
            yield _refused(seq, row)
            continue
        line, (student, course, rating, minutes, hour, device, completed, event_at) = row
        try:
            at = datetime.fromisoformat(event_at)
        except (TypeError, ValueError):
            at = event_at
        if getattr(at, "tzinfo", None) is not UTC:
            at = _moment(event_at)
        if type(rating) is not int:
            rating = _whole(rating)
        if type(minutes) is not float:
            minutes = _number(minutes)
        if hour is None and isinstance(at, datetime):
            hour = at.astimezone(JAKARTA).hour
        elif type(hour) is not int:
            hour = _whole(hour)
        if type(completed) is str:
            completed = FLAGS.get(completed.strip().lower(), completed)
        activity = Activity(seq, student, course, rating, minutes, hour, device, completed, at)
        try:
            value = encode(activity)
        except (OverflowError, UnicodeEncodeError, RecursionError) as error:
            yield _refused(seq, Reject.of(line, repr(row[1]).encode(), f"the row cannot be written as JSON ({error})"))
            continue
        if len(value) > MAX_MESSAGE_BYTES:
            reason = f"a row of {len(value):,} bytes; a message may have {MAX_MESSAGE_BYTES:,}"
            yield _refused(seq, Reject.of(line, value, reason))
            continue
        yield (student if type(student) is str else str(seq)).encode(), value


def _refused(seq: int, reject: Reject) -> tuple[bytes, bytes]:
    content = {"seq": seq, "refused": reject.reason, "line": reject.line, "raw": reject.raw}
    return str(seq).encode(), json.dumps(content).encode()


def _moment(value: Any) -> Any:
    """A time in UTC; text or a number of seconds or milliseconds since 1970 that is none stays as it is."""
    if isinstance(value, bool):
        return value
    try:
        if isinstance(value, str):
            text = value.strip()
            if text.isdecimal() and len(text) > DATE_DIGITS:
                return _moment(float(text))  # Python reads 1712123112345 as a time of the year 1712
            at = datetime.fromisoformat(text)
        elif isinstance(value, datetime):
            at = value
        else:
            at = datetime.fromtimestamp(value / 1000 if abs(value) >= LEAST_MILLISECONDS else value, UTC)
        return (at if at.tzinfo else at.replace(tzinfo=JAKARTA)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        number = _number(value)
        return value if number is value else _moment(number)


def _number(value: Any) -> Any:
    """The number that a text or decimal is; another value stays as it is."""
    if isinstance(value, str | Decimal):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) and "_" not in str(value) else value
    return value


def _whole(value: Any) -> Any:
    """The whole number that a text, a decimal or 4.0 is; another value stays as it is."""
    number = _number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else value
