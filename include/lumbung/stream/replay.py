"""Datasets that are replayed: the lake knows which of them has which rows of the stream."""

from __future__ import annotations

from datetime import datetime

from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document

REPLAYS = "replays/stream_models"


class Replay(Document):
    """A dataset that is replayed.

    Attributes:
        number: 1, 2, …
        sha256: checksum of the dataset's file, and of its contract if it has one.
        name: the file's name.
        first_seq: number in the stream of the dataset's first row.
        rows: its rows.
        truth: path in the lake of the file with its truth.
        claimed_at: when its numbers were taken.
    """

    number: int
    sha256: str
    name: str
    first_seq: int
    rows: int
    truth: str | None
    claimed_at: datetime


def replays(lake: Lake) -> list[Replay]:
    """All replays, in order."""
    contents = [lake.read(f"{REPLAYS}/{name}") for name in lake.names(REPLAYS)]
    return [Replay.model_validate_json(content) for content in contents if content]
