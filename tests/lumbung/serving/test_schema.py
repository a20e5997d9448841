"""Results as JSON: plain values under the names of the fields."""

import json
from datetime import UTC, date, datetime

from lumbung.serving.schema import (
    Accounting,
    Author,
    DailyCount,
    Freshness,
    KafkaStatus,
    LakeStatus,
    Publication,
    SpoolStatus,
    TweetAnswers,
    TweetStatus,
    XStatus,
)

NIGHT = datetime(2026, 11, 21, 17, 31, tzinfo=UTC)


def test_days_and_times_are_in_iso_8601():
    assert Freshness("a", date(2026, 11, 21), 3, NIGHT, NIGHT, "final").to_json() == {
        "system": "a",
        "published_day": "2026-11-21",
        "generation": 3,
        "extracted_at": "2026-11-21T17:31:00+00:00",
        "published_at": "2026-11-21T17:31:00+00:00",
        "state": "final",
    }


def test_results_in_results_are_objects():
    answers = TweetAnswers(2, {"saham": 2}, [DailyCount(date(2026, 11, 21), "saham", 2)], [], [Author(1, "a", 2)])
    assert answers.to_json() == {
        "total_tweet": 2,
        "total_by_instrument": {"saham": 2},
        "daily_by_instrument": [{"date": "2026-11-21", "instrument": "saham", "tweets": 2}],
        "hourly_by_instrument": [],
        "most_active_authors": [{"rank": 1, "user_name": "a", "tweets": 2}],
    }


def test_a_status_has_a_key_for_each_field_also_where_nothing_is_known():
    status = TweetStatus(
        spool=SpoolStatus(0, 1, 2),
        kafka=KafkaStatus(None, "investasi"),
        lake=LakeStatus(),
        warehouse=[Publication("manual", 1, NIGHT)],
        x=XStatus(False, "2026-11", 0.0, 5.0, None, True),
    )
    assert json.loads(json.dumps(status.to_json())) == {
        "spool": {"files_to_ship": 0, "files_shipped": 1, "error_files": 2},
        "kafka": {"address": None, "topic": "investasi", "lag": None, "problem": ""},
        "lake": {"rows_read": 0, "tweets": 0, "rejected": 0, "days": 0, "last_landed": None, "version": None},
        "warehouse": [{"run_id": "manual", "version": 1, "published_at": "2026-11-21T17:31:00+00:00"}],
        "x": {
            "has_token": False,
            "month": "2026-11",
            "usd_spent": 0.0,
            "usd_allowed": 5.0,
            "collected_up_to": None,
            "is_complete": True,
        },
    }


def test_rows_are_balanced_where_none_is_missing():
    assert Accounting("a", NIGHT.date(), 3, 2, 1).balanced
    assert not Accounting("a", NIGHT.date(), 3, 2, 0).balanced
