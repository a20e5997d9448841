"""Tweets on their way from Kafka to the lake."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from lumbung.core import day as business_day
from lumbung.core.settings import Settings
from lumbung.stream import envelope
from lumbung.stream.feed import Feed, Record, value_of
from lumbung.stream.kafka import TWEETS

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
        config=TWEETS,
        raw=RAW,
        landed=LANDED,
        parse=_parse,
        schema=SCHEMA,
        dictionary=("user_name", "lang"),
        sender="lumbung tweets ship",
        lost="ship their tweets again if they can be had, and go on with lumbung tweets land --skip-lost",
    )


def _parse(record: Record) -> tuple[date, dict[str, Any]]:
    row = envelope.row(value_of(record))
    return business_day.today(row["created_at"]), row
