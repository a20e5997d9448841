"""The start of a run on the real local server."""

from datetime import date, timedelta

import pytest

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError

pytestmark = pytest.mark.midnight

TODAY = date(2026, 11, 22)


@pytest.fixture
def harness(make_harness, tiny_catalog):
    return make_harness(catalog=tiny_catalog)


@pytest.mark.parametrize(("age", "refused"), [(59, False), (60, True), (61, True)])
def test_a_day_whose_partition_would_expire_at_once_is_refused(harness, monkeypatch, age, refused):
    monkeypatch.setattr(business_day, "today", lambda now=None: TODAY)
    harness.warehouse.ensure_datasets(harness.catalog.datasets())
    dataset = harness.warehouse.client.get_dataset(harness.warehouse.dataset("staging"))
    dataset.default_partition_expiration_ms = 60 * 24 * 3600 * 1000
    harness.warehouse.client.update_dataset(dataset, ["default_partition_expiration_ms"])
    day = TODAY - timedelta(days=age)
    if not refused:
        harness.run(day).start()
        return
    says = rf"staging, day {day}: the day is {age} days old, and partitions .* expire after 60 days .*sandbox"
    with pytest.raises(LumbungError, match=says):
        harness.run(day).start()
    assert harness.lake.names("raw") == []
