"""Titles of courses, for people: of the sample data's courses, and of those that a dataset's truth names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from lumbung import sources
from lumbung.catalog.contract import Catalog
from lumbung.core.errors import SourceError
from lumbung.models.truth import Truth
from lumbung.storage.lake import Lake
from lumbung.stream.replay import replays

COURSES = "staging.course"
TITLES = "titles/stream_models"


def put_titles(lake: Lake, catalog: Catalog, data_source: Path) -> str | None:
    """Put the titles of all courses that are known into the lake; gives their path, or None where there are none.

    Args:
        lake: the lake, whose replays name the truths.
        catalog: all contracts.
        data_source: folder of the sources' files.
    """
    titles = {**_of_source(catalog, data_source), **_of_truths(lake)}
    if not titles:
        return None
    content = json.dumps(titles, ensure_ascii=False, sort_keys=True, indent=0).encode()
    path = f"{TITLES}/{hashlib.sha256(content).hexdigest()[:12]}.json"
    lake.create(path, content)
    return path


def _of_source(catalog: Catalog, data_source: Path) -> dict[str, str]:
    """Those of the courses' source; none where it cannot be read, as models do without."""
    contract = catalog[COURSES]
    try:
        batches = list(sources.read(contract, data_source=data_source, dsn=None))
    except SourceError:
        return {}
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    return {row["id"]: row["title"] for row in rows if row["title"]}


def _of_truths(lake: Lake) -> dict[str, str]:
    titles: dict[str, str] = {}
    for path in {replay.truth for replay in replays(lake) if replay.truth}:
        if content := lake.read(path):
            truth = Truth.read(content, lake.address(path))
            titles |= zip(truth.course_ids, truth.titles, strict=True)
    return titles
