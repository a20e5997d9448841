"""Landings: the manifests of what was landed, a chain for each partition of a topic.

A manifest is named by the topic's id, the partition and the offset that it starts at, which is where the manifest
before it ends. Manifests are never deleted, and a lander writes some every few minutes. So that nobody has to read all
of them each time, they are folded: a fold lists the landings of the beginning of each chain in one file, and readers go
on from where it ends.

A fold is only a shortcut: the chains say the same without it. Its file is written first and its manifest last, only if
absent. So a kill leaves nothing that is read, and of two writers both leave a fold that is true; the one that counts
may end earlier than the other, and what it lacks is read from the chains.
"""

from __future__ import annotations

import gzip
import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Document, Manifest, commit, newest
from lumbung.stream.kafka import Topic

# A run that finds more landings than this that are not folded folds them.
FOLD_AFTER = 50


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


class Fold(Manifest):
    """The landings of the beginning of each chain, in one file.

    Attributes:
        file: gzipped JSON lines, a landing in each.
        ends: the offset where the folded part of a chain ends, by topic id and partition.
    """

    file: DataFile
    ends: dict[str, dict[int, int]]

    def end(self, topic_id: str, partition: int) -> int:
        """The offset where the folded part of a chain ends; 0 if none of it is folded."""
        return self.ends.get(topic_id, {}).get(partition, 0)


def folds(folder: str) -> str:
    """The folder of the folds of a feed's folder of manifests."""
    return f"{folder}-folds"


def newest_fold(lake: Lake, folder: str) -> Fold | None:
    """The fold that counts; None if nothing is folded.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.
    """
    return newest(lake, folds(folder), Fold, lambda _: True)


def landings(lake: Lake, folder: str) -> list[Landing]:
    """Every landing of a feed, by topic id, partition and offset.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.

    Raises:
        LumbungError: the file of the fold is gone or is not as it was written.
    """
    return _sorted(*_read(lake, folder))


def fold(lake: Lake, folder: str) -> list[Landing]:
    """Fold the landings, if more than FOLD_AFTER are not folded.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.

    Returns:
        What `landings` returns.

    Raises:
        LumbungError: the file of the fold is gone or is not as it was written.
    """
    folded, others = _read(lake, folder)
    everything = _sorted(folded, others)
    if len(others) > FOLD_AFTER:
        ends: dict[str, dict[int, int]] = {}
        for landing in everything:  # the last of a chain is where it ends
            ends.setdefault(landing.topic_id, {})[landing.partition] = landing.next_offset
        lines = b"".join(landing.model_dump_json().encode() + b"\n" for landing in everything)
        content = gzip.compress(lines, mtime=0)
        file = DataFile(
            path=f"{folds(folder)}/landings-{uuid.uuid4().hex[:12]}.jsonl.gz",
            rows=len(everything),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        lake.write(file.path, content)
        commit(lake, folds(folder), lambda generation: Fold(generation=generation, file=file, ends=ends))
    return everything


def position(lake: Lake, folder: str, topic: Topic, partition: int) -> int:
    """The offset where the chain of a partition's manifests ends; 0 where there is none.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.
        topic: the topic.
        partition: the partition.
    """
    chain = f"{folder}/{topic.id}/{partition}"
    fold = newest_fold(lake, folder)
    end = fold.end(topic.id, partition) if fold else 0
    names = lake.names(chain, _name(end))
    content = lake.read(f"{chain}/{names[-1]}") if names else None
    return Landing.model_validate_json(content).next_offset if content else end


def create(lake: Lake, folder: str, landing: Landing) -> bool:
    """Write a manifest; False if its place in the chain is taken.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.
        landing: the manifest.
    """
    path = f"{folder}/{landing.topic_id}/{landing.partition}/{_name(landing.start_offset)}"
    return lake.create(path, landing.model_dump_json(indent=2).encode())


def _name(start_offset: int) -> str:
    return f"{start_offset:020}.json"


def _sorted(folded: list[Landing], others: list[Landing]) -> list[Landing]:
    return sorted([*folded, *others], key=lambda landing: (landing.topic_id, landing.partition, landing.start_offset))


def _read(lake: Lake, folder: str) -> tuple[list[Landing], list[Landing]]:
    """The landings that are folded, and the others."""
    fold, folded = _read_fold(lake, folder)
    paths = [
        f"{folder}/{topic}/{partition}/{name}"
        for topic in lake.names(folder)
        for partition in lake.names(f"{folder}/{topic}")
        for name in lake.names(f"{folder}/{topic}/{partition}", _name(fold.end(topic, int(partition)) if fold else 0))
    ]
    with ThreadPoolExecutor(8) as pool:  # a bucket answers each after a while
        contents = list(pool.map(lake.read, paths))
    return folded, [Landing.model_validate_json(content) for content in contents if content is not None]


def _read_fold(lake: Lake, folder: str) -> tuple[Fold | None, list[Landing]]:
    generation = 0
    while fold := newest_fold(lake, folder):
        content = lake.read(fold.file.path)
        if content is None and fold.generation != generation:
            generation = fold.generation  # a prune may have deleted it, as there is a newer one by now
            continue
        if content is None or hashlib.sha256(content).hexdigest() != fold.file.sha256:
            raise LumbungError(
                f"the file of the folded landings is {'gone' if content is None else 'not as it was written'}",
                where=lake.address(fold.file.path),
                remedy=f"delete {folds(folder)} in the lake: the landings themselves are kept, and the next run reads"
                " and folds all of them again",
            )
        return fold, [Landing.model_validate_json(line) for line in gzip.decompress(content).splitlines()]
    return None, []
