"""Prune of tweets: only what nothing is made from any more goes.

Landed tweets, their landings and each day's newest clean file stay, of any age: the marts count all days, an edit may
change a day's neighbour, and where to go on in Kafka is read from the landings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from lumbung.pipeline.retention import Plan
from lumbung.spark.dataproc import PLANS
from lumbung.storage.lake import Lake, Stored
from lumbung.storage.manifest import MANIFEST
from lumbung.stream.landing import folds, landings, newest_fold
from lumbung.systems.cilvest.feed import LANDED, RAW
from lumbung.systems.cilvest.landed_days import DAYS
from lumbung.systems.cilvest.version import CURATED, VERSIONS, TweetVersion, cleaned_path, newest_version


def plan(lake: Lake, before: datetime) -> Plan:
    """What goes: all versions and folds of landings but the newest, and files that nothing names.

    Those are plans of Dataproc's jobs, clean files of no day of the newest version, raw files of no landing, and
    documents of days that no version names which stays.

    Args:
        lake: the lake.
        before: a younger file may be that of a run or a lander at work.
    """
    # Listed before the landings are read: what is landed in between is in no list.
    files = [file for folder in (VERSIONS, PLANS, CURATED, RAW, DAYS) for file in _old(lake, folder, before)]
    # A run at work may be of any version that stays; the newest one names what it took over from those before it.
    staying = [*_young_versions(lake, before), *filter(None, [newest_version(lake)])]
    folded = list(_old(lake, folds(LANDED), before))
    named: set[str] = set()
    days_with_rejects: set[date] = set()
    for landing in landings(lake, LANDED):
        named.update(file.path for file in (*landing.files, landing.rejects) if file)
        if landing.rejects:
            days_with_rejects.add(landing.rejects.day)
    named |= {path for version in staying for path in version.landed.values()}
    if version := newest_version(lake):
        named |= {cleaned_path(day, cleaned.key) for day, cleaned in version.days.items()}
        named.add(f"{VERSIONS}/manifest-{version.generation:06}.json")
    if fold := newest_fold(lake, LANDED):
        named |= {fold.file.path, f"{folds(LANDED)}/manifest-{fold.generation:06}.json"}
    manifests = [file for file in folded if file.path.endswith(".json")]
    return Plan(
        cutoff=date.max,  # what the systems share of a day is not kept for tweets, but for their rejects
        records=[file for file in manifests if file.path not in named],
        data=[file for file in (*files, *folded) if file.path not in named and file not in manifests],
        days_with_rejects=days_with_rejects,
    )


def _young_versions(lake: Lake, before: datetime) -> Iterator[TweetVersion]:
    for file in lake.files(VERSIONS):
        is_young = MANIFEST.match(file.path.rpartition("/")[2]) and file.modified >= before
        if is_young and (content := lake.read(file.path)):
            yield TweetVersion.model_validate_json(content)


def _old(lake: Lake, folder: str, before: datetime) -> Iterator[Stored]:
    for file in lake.files(folder):
        name = file.path.rpartition("/")[2]
        is_ours = (
            MANIFEST.match(name) if folder == VERSIONS else name.endswith((".parquet", ".json", ".jsonl.gz", ".tsv"))
        )
        if is_ours and file.modified < before:
            yield file
