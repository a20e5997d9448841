"""Landings: the manifests of what was landed, a chain for each partition of a topic.

A manifest is named by the topic's id, the partition and the offset that it starts at, which is where the manifest
before it ends.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document
from lumbung.stream.kafka import Topic


class LandedFile(DataFile):
    """A Parquet file of one Jakarta day."""

    day: date


class Landing(Document):
    """A manifest: what a range of a partition's offsets became.

    Attributes:
        topic: the topic's name.
        topic_id: Kafka's own id of it.
        partition: the partition.
        start_offset: where the manifest before ended; 0 for the first.
        next_offset: behind the last offset of the range. Offsets without a message (the ends of transactions, messages
            of aborted ones) are in it too, so the range is often longer than `rows_read`.
        rows_read: messages in the range: kept and rejected ones.
        rows_kept: those in `files`.
        rows_rejected: those in `rejects` and in the topic of dead letters.
        files: rows, a file for each Jakarta day.
        rejects: messages that cannot be read; its day is the Jakarta day of the first one's time in Kafka.
        landed_at: when.
    """

    topic: str
    topic_id: str
    partition: int
    start_offset: int
    next_offset: int
    rows_read: int
    rows_kept: int
    rows_rejected: int
    files: list[LandedFile]
    rejects: LandedFile | None
    landed_at: datetime


def landings(lake: Lake, folder: str) -> list[Landing]:
    """Every manifest of a feed, by topic id, partition and offset.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.
    """
    paths = [
        f"{folder}/{topic}/{partition}/{name}"
        for topic in lake.names(folder)
        for partition in sorted(lake.names(f"{folder}/{topic}"), key=int)
        for name in lake.names(f"{folder}/{topic}/{partition}")
    ]
    with ThreadPoolExecutor(8) as pool:  # a bucket answers each after a while
        contents = list(pool.map(lake.read, paths))
    return [Landing.model_validate_json(content) for content in contents if content is not None]


def position(lake: Lake, folder: str, topic: Topic, partition: int) -> int:
    """The offset where the chain of a partition's manifests ends; 0 where there is none.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.
        topic: the topic.
        partition: the partition.
    """
    chain = f"{folder}/{topic.id}/{partition}"
    names = lake.names(chain)
    content = lake.read(f"{chain}/{names[-1]}") if names else None
    return Landing.model_validate_json(content).next_offset if content else 0


def create(lake: Lake, folder: str, landing: Landing) -> bool:
    """Write a manifest; False if its place in the chain is taken.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.
        landing: the manifest.
    """
    path = f"{folder}/{landing.topic_id}/{landing.partition}/{landing.start_offset:020}.json"
    content = landing.model_dump_json(indent=2).encode()
    # A bucket's client may have sent it twice, and got the answer that it exists: its own.
    return lake.create(path, content) or lake.read(path) == content
