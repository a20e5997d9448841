"""Versions of the tweets: which landings make one, what each of its days is made from, and which days changed.

Landings are only ever added, so versions are nested and their generations order them; no clock decides. A day is
cleaned into a file that is named by what it was cleaned from, and a run rebuilds only the days whose name differs from
that of the published day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pyarrow.parquet as pq

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.pipeline import incremental, snapshot
from lumbung.pipeline.run import Run
from lumbung.pipeline.target import Partition, Target
from lumbung.spark import clean as cleaning
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document, Manifest, commit, newest
from lumbung.stream.landing import Landing, fold, landings
from lumbung.systems.cilvest.feed import LANDED

SYSTEM, ENTITY = "cilvest", "tweet"
TABLE = f"staging.{ENTITY}"
VERSIONS = f"{snapshot.version_folder(SYSTEM)}/all"
CURATED = f"curated/{SYSTEM}/{ENTITY}"
ONE_DAY = timedelta(days=1)


class Cleaned(Document):
    """What a day is cleaned from.

    Attributes:
        key: names the cleaned file: 12 hex digits of the files' checksums and the cleaner's version.
        files: raw files: the day's and its neighbours', as an edit may move a tweet over midnight.
        rows: raw tweets of the day itself.
    """

    key: str
    files: list[str]
    rows: int


class TweetVersion(Manifest):
    """All that was landed.

    Attributes:
        landings: names the set of landings and the cleaner's version.
        rows_read: messages that were landed: kept and rejected ones.
        rows_kept: those that are tweets.
        rows_rejected: the others.
        landed_at: when the last of them was landed.
        days: what each Jakarta date is cleaned from.
    """

    system: str
    landings: str
    rows_read: int
    rows_kept: int
    rows_rejected: int
    landed_at: datetime
    days: dict[date, Cleaned]


def make_version(lake: Lake) -> TweetVersion | None:
    """Write down what is landed; an existing version is reused when nothing came. None: nothing was ever landed.

    Landings are folded on the way, by one run at a time.
    """
    with lake.lease(f"version/{SYSTEM}"):
        fold(lake, LANDED)
        landed = _sum_up(landings(lake, LANDED))
        if not landed.files:
            return None
        names = [f"{cleaning.CLEANER_VERSION}", *sorted(landed.places)]
        name = hashlib.sha256("\n".join(names).encode()).hexdigest()
        previous = newest_version(lake)
        if previous and previous.landings == name:
            return previous
        days = _days(landed.files)
        return commit(
            lake,
            VERSIONS,
            lambda generation: TweetVersion(
                system=SYSTEM,
                generation=generation,
                landings=name,
                rows_read=landed.rows_read,
                rows_kept=landed.rows_kept,
                rows_rejected=landed.rows_rejected,
                landed_at=landed.last,
                days=days,
            ),
        )


def newest_version(lake: Lake) -> TweetVersion | None:
    """The version with the highest generation."""
    return newest(lake, VERSIONS, TweetVersion, lambda _: True)


def version_of(run: Run, target: Target) -> TweetVersion:
    """The version that a target stands for.

    Raises:
        LumbungError: there is no such version.
    """
    version = newest(run.lake, VERSIONS, TweetVersion, lambda version: version.generation == target.generation)
    if version is None:
        raise LumbungError("no such version", where=run.lake.address(VERSIONS), remedy="run the day again")
    return version


def make_target(run: Run, version: TweetVersion) -> Target | None:
    """The version with the days that a run has to rebuild: those that are published otherwise, or not at all.

    The target's day is the last day that has tweets; it never gets earlier, as landings are only added. Days that the
    warehouse would drop at once, as the BigQuery sandbox does, are left out; None: there are no others. They come back
    when it keeps them again.
    """
    kept = incremental.keep(run, ENTITY, {day: cleaned.key for day, cleaned in version.days.items()})
    if not kept:
        return None
    changed, rules = incremental.changes(run, kept)
    last = max(kept)
    return Target(
        system=SYSTEM,
        day=last,
        generation=version.generation,
        extracted_at=version.landed_at,
        provisional=version.landed_at < business_day.ends_at(last),
        partitions=[Partition(table=ENTITY, day=day, holds=kept[day]) for day in changed],
        manifest=f"{VERSIONS}/manifest-{version.generation:06}.json",
        changed=changed,
        days=kept,
        rules=rules,
    )


def cleaned_path(day: date, key: str) -> str:
    """Where a cleaned day lies in the lake."""
    return f"{CURATED}/dt={day}/{key}.parquet"


def is_cleaned(lake: Lake, day: date, key: str) -> bool:
    """Whether a day is cleaned already.

    Args:
        lake: the lake.
        day: the Jakarta day.
        key: names what it is cleaned from.
    """
    folder, _, name = cleaned_path(day, key).rpartition("/")
    return name in lake.names(folder)


def cleaned_rows(lake: Lake, day: date, key: str) -> int:
    """How many tweets a cleaned day has.

    Args:
        lake: the lake.
        day: the Jakarta day.
        key: names what it is cleaned from.
    """
    with lake.local(cleaned_path(day, key)) as file:
        return int(pq.read_metadata(file).num_rows)


class _File(NamedTuple):
    path: str
    rows: int
    sha256: str


@dataclass
class _Landed:
    """All landings, summed up: a year has a hundred thousand of them, which are not held as they are.

    Attributes:
        places: each landing's place in its chain.
        rows_read: as `TweetVersion`'s, as are the next two.
        rows_kept: see there.
        rows_rejected: see there.
        last: when the last was landed.
        files: raw files by Jakarta day.
    """

    places: list[str] = field(default_factory=list)
    rows_read: int = 0
    rows_kept: int = 0
    rows_rejected: int = 0
    last: datetime = datetime(1, 1, 1, tzinfo=UTC)
    files: dict[date, list[_File]] = field(default_factory=dict)


def _sum_up(landings: Iterable[Landing]) -> _Landed:
    landed = _Landed()
    for landing in landings:
        landed.places.append(f"{landing.topic_id}/{landing.partition}/{landing.start_offset}")
        landed.rows_read += landing.rows_read
        landed.rows_kept += landing.rows_kept
        landed.rows_rejected += landing.rows_rejected
        landed.last = max(landed.last, landing.landed_at)
        for file in landing.files:
            landed.files.setdefault(file.day, []).append(_File(file.path, file.rows, file.sha256))
    return landed


def _days(files_of: dict[date, list[_File]]) -> dict[date, Cleaned]:
    days = {}
    for day in sorted(files_of):
        files = [file for near in (day - ONE_DAY, day, day + ONE_DAY) for file in files_of.get(near, [])]
        checksums = sorted(file.sha256 for file in files)
        key = hashlib.sha256("\n".join([*checksums, f"{cleaning.CLEANER_VERSION}"]).encode()).hexdigest()[:12]
        rows = sum(file.rows for file in files_of[day])
        days[day] = Cleaned(key=key, files=sorted(file.path for file in files), rows=rows)
    return days
