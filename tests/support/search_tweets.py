"""Synthetic cleaned tweets, with the columns of staging.tweet."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from lumbung.core.day import JAKARTA

SCHEMA = pa.schema(
    [
        ("tweet_id", pa.int64()),
        ("created_at", pa.timestamp("us", "UTC")),
        ("tweet_date", pa.date32()),
        ("user_name", pa.string()),
        ("tweet", pa.string()),
        ("language", pa.string()),
        ("instruments", pa.list_(pa.string())),
    ]
)
DAY = date(2026, 11, 25)
# Above 2^53, as real ones are.
FIRST = 1_990_000_000_000_000_001


def tweet(number: int, day: date = DAY, hour: int = 10, **columns: Any) -> dict[str, Any]:
    """A tweet of a Jakarta day and hour."""
    local = datetime.combine(day, time(hour), JAKARTA) + timedelta(microseconds=number)
    return {
        "tweet_id": FIRST + number,
        "created_at": local.astimezone(UTC),
        "tweet_date": day,
        "user_name": f"synthetic_{number % 7}",
        "tweet": f"tweet sintetis {number} tentang saham",
        "language": "in",
        "instruments": ["saham"],
        **columns,
    }


def batches(rows: Iterable[dict[str, Any]], size: int = 1000) -> list[pa.RecordBatch]:
    return pa.Table.from_pylist(list(rows), SCHEMA).to_batches(max_chunksize=size)
