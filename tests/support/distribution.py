"""Which tests a worker of `make test` gets in one go, and in what order: `pytest -n 2 --dist loadfile`."""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

TESTS = Path(__file__).parents[1]
# Folders whose files share a server that takes long to start: one worker starts it.
TOGETHER = ("lumbung/spark/", "plugins/lumbung_airflow/pages/")
FIRST = ("system/",)
LAST = ("plugins/lumbung_airflow/pages/", "faults/", "sql/", "infra/", "dags/", "docs/", "tools/")


class Scheduling(LoadFileScheduling):
    """A worker gets all tests of a file, and of some folders all files."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in TOGETHER if file.startswith(f"tests/{folder}")), file)


def order(item: pytest.Item) -> int:
    """Where a test comes in the order, beside others of its kind.

    The whole runs are first: at the end, when workers wait for each other, only short files are left. Airflow with the
    pages comes late, as it works until the session ends; what follows keeps the other worker busy for as long.
    """
    path = item.path.relative_to(TESTS).as_posix()
    if path.startswith(FIRST):
        return -1
    return next((number for number, folder in enumerate(LAST, 1) if path.startswith(folder)), 0)
