"""The answers to Cilvest's five questions, from what is published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lumbung.core.errors import LumbungError
from lumbung.storage.client_errors import MissingError
from lumbung.storage.warehouse import Warehouse


@dataclass(frozen=True)
class TweetAnswers:
    """What `lumbung tweets answers --json` prints: tweets that name at least one instrument.

    Attributes:
        total_tweet: one that names several instruments counts once.
        total_by_instrument: it counts once for each of them, here and below.
        daily_by_instrument: by Jakarta day; no rows for days without tweets.
        hourly_by_instrument: by hour in Jakarta over all days, all 24 hours of each instrument.
        most_active_authors: those with more than one tweet, up to rank 10 with all ties.
    """

    total_tweet: int
    total_by_instrument: dict[str, int]
    daily_by_instrument: list[dict[str, Any]]
    hourly_by_instrument: list[dict[str, Any]]
    most_active_authors: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The one JSON object."""
        return asdict(self)


def answers(warehouse: Warehouse) -> TweetAnswers:
    """Read the answers.

    Raises:
        LumbungError: no tweets are published yet.
    """
    total = _rows(warehouse, "SELECT tweet_count FROM {0}", "datamart.tweet_total")
    by_instrument = _rows(
        warehouse,
        "SELECT instrument, tweet_count FROM {0} ORDER BY instrument",
        "datamart.tweet_total_by_instrument",
    )
    return TweetAnswers(
        total_tweet=total[0]["tweet_count"],
        total_by_instrument={row["instrument"]: row["tweet_count"] for row in by_instrument},
        daily_by_instrument=_rows(
            warehouse,
            "SELECT CAST(tweet_date AS STRING) AS date, instrument, tweet_count AS tweets FROM {0}"
            " ORDER BY tweet_date, instrument",
            "datamart.tweet_daily_by_instrument",
        ),
        hourly_by_instrument=_rows(
            warehouse,
            "SELECT tweet_hour AS hour, instrument, tweet_count AS tweets FROM {0} ORDER BY tweet_hour, instrument",
            "datamart.tweet_hourly_by_instrument",
        ),
        most_active_authors=_rows(
            warehouse,
            "SELECT rank, user_name, tweet_count AS tweets FROM {0} ORDER BY rank, user_name",
            "datamart.most_active_author",
        ),
    )


def _rows(warehouse: Warehouse, sql: str, address: str) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = warehouse.rows(sql.format(f"`{warehouse.table(address)}`")).to_pylist()
    except MissingError as error:
        raise LumbungError(
            "no tweets are published yet",
            where=warehouse.dataset("datamart"),
            remedy="run a day first: lumbung tweets run",
        ) from error
    return rows
