"""A catalog of two small tables, and the clock of extracts."""

import shutil
from collections.abc import Callable
from datetime import datetime, tzinfo

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.pipeline import extract
from support import two_tables


@pytest.fixture(scope="session")
def tiny_catalog(small_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Two sources and two tables made by queries, a whole and a daily one; the latter refuses days of four students."""
    root = tmp_path_factory.mktemp("tiny") / "sql"
    shutil.copytree(small_catalog.root, root)
    return two_tables.reduce(Catalog(root))


@pytest.fixture
def extract_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Let extracts think that it is some time."""

    def set_clock(now: datetime) -> None:
        class Stopped(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:
                return now.astimezone(tz)

        monkeypatch.setattr(extract, "datetime", Stopped)

    return set_clock
