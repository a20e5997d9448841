"""What has been cut into batches so far: the one document that decides it.

A cut is written before the manifests of its batches, which it holds, and only if no other was written meanwhile: a
killed run leaves either nothing, or a cut whose manifests the next run completes. So no row gets lost between two
batches or into both, whatever is killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import DataFile, Manifest, newest
from lumbung.systems.stream_models.activity_batch import ActivityBatch
from lumbung.systems.stream_models.by import By

CUTS = "cuts/stream_models"
KEPT = 100  # generations of a cut; only the newest one is read


class Cut(Manifest):
    """What has been cut, and what is read but still open.

    Attributes:
        by: how the stream is cut.
        numbered: whether rows have a `seq`; None: not known before the first row.
        ends: the offset that each partition was read to, by topic id and partition.
        appended_to: the append time that it is landed to, likewise.
        partitions: how many partitions a topic has, by its id.
        consumed: what is in batches, as ranges of `seq`, the end not included. By count without `seq`: rows.
        watermark: the latest `event_at` of the rows before the first missing `seq`.
        open: rows that are read but in no batch yet.
        batches: the batches of this cut.
    """

    by: str
    numbered: bool | None = None
    ends: dict[str, dict[int, int]] = Field(default_factory=dict)
    appended_to: dict[str, dict[int, datetime]] = Field(default_factory=dict)
    partitions: dict[str, int] = Field(default_factory=dict)
    consumed: list[tuple[int, int]] = Field(default_factory=list)
    watermark: datetime | None = None
    open: DataFile | None = None
    batches: list[ActivityBatch] = Field(default_factory=list)


def folder_of(by: By) -> str:
    """The folder of the cuts."""
    return f"{CUTS}/{by.folder}"


def newest_cut(lake: Lake, by: By) -> Cut:
    """The cut that counts; generation 0 where nothing has been cut."""
    return newest(lake, folder_of(by), Cut, lambda _: True) or Cut(generation=0, by=str(by))


def commit(lake: Lake, by: By, cut: Cut) -> None:
    """Write a cut, if no other was written since the one before it.

    Args:
        lake: the lake.
        by: how the stream is cut.
        cut: the cut.

    Raises:
        LumbungError: another one was written.
    """
    folder = folder_of(by)
    content = cut.model_dump_json(indent=2).encode()
    if not lake.create(f"{folder}/manifest-{cut.generation:06}.json", content):
        raise LumbungError(
            "another run has cut the stream meanwhile", where=lake.address(folder), remedy="make the batches again"
        )
    lake.delete(f"{folder}/manifest-{cut.generation - KEPT:06}.json")


def complete(lake: Lake, cut: Cut, batches: Mapping[int, ActivityBatch]) -> dict[int, ActivityBatch]:
    """Write those manifests of a cut that are missing: the newest generation of every batch, by number.

    Args:
        lake: the lake.
        cut: the newest cut.
        batches: the newest generations that the lake has.
    """
    completed = dict(batches)
    for batch in cut.batches:
        known = completed.get(batch.number)
        if known is None or known.generation < batch.generation:
            write(lake, batch)
            completed[batch.number] = batch
    return completed


def write(lake: Lake, batch: ActivityBatch) -> None:
    """Write the manifest of a batch, if it is not there."""
    path = f"{batch.folder}/manifest-{batch.generation:06}.json"
    lake.create(path, batch.model_dump_json(indent=2).encode())
