"""Landings: the manifests of what was landed, a chain for each partition of a topic.

A manifest is named by the topic's id, the partition and the offset that it starts at, which is where the manifest
before it ends. Manifests are never deleted, and a lander writes some every few minutes. So that a run need not read all
of them, they are folded: a fold lists the landings of the beginning of each chain in one file, and readers go
on from where it ends.

A fold is only a shortcut: the chains say the same without it. Its file is written first and its manifest last, only if
absent. So a kill leaves nothing that is read, and of two writers both leave a fold that is true; the one that counts
may end earlier than the other, and the rest is read from the chains.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from typing import NamedTuple

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
        appended_to: the latest append time of a message in the range, ticks too; None where the feed does not ask for
            it, or the range has no message.
        partitions: how many the topic had; None where the feed does not ask for append times.
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
    appended_to: datetime | None = None
    partitions: int | None = None


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


class Listing(NamedTuple):
    """The landings behind a place in each chain, as they were listed at one time.

    Attributes:
        ends: the place: an offset, by topic id and partition; where there is none, the chain's beginning.
        paths: their manifests, those of a chain by their offsets.
    """

    ends: Mapping[str, Mapping[int, int]]
    paths: list[str]

    def starts_before(self, ends: Mapping[str, Mapping[int, int]]) -> bool:
        """Whether all landings behind a later place are among them."""
        return all(
            end <= ends.get(topic, {}).get(partition, 0)
            for topic, partitions in self.ends.items()
            for partition, end in partitions.items()
        )

    def behind(self, ends: Mapping[str, Mapping[int, int]]) -> list[str]:
        """The manifests behind a later place."""
        found = []
        for path in self.paths:
            topic, partition, name = path.split("/")[-3:]
            if name >= _name(ends.get(topic, {}).get(int(partition), 0)):
                found.append(path)
        return found


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


def landings(lake: Lake, folder: str) -> Iterator[Landing]:
    """Every landing of a feed, those of a chain by their offsets; one at a time, as there may be many.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.

    Raises:
        LumbungError: the file of the fold is gone or is not as it was written.
    """
    fold, content = _read_fold(lake, folder)
    with gzip.open(io.BytesIO(content)) as lines:
        for line in lines:
            yield Landing.model_validate_json(line)
    yield from _read(lake, _unfolded(lake, folder, fold.ends if fold else {}))


def landings_after(
    lake: Lake, folder: str, ends: Mapping[str, Mapping[int, int]], listed: Listing | None = None
) -> Iterator[Landing]:
    """The landings behind those that are known, of each chain by their offsets; no other is read.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.
        ends: the offset where the known part of a chain ends, by topic id and partition.
        listed: what `fold` has listed, so that the chains are not listed again.

    Raises:
        LumbungError: nothing is known, and the file of the fold is gone or is not as it was written.
    """
    # A folder that is listed while landers write may show a manifest without the one before it.
    known = {topic: dict(partitions) for topic, partitions in ends.items()}
    if known:
        paths = listed.behind(known) if listed and listed.starts_before(known) else _unfolded(lake, folder, known)
    for landing in _read(lake, paths) if known else landings(lake, folder):
        chain = known.setdefault(landing.topic_id, {})
        if landing.start_offset == chain.get(landing.partition, 0):
            chain[landing.partition] = landing.next_offset
            yield landing


def fold(lake: Lake, folder: str) -> Listing:
    """Fold the landings, if more than FOLD_AFTER are not folded.

    Args:
        lake: the lake.
        folder: the feed's folder of manifests.

    Returns:
        The landings that were not folded before.

    Raises:
        LumbungError: there is something to fold, and the file of the last fold is gone or is not as it was written.
    """
    last = newest_fold(lake, folder)
    listed = Listing(last.ends if last else {}, _unfolded(lake, folder, last.ends if last else {}))
    if len(listed.paths) > FOLD_AFTER:
        _fold(lake, folder, listed.paths)
    return listed


def _fold(lake: Lake, folder: str, paths: list[str]) -> None:
    """Fold landings behind the fold that counts; those that it has by now are passed over."""
    last, content = _read_fold(lake, folder)
    landings = []
    ends = {topic: dict(partitions) for topic, partitions in last.ends.items()} if last else {}
    for landing in _read(lake, paths):
        chain = ends.setdefault(landing.topic_id, {})
        # A folder that is listed while landers write may show a manifest without the one before it: the fold ends
        # there, as what it passed over would never be read again.
        if landing.start_offset == chain.get(landing.partition, 0):
            landings.append(landing)
            chain[landing.partition] = landing.next_offset
    if not landings:
        return
    lines = b"".join(landing.model_dump_json(exclude_unset=True).encode() + b"\n" for landing in landings)
    content += gzip.compress(lines, mtime=0)  # readers of gzip take joined files as one
    file = DataFile(
        path=f"{folds(folder)}/landings-{uuid.uuid4().hex[:12]}.jsonl.gz",
        rows=len(landings) + (last.file.rows if last else 0),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    lake.write(file.path, content)
    commit(lake, folds(folder), lambda generation: Fold(generation=generation, file=file, ends=ends))


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
    return lake.create(path, landing.model_dump_json(indent=2, exclude_unset=True).encode())


def _name(start_offset: int) -> str:
    return f"{start_offset:020}.json"


def _unfolded(lake: Lake, folder: str, ends: Mapping[str, Mapping[int, int]]) -> list[str]:
    """The paths of the landings behind `ends`, those of a chain by their offsets."""
    return [
        f"{folder}/{topic}/{partition}/{name}"
        for topic in lake.names(folder)
        for partition in lake.names(f"{folder}/{topic}")
        for name in lake.names(f"{folder}/{topic}/{partition}", _name(ends.get(topic, {}).get(int(partition), 0)))
    ]


def _read(lake: Lake, paths: list[str]) -> list[Landing]:
    with ThreadPoolExecutor(8) as pool:  # a bucket answers each after a while
        contents = list(pool.map(lake.read, paths))
    return [Landing.model_validate_json(content) for content in contents if content is not None]


def _read_fold(lake: Lake, folder: str) -> tuple[Fold | None, bytes]:
    """The fold that counts, and the content of its file; nothing if nothing is folded."""
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
        return fold, content
    return None, b""
