"""Tweets from the lake to the warehouse: which landings make a version, which days changed, their cleaning and load.

Landings are only ever added, so versions are nested and their generations order them; no clock decides. A day is
cleaned into a file that is named by what it was cleaned from, and a run makes anew only the days whose name is another
one than that of the published day.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.core.settings import NO_SOURCE
from lumbung.pipeline import load, snapshot
from lumbung.pipeline import operations as ledger
from lumbung.pipeline.publish import SUPERSEDED, published
from lumbung.pipeline.run import Run, Step, refuse_expired
from lumbung.pipeline.snapshot import Document, Manifest
from lumbung.spark import clean as cleaning
from lumbung.storage.lake import Lake, open_lake
from lumbung.stream.landing import Landing, landings
from lumbung.systems.cilvest.feed import LANDED, RAW, feed

if TYPE_CHECKING:
    import pyarrow as pa

    from lumbung.core.settings import Settings
    from lumbung.search.index import Indexed
    from lumbung.spark.dataproc import Staged

SYSTEM, ENTITY = "cilvest", "tweet"
TABLE = f"staging.{ENTITY}"
SPOOL = "spool"
NOTHING_LANDED = "skipped: no tweets have been landed yet"
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


@dataclass(frozen=True)
class TweetTarget:
    """A version, and the days of it that a run makes anew: a `snapshot.Target`.

    Attributes:
        version: the version.
        changed: the days.
        rules: names the queries of the incremental tables; other queries make all days anew.
    """

    version: TweetVersion
    changed: list[date]
    rules: str

    @property
    def system(self) -> str:
        """Whose tables they are."""
        return self.version.system

    @property
    def day(self) -> date:
        """The last day that has tweets; it never gets earlier, as landings are only added."""
        return max(self.version.days)

    @property
    def generation(self) -> int:
        """Orders versions."""
        return self.version.generation

    @property
    def extracted_at(self) -> datetime:
        """When the last of its tweets was landed."""
        return self.version.landed_at

    @property
    def provisional(self) -> bool:
        """Whether nothing was landed since its last day was over."""
        return self.version.landed_at < business_day.ends_at(self.day)

    @property
    def is_whole(self) -> bool:
        """Whether all days are made anew."""
        return len(self.changed) == len(self.version.days)

    @property
    def partitions(self) -> dict[tuple[str, date], int | str]:
        """The partitions of `staging.tweet` that are built from, and the key each must hold."""
        return {(ENTITY, day): self.version.days[day].key for day in self.changed}

    @property
    def facts(self) -> dict[str, Any]:
        """What to write down when it is published: the next run sees from it which days changed."""
        return {"rules": self.rules, "days": {f"{day}": one.key for day, one in self.version.days.items()}}


def collect(run: Run, source: str, path: str | None) -> Step:
    """Collect tweets into the spool; nothing where other processes do it.

    Args:
        run: the run; synthetic tweets are those of its day.
        source: one of `TWEET_SOURCES`, or `none`.
        path: the folder or file of an archive.
    """
    from lumbung.stream.collect import collect, open_source

    if source == NO_SOURCE:
        return Step(table=SPOOL, note="source none: nothing is collected here")
    opened = open_source(run.settings, source, day=run.day, path=Path(path) if path else None)
    found = collect(run.settings, opened)
    return Step(
        table=SPOOL,
        rows_in=found.tweets + found.refused,
        rows_out=found.tweets,
        rows_rejected=found.refused,
        note="; ".join([f"{len(found.files)} files, {found.refused} lines are no tweets", *found.notes]),
    )


def ship(run: Run, source: str) -> Step:
    """Send the spool to Kafka; nothing where other processes do it."""
    from lumbung.stream.ship import ship

    if source == NO_SOURCE:
        return Step(table=run.settings.kafka.topic, note="source none: nothing is shipped here")
    sent = ship(run.settings)
    return Step(
        table=run.settings.kafka.topic,
        rows_in=sent.lines + sent.bad,
        rows_out=sent.lines,
        rows_rejected=sent.bad,
        note=f"{sent.files} files" + (f", {sent.known} known already" if sent.known else ""),
    )


def land(run: Run) -> Step:
    """Land what is in Kafka now."""
    from lumbung.stream.land import land

    found = land(run.settings, run.lake, feed(run.settings))
    return Step(
        table=RAW,
        rows_in=found.rows + found.rejected,
        rows_out=found.rows,
        rows_rejected=found.rejected,
        note=f"{len(found.days)} days",
    )


def make_version(lake: Lake) -> TweetVersion | None:
    """Write down what is landed; the version that is there is reused when nothing came. None: nothing ever came."""
    with lake.lease(f"version/{SYSTEM}"):
        landed = landings(lake, LANDED)
        if not any(one.files for one in landed):
            return None
        places = [f"{one.topic_id}/{one.partition}/{one.start_offset}" for one in landed]
        name = hashlib.sha256("\n".join([f"{cleaning.CLEANER_VERSION}", *sorted(places)]).encode()).hexdigest()
        there = newest_version(lake)
        if there and there.landings == name:
            return there
        days = _days(landed)
        return snapshot.commit(
            lake,
            VERSIONS,
            lambda generation: TweetVersion(
                system=SYSTEM,
                generation=generation,
                landings=name,
                rows_read=sum(one.rows_read for one in landed),
                rows_kept=sum(one.rows_kept for one in landed),
                rows_rejected=sum(one.rows_rejected for one in landed),
                landed_at=max(one.landed_at for one in landed),
                days=days,
            ),
        )


def newest_version(lake: Lake) -> TweetVersion | None:
    """The version with the highest generation."""
    return snapshot.newest(lake, VERSIONS, TweetVersion, lambda _: True)


def target(run: Run, version: TweetVersion) -> TweetTarget:
    """The version with the days that a run has to make anew: those that are published otherwise, or not at all.

    Raises:
        LumbungError: such a day is older than the warehouse keeps partitions.
    """
    incremental = [one for one in run.catalog.queries(run.system) if one.is_incremental]
    rules = hashlib.sha256("\n".join(one.sql_path.read_text() for one in incremental).encode()).hexdigest()[:12]
    shown = published(run) or {}
    there = all(run.warehouse.exists(run.warehouse.table(one.address)) for one in incremental)
    keys = shown.get("days", {}) if there and shown.get("rules") == rules else {}
    changed = sorted(day for day, one in version.days.items() if keys.get(f"{day}") != one.key or run.refreshes(day))
    refuse_expired(run, changed)
    return TweetTarget(version, changed, rules)


def target_of(run: Run, generation: int, changed: list[date], rules: str) -> TweetTarget:
    """The target as a task passes it on.

    Raises:
        LumbungError: there is no such version.
    """
    found = snapshot.newest(run.lake, VERSIONS, TweetVersion, lambda one: one.generation == generation)
    if found is None:
        raise LumbungError("no such version", where=run.lake.address(VERSIONS), remedy="run the day again")
    return TweetTarget(found, changed, rules)


def clean(run: Run, target: TweetTarget) -> Step:
    """Clean the days that changed and have no cleaned file yet, by the engine that LUMBUNG_SPARK names.

    Returns:
        rows_in: raw tweets of the days; rows_out: clean ones of all changed days.

    Raises:
        LumbungError: a landed file is gone from the lake, or Spark cannot be reached.
    """
    from lumbung.spark.session import session

    missing = _to_clean(run, target)
    if missing:
        with session(run.settings) as spark, tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
            for day in missing:
                file = Path(folder) / f"{day}.parquet"
                cleaning.write(cleaning.clean_day(spark, _files(run, target.version, day), day), file)
                run.lake.put(file, path_of(target.version, day))
    return Step(
        table=TABLE,
        rows_in=sum(target.version.days[day].rows for day in target.changed),
        rows_out=sum(rows_of(run.lake, target.version, day) for day in target.changed),
        note=f"{len(missing)} of {len(target.changed)} changed days cleaned",
    )


def plan(run: Run, target: TweetTarget) -> tuple[Step, Staged | None]:
    """Put in the lake what Dataproc needs to clean the days that changed and have no cleaned file yet, if any."""
    from lumbung.spark import dataproc

    missing = _to_clean(run, target)
    days = [
        dataproc.Day(
            day=f"{day}",
            files=_files(run, target.version, day),
            output=_reached(run, path_of(target.version, day)),
        )
        for day in missing
    ]
    note = f"{len(missing)} of {len(target.changed)} changed days to clean"
    return Step(table=TABLE, note=note), dataproc.stage(run.lake, days) if days else None


def load_days(run: Run, target: TweetTarget) -> Step:
    """Replace the partitions of the days that changed; what a newer version has loaded or is loading stays."""
    contract = run.catalog[TABLE]
    rows = loaded = 0
    seconds, job_id = 0.0, None
    with run.lake.lease(f"load/{TABLE}"):
        for day in target.changed:
            key = target.version.days[day].key
            held = load.marker(run, ENTITY, day)
            same = held.get("key") == key
            newer = held.get("generation", 0) > target.generation and not same
            if newer or (same and held["loaded"] and not run.refreshes(day)):
                continue
            with ExitStack() as stack:
                path = path_of(target.version, day)
                there = rows_of(run.lake, target.version, day)
                source: Path | list[str] = [run.lake.address(path)]
                if run.settings.lake_folder is not None:
                    source = stack.enter_context(run.lake.local(path))
                mark = {"generation": target.generation, "key": key}
                job = load.replace(run, contract, day, source, there, mark)
            rows, loaded, seconds, job_id = rows + job.rows, loaded + 1, seconds + job.seconds, job.job_id
    return Step.written(TABLE, rows_out=rows, seconds=round(seconds, 3), job_id=job_id, note=f"{loaded} days loaded")


def index(run: Run, target: TweetTarget) -> Step:
    """Index the days that the search server has otherwise or not at all; what a newer version has indexed stays."""
    from lumbung.search import cluster as servers
    from lumbung.search import index as search

    cluster = servers.connect(run.settings)
    place = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{cluster.address}-{cluster.alias}")
    state = f"state/search/{place}.json"
    rows = 0
    with run.lake.lease(search.LEASE):
        known = (run.lake.read_json(state) or {}) if search.months(cluster) else {}
        keys, days = known.get("days", {}), target.version.days
        behind = [day for day, one in sorted(days.items()) if keys.get(f"{day}") != one.key]
        if known.get("generation", 0) > target.generation:
            return Step(table=cluster.alias, note=SUPERSEDED)
        for day in behind:
            rows += search.index_day(cluster, day, _batches(run.lake, path_of(target.version, day))).rows
            keys = {**keys, f"{day}": days[day].key}
            content = {"generation": target.generation, "days": keys}
            run.lake.write(state, json.dumps(content, indent=2).encode())
    return Step(table=cluster.alias, rows_in=rows, rows_out=rows, note=f"{len(behind)} days indexed")


def reindex(settings: Settings) -> Iterator[Indexed]:
    """Fill the indices of a new mapping version from the lake; see `search.index.reindex`."""
    from lumbung.search import cluster as servers
    from lumbung.search import index as search

    cluster, lake = servers.connect(settings), open_lake(settings)

    def read(day: date) -> Iterator[pa.RecordBatch] | None:
        if version is None or day not in version.days or not is_cleaned(lake, version, day):
            return None
        return _batches(lake, path_of(version, day))

    with lake.lease(search.LEASE):
        version = newest_version(lake)
        yield from search.reindex(cluster, read)


def load_rejected(run: Run) -> Step:
    """Rebuild `staging.rejected_row` of the run's day, and of days with rejects that were landed since the publish."""
    since = (published(run) or {}).get("extracted_at")
    days = {
        one.rejects.day
        for one in landings(run.lake, LANDED)
        if one.rejects and (since is None or one.landed_at > datetime.fromisoformat(since))
    }
    steps = [ledger.load_rejected(run, day) for day in sorted({run.day, *days})]
    return Step.written(
        steps[0].table,
        rows_out=sum(step.rows_out or 0 for step in steps),
        seconds=round(sum(step.seconds or 0 for step in steps), 3),
        job_id=steps[-1].job_id,
    )


