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

import pyarrow.parquet as pq

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.pipeline import incremental
from lumbung.pipeline.run import Run
from lumbung.pipeline.target import Partition, Target
from lumbung.spark import clean as cleaning
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import commit, newest
from lumbung.stream.landing import Landing, fold, landings_after
from lumbung.systems.cilvest.feed import LANDED
from lumbung.systems.cilvest.landed_days import ENTITY as ENTITY
from lumbung.systems.cilvest.landed_days import SYSTEM as SYSTEM
from lumbung.systems.cilvest.landed_days import VERSIONS as VERSIONS
from lumbung.systems.cilvest.landed_days import Cleaned, LandedDay, lines, note_rejects, read_day, write_day
from lumbung.systems.cilvest.landed_days import TweetVersion as TweetVersion
from lumbung.systems.cilvest.landed_days import newest_version as newest_version

TABLE = f"staging.{ENTITY}"
CURATED = f"curated/{SYSTEM}/{ENTITY}"
ONE_DAY = timedelta(days=1)


def make_version(lake: Lake) -> TweetVersion | None:
    """Write down what is landed; an existing version is reused when nothing came. None: no tweet was ever landed.

    It is made of the one before and of what was landed since. Landings are folded on the way, by one run at a time.
    """
    with lake.lease(f"version/{SYSTEM}"):
        listed = fold(lake, LANDED)
        previous = newest_version(lake)
        # One of an earlier release does not say how far it goes: all landings are read again.
        known = previous if previous and previous.ends else None
        since = _sum_up(landings_after(lake, LANDED, known.ends if known else {}, listed), known)
        if not since.has_tweets:
            return None
        places = sorted(
            f"{topic}/{partition}/{end}" for topic, ends in since.ends.items() for partition, end in ends.items()
        )
        name = hashlib.sha256("\n".join([f"{cleaning.CLEANER_VERSION}", *places]).encode()).hexdigest()
        if previous and previous.landings == name:
            return previous
        landed, days = _days(lake, since, known)
        return commit(
            lake,
            VERSIONS,
            lambda generation: TweetVersion(
                system=SYSTEM,
                generation=generation,
                landings=name,
                rows_read=since.rows_read,
                rows_kept=since.rows_kept,
                rows_rejected=since.rows_rejected,
                landed_at=since.last,
                days=days,
                cleaner=cleaning.CLEANER_VERSION,
                ends=since.ends,
                landed=landed,
                rejected=since.rejected,
            ),
        )


def raw_files(lake: Lake, version: TweetVersion, day: date) -> list[str]:
    """The raw files that a day of a version is cleaned from: its own and its neighbours'.

    An edit may move a tweet over midnight.

    Args:
        lake: the lake.
        version: the version.
        day: one of its days.

    Raises:
        LumbungError: the list of a day's files is gone.
    """
    if (files := version.days[day].files) is not None:
        return files
    return sorted(file.path for near in _near(day) for file in read_day(lake, version.landed, near).tweets)


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


@dataclass
class _Since:
    """The version before, and what was landed since: first of all a hundred thousand landings, not held as they are.

    Attributes:
        rows_read: as `TweetVersion`'s, as are the next two.
        rows_kept: see there.
        rows_rejected: see there.
        last: when the last was landed.
        ends: as `TweetVersion`'s.
        rejected: as `TweetVersion`'s.
        has_tweets: whether there are any.
        days: the lines of what was landed since, by Jakarta day.
    """

    rows_read: int = 0
    rows_kept: int = 0
    rows_rejected: int = 0
    last: datetime = datetime(1, 1, 1, tzinfo=UTC)
    ends: dict[str, dict[int, int]] = field(default_factory=dict)
    rejected: dict[date, datetime] = field(default_factory=dict)
    has_tweets: bool = False
    days: dict[date, list[bytes]] = field(default_factory=dict)


def _sum_up(landings: Iterable[Landing], known: TweetVersion | None) -> _Since:
    since = _Since()
    if known:
        ends = {topic: dict(partitions) for topic, partitions in known.ends.items()}
        counts = (known.rows_read, known.rows_kept, known.rows_rejected)
        since = _Since(*counts, known.landed_at, ends, dict(known.rejected), has_tweets=True)
    for landing in landings:
        since.ends.setdefault(landing.topic_id, {})[landing.partition] = landing.next_offset
        since.rows_read += landing.rows_read
        since.rows_kept += landing.rows_kept
        since.rows_rejected += landing.rows_rejected
        since.last = max(since.last, landing.landed_at)
        since.has_tweets |= bool(landing.files)
        for day, line in lines(landing):
            since.days.setdefault(day, []).append(line)
        note_rejects(since.rejected, landing)
    return since


def _days(lake: Lake, since: _Since, known: TweetVersion | None) -> tuple[dict[date, str], dict[date, Cleaned]]:
    """Where what was landed of each day lies, and what each day is cleaned from.

    Only days that got files since, or whose neighbours did, are read and named again, all after the cleaner changed.
    """
    landed = dict(known.landed) if known else {}
    contents: dict[date, LandedDay] = {}

    def content(day: date) -> LandedDay:
        if day not in contents:
            contents[day] = read_day(lake, landed, day)
        return contents[day]

    rows = {day: cleaned.rows for day, cleaned in known.days.items()} if known else {}
    for day, more in since.days.items():
        rows[day] = rows.get(day, 0) + LandedDay(more).rows
        contents[day] = LandedDay([*content(day).lines, *more])
        landed[day] = write_day(lake, day, contents[day])
    is_current = known is not None and known.cleaner == cleaning.CLEANER_VERSION
    changed = {near for day in since.days for near in _near(day)} if is_current else set(landed)
    days = dict(known.days) if known and is_current else {}
    for day in changed & landed.keys():
        if rows.get(day):
            checksums = sorted(checksum for near in _near(day) for checksum in content(near).checksums)
            key = hashlib.sha256(b"\n".join([*checksums, b"%d" % cleaning.CLEANER_VERSION])).hexdigest()[:12]
            days[day] = Cleaned(key=key, rows=rows[day])
    return dict(sorted(landed.items())), dict(sorted(days.items()))


def _near(day: date) -> tuple[date, date, date]:
    return day - ONE_DAY, day, day + ONE_DAY
