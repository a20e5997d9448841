"""Where tweets are: in the spool, in Kafka, in the lake, in the warehouse; and what X has cost."""

from __future__ import annotations

from datetime import date

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.serving.schema import (
    Accounting,
    CleanedDay,
    KafkaStatus,
    LakeStatus,
    Publication,
    SpoolStatus,
    TweetStatus,
    XStatus,
)
from lumbung.storage import state
from lumbung.storage.lake import Lake, open_lake
from lumbung.stream import x
from lumbung.stream.land import lag
from lumbung.systems.cilvest.feed import feed
from lumbung.systems.cilvest.version import SYSTEM, cleaned_rows, is_cleaned, newest_version


def accounting(lake: Lake, day: date) -> Accounting:
    """The messages read from Kafka, all of them up to the newest version: tweets and rejects; `day` is its label."""
    version = newest_version(lake)
    counts = (version.rows_read, version.rows_kept, version.rows_rejected) if version else (0, 0, 0)
    return Accounting("tweet (Kafka)", day, *counts)


def cleaning(lake: Lake) -> list[CleanedDay]:
    """What cleaning kept of each day of the newest version.

    An edit that moved a tweet over midnight counts where it was landed and where it is clean.
    """
    version = newest_version(lake)
    if version is None:
        return []
    return [
        CleanedDay(day, landed.rows, cleaned_rows(lake, day, landed.key))
        for day, landed in version.days.items()
        if is_cleaned(lake, day, landed.key)
    ]


def status(settings: Settings) -> TweetStatus:
    """Where tweets are now."""
    lake = open_lake(settings)
    return TweetStatus(
        spool=_spool(settings),
        kafka=_kafka(settings, lake),
        lake=_lake(lake),
        warehouse=_warehouse(lake),
        x=_x(settings),
    )


def _spool(settings: Settings) -> SpoolStatus:
    counts = (len(list((settings.spool / folder).glob("*.jsonl"))) for folder in ("incoming", "finished", "error"))
    return SpoolStatus(*counts)


def _kafka(settings: Settings, lake: Lake) -> KafkaStatus:
    address, topic = settings.kafka.servers, settings.kafka.topic
    if address is None:
        return KafkaStatus(None, topic)
    try:
        return KafkaStatus(address, topic, lag=sum(lag(settings, lake, feed(settings)).values()))
    except LumbungError as error:
        return KafkaStatus(address, topic, problem=error.what)


def _lake(lake: Lake) -> LakeStatus:
    version = newest_version(lake)
    if version is None:
        return LakeStatus()
    return LakeStatus(
        rows_read=version.rows_read,
        tweets=version.rows_kept,
        rejected=version.rows_rejected,
        days=len(version.days),
        last_landed=version.landed_at.replace(microsecond=0),
        version=version.generation,
    )


def _warehouse(lake: Lake) -> list[Publication]:
    documents = [warehouse.published() for warehouse in state.of_system(lake, SYSTEM)]
    return [
        Publication(published.run_id, published.generation, published.published_at)
        for published in documents
        if published and published.published_at
    ]


def _x(settings: Settings) -> XStatus:
    search = x.status(settings)
    return XStatus(
        has_token=bool(settings.x.bearer_token),
        month=search.month,
        usd_spent=round(search.usd, 3),
        usd_allowed=search.max_usd,
        collected_up_to=search.since_id,
        is_complete=not search.unfinished,
    )
