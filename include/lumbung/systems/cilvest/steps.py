"""The steps of a run that are Cilvest's own; each task's id is its function's name."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lumbung.core.errors import LumbungError
from lumbung.core.settings import NO_SOURCE
from lumbung.pipeline.load import loadable, replace
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.spark import clean as cleaning
from lumbung.spark.files import readable
from lumbung.storage.state import Marker
from lumbung.systems.cilvest.feed import RAW, feed
from lumbung.systems.cilvest.index import index as index
from lumbung.systems.cilvest.version import (
    ENTITY,
    TABLE,
    TweetVersion,
    cleaned_path,
    cleaned_rows,
    is_cleaned,
    raw_files,
    version_of,
)

if TYPE_CHECKING:
    from lumbung.spark.dataproc import Staged

SPOOL = "spool"


def collect(run: Run) -> Step:
    """Collect tweets into the spool; nothing where other processes do it.

    The run's option `source` is one of `TWEET_SOURCES`, or `none`; `path` is the folder or file of an archive.
    Synthetic tweets are those of the run's day.
    """
    from lumbung.stream.collect import collect, open_source

    source, path = _source(run), run.options.get("path")
    if source == NO_SOURCE:
        return Step(table=SPOOL, note="source none: nothing is collected here")
    opened = open_source(run.settings, source, day=run.day, path=Path(path) if path else None)
    summary = collect(run.settings, opened)
    return Step(
        table=SPOOL,
        rows_in=summary.tweets + summary.refused,
        rows_out=summary.tweets,
        rows_rejected=summary.refused,
        note="; ".join([f"{len(summary.files)} files, {summary.refused} lines are not tweets", *summary.notes]),
    )


def ship(run: Run) -> Step:
    """Send the spool to Kafka; nothing where other processes do it."""
    from lumbung.stream.ship import ship

    topic = run.settings.kafka.topic
    if _source(run) == NO_SOURCE:
        return Step(table=topic, note="source none: nothing is shipped here")
    summary = ship(run.settings)
    return Step(
        table=topic,
        rows_in=summary.lines + summary.bad,
        rows_out=summary.lines,
        rows_rejected=summary.bad,
        note=f"{summary.files} files" + (f", {summary.known} known already" if summary.known else ""),
    )


def land(run: Run) -> Step:
    """Land what is in Kafka now."""
    from lumbung.stream.land import land

    landed = land(run.settings, run.lake, feed(run.settings))
    return Step(
        table=RAW,
        rows_in=landed.rows + landed.rejected,
        rows_out=landed.rows,
        rows_rejected=landed.rejected,
        note=f"{len(landed.days)} days",
    )


def clean(run: Run, target: Target) -> Step:
    """Clean the days that changed and have no cleaned file yet, by the engine that LUMBUNG_SPARK names.

    Returns:
        rows_in: raw tweets of the days; rows_out: clean ones of all changed days.

    Raises:
        LumbungError: a landed file is gone from the lake, or Spark cannot be reached.
    """
    from lumbung.spark.session import session

    version = version_of(run, target)
    missing = _to_clean(run, target)
    if missing:
        with session(run.settings) as spark, tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
            for day in missing:
                file = Path(folder) / f"{day}.parquet"
                with ExitStack() as copies:
                    files = readable(run.settings, run.lake, _raw_files(run, version, day), copies)
                    cleaning.write(cleaning.clean_day(spark, files, day), file)
                run.lake.put(file, cleaned_path(day, target.days[day]))
    return Step(
        table=TABLE,
        rows_in=sum(version.days[day].rows for day in target.changed),
        rows_out=sum(cleaned_rows(run.lake, day, target.days[day]) for day in target.changed),
        note=f"{len(missing)} of {len(target.changed)} changed days cleaned",
    )


def plan(run: Run, target: Target) -> tuple[Step, Staged | None]:
    """Put in the lake what Dataproc needs to clean the days that changed and have no cleaned file yet, if any."""
    from lumbung.spark import dataproc

    version = version_of(run, target)
    days = [
        dataproc.Day(
            day=f"{day}",
            files=[run.lake.address(path) for path in _raw_files(run, version, day)],
            output=run.lake.address(cleaned_path(day, target.days[day])),
        )
        for day in _to_clean(run, target)
    ]
    note = f"{len(days)} of {len(target.changed)} changed days to clean"
    return Step(table=TABLE, note=note, skipped=not days), dataproc.stage(run.lake, days) if days else None


def load(run: Run, target: Target) -> Step:
    """Replace the partitions of the days that changed; what a newer version has loaded or is loading stays."""
    contract = run.catalog[TABLE]
    rows = loaded = 0
    seconds, job_id = 0.0, None
    with run.lake.lease(f"load/{TABLE}"):
        created = run.warehouse.created(run.warehouse.table(TABLE))
        for day in target.changed:
            key = target.days[day]
            marker = run.state.marker(ENTITY, day)
            holds_it = marker is not None and marker.key == key
            is_newer = marker is not None and marker.generation > target.generation and not holds_it
            if is_newer or (marker and holds_it and marker.is_loaded(created) and not run.refreshes(day)):
                continue
            with loadable(run, cleaned_path(day, key)) as source:
                job = replace(
                    run,
                    contract,
                    day,
                    source,
                    rows=cleaned_rows(run.lake, day, key),
                    marker=Marker(generation=target.generation, key=key),
                )
            rows, loaded, seconds, job_id = rows + job.rows, loaded + 1, seconds + job.seconds, job.job_id
    return Step.written(TABLE, rows_out=rows, seconds=round(seconds, 3), job_id=job_id, note=f"{loaded} days loaded")


def _source(run: Run) -> str:
    return run.options.get("source") or run.settings.tweet_source


def _to_clean(run: Run, target: Target) -> list[date]:
    return [day for day in target.changed if not is_cleaned(run.lake, day, target.days[day]) or run.refreshes(day)]


def _raw_files(run: Run, version: TweetVersion, day: date) -> list[str]:
    """The raw files of a day, all checked to be there: some engines pass over a missing one."""
    paths = raw_files(run.lake, version, day)
    names = {folder: set(run.lake.names(folder)) for folder in {path.rpartition("/")[0] for path in paths}}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name not in names[folder]:
            raise LumbungError(
                f"a landed file of {day} is gone",
                where=run.lake.address(path),
                remedy="put it back from a copy of the lake; its manifest in landed/ has its sha256",
            )
    return paths
