"""Incremental tables: which of their days a run rebuilds. The others are taken from what is published."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

from lumbung.pipeline.run import Run, is_expired, limit_days


class Changes(NamedTuple):
    """What a run rebuilds.

    Attributes:
        changed: the days that are published otherwise, or not at all.
        rules: names the queries of the incremental tables.
    """

    changed: list[date]
    rules: str


def keep(run: Run, entity: str, days: Mapping[date, str]) -> dict[date, str]:
    """The days without those that the warehouse would drop at once, as the BigQuery sandbox does.

    Nothing is known of the partitions of those any more. They come back when the warehouse keeps them again.

    Args:
        run: the run.
        entity: the staging table that the days are partitions of, without its data set.
        days: each day's key, which names what it is made from.
    """
    kept = {day: days[day] for day in unexpired(run, days)}
    run.state.forget(entity, days.keys() - kept.keys())
    return kept


def unexpired(run: Run, days: Collection[date]) -> list[date]:
    """The days whose partitions the warehouse keeps."""
    limit = limit_days(run)
    return [day for day in days if not is_expired(day, limit)]


def changes(run: Run, days: Mapping[date, str]) -> Changes:
    """The days whose key is not what is published, or that the run refreshes; all, where queries changed.

    Args:
        run: the run.
        days: each day's key.
    """
    incremental = [table for table in run.tables if table.incremental]
    rules = hashlib.sha256("\n".join(table.sql_path.read_text() for table in incremental).encode()).hexdigest()[:12]
    published = run.state.published()
    exist = all(run.warehouse.exists(run.warehouse.table(table.address)) for table in incremental)
    known = published.days if published and exist and published.rules == rules else {}
    return Changes(sorted(day for day, key in days.items() if known.get(day) != key or run.refreshes(day)), rules)
