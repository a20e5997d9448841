"""What is landed: a topic, how its messages are read, and where their rows go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class UnreadableError(ValueError):
    """A message is not what its topic holds; the text is a reason to show."""


class RefusedError(UnreadableError):
    """The message carries what was refused before it came into the topic.

    Attributes:
        line: its line in the source, from 1.
        raw: what stood there.
    """

    def __init__(self, reason: str, line: int, raw: str) -> None:
        super().__init__(reason)
        self.line, self.raw = line, raw


@dataclass(frozen=True)
class Feed:
    """A topic on its way to the lake.

    Attributes:
        topic: the topic's name.
        raw: folder of the Parquet files; the names of the files start with its own name.
        landed: folder of the manifests.
        parse: reads a message's value: the Jakarta day whose file takes the row, and the row.
            It raises `UnreadableError` for what belongs into the topic of dead letters.
        schema: the rows'.
        dictionary: columns with few different values, which Parquet stores as a dictionary.
    """

    topic: str
    raw: str
    landed: str
    parse: Callable[[bytes], tuple[date, dict[str, Any]]]
    schema: pa.Schema
    dictionary: tuple[str, ...]

    @property
    def group(self) -> str:
        """The document that names the consumer group; outside the folder of manifests, which has a folder per topic."""
        return f"{self.landed.rpartition('/')[0]}/group.json"
