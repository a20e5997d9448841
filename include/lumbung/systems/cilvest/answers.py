"""The answers to Cilvest's five questions, from what is published."""

from __future__ import annotations

from typing import Any

from lumbung.serving import published
from lumbung.serving.schema import Author, DailyCount, HourlyCount, TweetAnswers
from lumbung.storage.warehouse import Warehouse


def answers(warehouse: Warehouse) -> TweetAnswers:
    """Read the answers.

    Raises:
        LumbungError: no tweets are published yet.
    """
    total = _rows(warehouse, "SELECT tweet_count FROM {0}", "tweet_total")
    by_instrument = _rows(
        warehouse, "SELECT instrument, tweet_count FROM {0} ORDER BY instrument", "tweet_total_by_instrument"
    )
    daily = _rows(
        warehouse,
        "SELECT tweet_date AS date, instrument, tweet_count AS tweets FROM {0} ORDER BY tweet_date, instrument",
        "tweet_daily_by_instrument",
    )
    hourly = _rows(
        warehouse,
        "SELECT tweet_hour AS hour, instrument, tweet_count AS tweets FROM {0} ORDER BY tweet_hour, instrument",
        "tweet_hourly_by_instrument",
    )
    authors = _rows(
        warehouse,
        "SELECT rank, user_name, tweet_count AS tweets FROM {0} ORDER BY rank, user_name",
        "most_active_author",
    )
    return TweetAnswers(
        total_tweet=total[0]["tweet_count"],
        total_by_instrument={row["instrument"]: row["tweet_count"] for row in by_instrument},
        daily_by_instrument=[DailyCount(**row) for row in daily],
        hourly_by_instrument=[HourlyCount(**row) for row in hourly],
        most_active_authors=[Author(**row) for row in authors],
    )


def _rows(warehouse: Warehouse, sql: str, mart: str) -> list[dict[str, Any]]:
    missing, command = "no tweets are published yet", "lumbung tweets run"
    return published.rows(warehouse, sql, f"datamart.{mart}", missing=missing, command=command)
