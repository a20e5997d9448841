"""Tweets on their way from Kafka to the lake."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from lumbung.core import day as business_day
from lumbung.core.settings import Settings
from lumbung.stream import envelope
from lumbung.stream.feed import Feed

RAW = "raw/cilvest/tweet"
LANDED = "landed/cilvest/tweet"

_AT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("identity", pa.string()),
        ("edit_id", pa.int64()),
        ("collected_at", _AT),
        ("created_at", _AT),
        ("user_name", pa.string()),
        ("lang", pa.string()),
        ("is_retweet", pa.bool_()),
        ("text", pa.string()),
        ("sha256", pa.string()),
        ("raw", pa.string()),
    ]
)


def feed(settings: Settings) -> Feed:
    """The topic of tweets that the settings name, landed by the day that tweets were made on."""
    return Feed(
        topic=settings.kafka.topic,
        raw=RAW,
        landed=LANDED,
        parse=_parse,
        schema=SCHEMA,
        dictionary=("user_name", "lang"),
    )


def _parse(value: bytes) -> tuple[date, dict[str, Any]]:
    row = envelope.row(value)
    return business_day.today(row["created_at"]), row
