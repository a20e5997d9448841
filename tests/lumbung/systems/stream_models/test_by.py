"""Ways to cut the stream."""

from datetime import UTC, datetime, timedelta

import pytest

from lumbung.core.errors import LumbungError
from lumbung.systems.stream_models.by import By


@pytest.mark.parametrize("text", ["count:5000", "count:1", "window:5m", "window:30s", "event:1h", "event:90s"])
def test_a_way_reads_as_it_is_written(text):
    by = By.parse(text)
    assert str(by) == text
    assert by.folder == text.replace(":", "-")
    assert By.parse(str(by)) == by


def test_equal_windows_are_written_alike():
    assert By.parse("window:300s") == By.parse("window:5m")
    assert str(By.parse("event:120m")) == "event:2h"


@pytest.mark.parametrize(
    "text",
    ["", "count", "count:0", "count:-5", "count:5m", "window:5", "window:0s", "event:9999h", "day:1h", "count:1.5"],
)
def test_what_is_no_way(text):
    with pytest.raises(LumbungError, match=r"--by: .* is no way to cut the stream\. Write count:5000"):
        By.parse(text)


def test_windows_begin_at_full_multiples_in_jakarta():
    by = By.parse("window:24h")
    index = by.index(datetime(2026, 11, 28, 17, tzinfo=UTC))
    assert by.number(index) == 20261129000000
    assert by.start(index) == datetime(2026, 11, 28, 17, tzinfo=UTC)
    assert by.end(index) - by.start(index) == timedelta(days=1)
    assert by.index(datetime(2026, 11, 28, 16, 59, 59, 999_999, tzinfo=UTC)) == index - 1