def path_of(version: TweetVersion, day: date) -> str:
    """Where a cleaned day lies in the lake."""
    return f"{CURATED}/dt={day}/{version.days[day].key}.parquet"


def is_cleaned(lake: Lake, version: TweetVersion, day: date) -> bool:
    """Whether a day is cleaned already."""
    folder, _, name = path_of(version, day).rpartition("/")
    return name in lake.names(folder)


def rows_of(lake: Lake, version: TweetVersion, day: date) -> int:
    """How many tweets a cleaned day has."""
    with lake.local(path_of(version, day)) as file:
        return int(pq.read_metadata(file).num_rows)


def _batches(lake: Lake, path: str) -> Iterator[pa.RecordBatch]:
    with lake.local(path) as file:
        yield from pq.ParquetFile(file).iter_batches()


def _to_clean(run: Run, target: TweetTarget) -> list[date]:
    return [day for day in target.changed if not is_cleaned(run.lake, target.version, day) or run.refreshes(day)]


def _files(run: Run, version: TweetVersion, day: date) -> list[str]:
    """The raw files of a day as Spark reaches them: all of them, as some engines pass over one that is gone."""
    paths = version.days[day].files
    there = {folder: set(run.lake.names(folder)) for folder in {path.rpartition("/")[0] for path in paths}}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name not in there[folder]:
            raise LumbungError(
                f"a landed file of {day} is gone",
                where=run.lake.address(path),
                remedy="put it back from a copy of the lake; its manifest in landed/ has its sha256",
            )
    return [_reached(run, path) for path in paths]


def _reached(run: Run, path: str) -> str:
    """The file as Spark reaches it."""
    return str(run.settings.lake_folder / path) if run.settings.lake_folder else run.lake.address(path)


def _days(landed: list[Landing]) -> dict[date, Cleaned]:
    found: dict[date, list[snapshot.DataFile]] = {}
    for one in landed:
        for file in one.files:
            found.setdefault(file.day, []).append(file)
    days = {}
    for day in sorted(found):
        files = [file for near in (day - ONE_DAY, day, day + ONE_DAY) for file in found.get(near, [])]
        sums = sorted(file.sha256 for file in files)
        key = hashlib.sha256("\n".join([*sums, f"{cleaning.CLEANER_VERSION}"]).encode()).hexdigest()[:12]
        rows = sum(file.rows for file in found[day])
        days[day] = Cleaned(key=key, files=sorted(file.path for file in files), rows=rows)
    return days
