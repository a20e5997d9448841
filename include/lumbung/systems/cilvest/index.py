"""The index of tweets in the search server: filled by a run, and again for a new mapping version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from lumbung.pipeline.publish import SUPERSEDED
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.storage.lake import Lake, open_lake
from lumbung.storage.manifest import Document
from lumbung.systems.cilvest.version import cleaned_path, is_cleaned, newest_version

if TYPE_CHECKING:
    import pyarrow as pa

    from lumbung.core.settings import Settings
    from lumbung.search.index import Indexed


class _Indexed(Document):
    """What a search server has: the newest version's generation, and each day's key."""

    generation: int = 0
    days: dict[date, str] = {}  # noqa: RUF012 - pydantic copies it


def index(run: Run, target: Target) -> Step:
    """Index the days that the search server has otherwise or not at all; what a newer version has indexed stays."""
    from lumbung.search import cluster as servers
    from lumbung.search import index as search

    cluster = servers.connect(run.settings)
    server = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{cluster.address}-{cluster.alias}")
    path = f"state/search/{server}.json"
    rows = 0
    with run.lake.lease(search.LEASE):
        content = run.lake.read(path) if search.months(cluster) else None
        indexed = _Indexed.model_validate_json(content) if content else _Indexed()
        if indexed.generation > target.generation:
            return Step(table=cluster.alias, note=SUPERSEDED)
        behind = [day for day, key in sorted(target.days.items()) if indexed.days.get(day) != key]
        for day in behind:
            key = target.days[day]
            rows += search.index_day(cluster, day, _batches(run.lake, cleaned_path(day, key))).rows
            indexed = _Indexed(generation=target.generation, days={**indexed.days, day: key})
            run.lake.write(path, indexed.model_dump_json(indent=2).encode())
    return Step(table=cluster.alias, rows_in=rows, rows_out=rows, note=f"{len(behind)} days indexed")


def reindex(settings: Settings) -> Iterator[Indexed]:
    """Fill the indices of a new mapping version from the lake; see `search.index.reindex`."""
    from lumbung.search import cluster as servers
    from lumbung.search import index as search

    cluster, lake = servers.connect(settings), open_lake(settings)

    def read(day: date) -> Iterator[pa.RecordBatch] | None:
        if version is None or day not in version.days or not is_cleaned(lake, day, version.days[day].key):
            return None
        return _batches(lake, cleaned_path(day, version.days[day].key))

    with lake.lease(search.LEASE):
        version = newest_version(lake)
        yield from search.reindex(cluster, read)


def _batches(lake: Lake, path: str) -> Iterator[pa.RecordBatch]:
    with lake.local(path) as file:
        yield from pq.ParquetFile(file).iter_batches()
