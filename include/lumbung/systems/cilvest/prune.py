"""Prune of tweets: only what nothing is made from any more goes.

Landed tweets, their landings and each day's newest clean file stay, of any age: the marts count all days, an edit may
change a day's neighbour, and where to go on in Kafka is read from the landings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from lumbung.pipeline.snapshot import MANIFEST
from lumbung.spark.dataproc import PLANS
from lumbung.storage.lake import Lake, Stored
from lumbung.stream.landing import landings
from lumbung.systems.cilvest.feed import LANDED, RAW
from lumbung.systems.cilvest.steps import CURATED, VERSIONS, newest_version, path_of


def survey(lake: Lake, before: datetime) -> tuple[list[Stored], set[date]]:
    """What goes, in the order it goes in; and the days whose partition of `staging.rejected_row` holds messages.

    Versions but the newest, plans of Dataproc's jobs, clean files of no day of the newest version, and files that no
    landing names.

    Args:
        lake: the lake.
        before: a younger file may be that of a run or a lander at work.
    """
    # Listed before the landings are read: what is landed in between is in no list.
    there = [one for folder in (VERSIONS, PLANS, CURATED, RAW) for one in _old(lake, folder, before)]
    landed = landings(lake, LANDED)
    named = {file.path for one in landed for file in (*one.files, one.rejects) if file}
    if version := newest_version(lake):
        named |= {path_of(version, day) for day in version.days}
        named.add(f"{VERSIONS}/manifest-{version.generation:06}.json")
    return [one for one in there if one.path not in named], {one.rejects.day for one in landed if one.rejects}


def _old(lake: Lake, folder: str, before: datetime) -> Iterator[Stored]:
    for one in lake.files(folder):
        name = one.path.rpartition("/")[2]
        ours = MANIFEST.match(name) if folder == VERSIONS else name.endswith((".parquet", ".json"))
        if ours and one.modified < before:
            yield one
