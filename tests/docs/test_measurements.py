"""The pages of measurements, and their chart, are made from the results that `make bench` keeps."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pages_are_made_from_the_results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import results

    for path, text in results.pages(json.loads(results.DATA.read_text())).items():
        assert path.read_text() == text, path
