"""The page of measurements is made from the results that `make bench` keeps."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_from_the_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import results

    assert results.PAGE.read_text() == results.page(json.loads(results.DATA.read_text()))
