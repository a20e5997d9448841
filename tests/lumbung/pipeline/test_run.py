"""The start of a run on the real local server."""

from datetime import date, timedelta

import pytest
from google.cloud import bigquery

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.storage.warehouse import BUILD

DAY_MS = 24 * 3600 * 1000

pytestmark = pytest.mark.midnight

TODAY = date(2026, 11, 22)


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


@pytest.mark.parametrize(("age", "refused"), [(59, False), (60, True), (61, True)])
def test_a_day_whose_partition_would_expire_at_once_is_refused(harness, monkeypatch, age, refused):
    monkeypatch.setattr(business_day, "today", lambda now=None: TODAY)
    expire(harness, "staging", default_partition_expiration_ms=60 * DAY_MS)
    day = TODAY - timedelta(days=age)
    if not refused:
        harness.run(day).start()
        return
    says = rf"staging, day {day}: the day is {age} days old, and partitions .* expire after 60 days .*sandbox"
    with pytest.raises(LumbungError, match=says):
        harness.run(day).start()
    assert harness.lake.names("raw") == []


def expire(harness, dataset, **limits):
    """Give a data set limits, in milliseconds."""
    harness.warehouse.ensure_datasets(harness.catalog.datasets())
    found = harness.warehouse.client.get_dataset(harness.warehouse.dataset(dataset))
    for name, limit in limits.items():
        setattr(found, name, limit)
    harness.warehouse.client.update_dataset(found, list(limits))


def test_the_least_limit_of_all_data_sets_and_tables_counts(harness):
    def limit():
        return harness.warehouse.partition_limit_days(harness.catalog.datasets())

    assert limit() is None
    harness.warehouse.ensure_datasets(harness.catalog.datasets())
    assert limit() is None, "build tables expire after a day by our own will"
    expire(harness, "dwh", default_table_expiration_ms=60 * DAY_MS)
    assert limit() == 60
    expire(harness, "datamart", default_partition_expiration_ms=50 * DAY_MS + 1)
    assert limit() == 50
    expire(harness, BUILD, default_partition_expiration_ms=40 * DAY_MS)
    assert limit() == 40
    # A table keeps the expiration that it was made with, whatever the data set says later.
    table = bigquery.Table(harness.warehouse.table("staging.student"), [bigquery.SchemaField("day", "DATE")])
    table.time_partitioning = bigquery.TimePartitioning(field="day", expiration_ms=30 * DAY_MS)
    harness.warehouse.client.create_table(table)
    assert limit() == 30
