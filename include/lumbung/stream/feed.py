"""What is landed: a topic, how its messages are read, and where their rows go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa


class UnreadableError(ValueError):
    """A message is not what its topic holds; the text is a reason to show."""


class RefusedError(UnreadableError):
    """The message carries what was refused before it came into the topic.

    Attributes:
        line: its line in the source from 1, or its number in the stream from 0 where rows are numbered.
        raw: what stood there.
    """

    def __init__(self, reason: str, line: int, raw: str) -> None:
        super().__init__(reason)
        self.line, self.raw = line, raw


class Record(NamedTuple):
    """A message of a topic.

    Attributes:
        value: what it holds.
        key: its key.
        partition: its partition.
        offset: its offset there.
        at: its time in Kafka: when it was appended, or what its producer set, as the topic is configured.
    """

    value: bytes | None
    key: bytes | None
    partition: int
    offset: int
    at: datetime


@dataclass(frozen=True)
class Feed:
    """A topic on its way to the lake.

    Attributes:
        topic: the topic's name.
        config: the topic's configuration, where it is made.
        raw: folder of the Parquet files; the names of the files start with its own name.
        landed: folder of the manifests.
        parse: reads a message: the Jakarta day whose file takes the row, and the row; None for a tick, which holds
            nothing. It raises `UnreadableError` for what belongs into the topic of dead letters.
        schema: the rows'.
        dictionary: columns with few different values, which Parquet stores as a dictionary.
        sender: the command that fills the topic.
        lost: what to do where messages were deleted before they were landed.
        by_append_time: whether it matters when messages were appended: files of rejects have the number in the stream
            (`seq`), offset and append time of each, and manifests the append time that they reach to. The topic's
            `message.timestamp.type` is LogAppendTime then.
    """

    topic: str
    config: Mapping[str, str]
    raw: str
    landed: str
    parse: Callable[[Record], tuple[date, dict[str, Any]] | None]
    schema: pa.Schema
    dictionary: tuple[str, ...]
    sender: str
    lost: str
    by_append_time: bool = False

    @property
    def group(self) -> str:
        """The document that names the consumer group; outside the folder of manifests, which has a folder per topic."""
        return f"{self.landed.rpartition('/')[0]}/group.json"


def value_of(record: Record) -> bytes:
    """What a message holds.

    Raises:
        UnreadableError: nothing.
    """
    if record.value is None:
        raise UnreadableError("the message has no value")
    return record.value
