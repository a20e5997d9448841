"""Where tweets are: in the spool, in Kafka, in the lake, in the warehouse; and what X has cost."""

from __future__ import annotations

from datetime import date
from typing import Any

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import Lake, open_lake
from lumbung.systems.cilvest.version import SYSTEM, cleaned_rows, is_cleaned, newest_version

Facts = dict[str, dict[str, Any]]


def accounting(lake: Lake) -> tuple[tuple[int, int, int], list[tuple[date, int, int, int]]]:
    """Where the rows of the newest version went.

    Returns:
        Messages read from Kafka, tweets and rejects of them; of each day the tweets landed, clean and dropped. An edit
        that moved a tweet over midnight counts where it was landed and where it is clean.
    """
    version = newest_version(lake)
    if version is None:
        return (0, 0, 0), []
    days = []
    for day, one in version.days.items():
        if is_cleaned(lake, day, one.key):
            clean = cleaned_rows(lake, day, one.key)
            days.append((day, one.rows, clean, one.rows - clean))
    return (version.rows_read, version.rows_kept, version.rows_rejected), days


def status(settings: Settings) -> Facts:
    """What is known of each part, in plain numbers and words."""
    lake = open_lake(settings)
    found: Facts = {"spool": _spool(settings), "kafka": _kafka(settings, lake)}
    version = newest_version(lake)
    found["lake"] = (
        {"tweets": 0}
        if version is None
        else {
            "read from Kafka": version.rows_read,
            "tweets": version.rows_kept,
            "rejected": version.rows_rejected,
            "days": len(version.days),
            "last landed": version.landed_at.isoformat(timespec="seconds"),
            "version": version.generation,
        }
    )
    published = [lake.read_json(f"state/{name}/{SYSTEM}/published.json") for name in lake.names("state")]
    found["warehouse"] = {
        f"published in run {one['run_id']}": f"version {one['generation']}, {one['published_at']}"
        for one in published
        if one
    } or {"published": "nothing yet"}
    found["x"] = _x(settings)
    return found


def _spool(settings: Settings) -> dict[str, Any]:
    return {
        name: len(list((settings.spool / folder).glob("*.jsonl")))
        for name, folder in (("files to ship", "incoming"), ("files shipped", "finished"), ("error files", "error"))
    }


def _kafka(settings: Settings, lake: Lake) -> dict[str, Any]:
    from lumbung.stream.land import lag
    from lumbung.systems.cilvest.feed import feed

    if settings.kafka.servers is None:
        return {"address": "none yet; the first run starts one, or set LUMBUNG_KAFKA"}
    try:
        behind = lag(settings, lake, feed(settings))
    except LumbungError as error:
        return {"address": settings.kafka.servers, "lag": f"unknown: {error.what}"}
    return {
        "address": settings.kafka.servers,
        "topic": settings.kafka.topic,
        "lag (offsets not landed)": sum(behind.values()),
    }


def _x(settings: Settings) -> dict[str, Any]:
    from lumbung.stream import x

    now = x.status(settings)
    token = "set" if settings.x.bearer_token else "not set"
    return {
        "token": token,
        f"US$ spent in {now.month}": round(now.usd, 3),
        "US$ allowed": now.max_usd,
        "collected up to": now.since_id,
        "search": "cut short; the next one goes on" if now.unfinished else "complete",
    }
