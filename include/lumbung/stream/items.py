"""What sources of tweets and the collector share: the items that a source yields."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lumbung.stream import envelope
from lumbung.stream.feed import UnreadableError


@dataclass(frozen=True)
class Refused:
    """What a source holds that is not a tweet.

    Attributes:
        file: the file or request it came from.
        line: its line there, from 1.
        reason: why it is not a tweet.
        raw: its bytes as they came.
        is_notice: it is well-formed and never was to be a tweet, such as a stream's notice of a deletion.
    """

    file: str
    line: int
    reason: str
    raw: bytes
    is_notice: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """A place in a source's items: `save` is called once all before it is on disk."""

    save: Callable[[], None]


Item = bytes | Refused | Checkpoint


class Source(Protocol):
    """Where tweets come from.

    Attributes:
        name: one of `TWEET_SOURCES`.
    """

    name: str

    @property
    def notes(self) -> list[str]:
        """What a person should know, such as why it stopped early."""

    @property
    def requests(self) -> int:
        """Requests sent so far."""

    @property
    def mills(self) -> int:
        """What they cost, in thousandths of a US dollar."""

    def items(self) -> Generator[Item]:
        """Envelopes, what is not a tweet, and checkpoints, in the source's order."""


def unpack(
    page: list[object], *, source: str, collected_at: datetime, file: str, line: int, member: str = "data"
) -> Iterator[bytes | Refused]:
    """The envelopes of what an answer holds, and what of it is not a tweet.

    Args:
        page: as `envelope.tweets` gives it.
        source: the source's name.
        collected_at: aware.
        file: the file or request the answer came from.
        line: its line there.
        member: the member of the answer that holds the tweets.
    """
    for place, tweet in enumerate(page):
        raw = json.dumps(tweet)
        try:
            envelope.read(tweet)
        except UnreadableError as error:
            yield Refused(file, line, f"{member}[{place}]: {error}", raw.encode())
        else:
            yield envelope.wrap(raw, source=source, collected_at=collected_at)


def sync(folder: Path) -> None:
    """Put a folder's names on disk, as `fsync` puts a file's content."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
