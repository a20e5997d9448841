"""A catalog of two small tables."""

import shutil

import pytest

from lumbung.catalog.contract import Catalog
from support import two_tables


@pytest.fixture(scope="session")
def tiny_catalog(small_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Two sources and two tables made by queries, a whole and a daily one; the latter refuses days of four students."""
    root = tmp_path_factory.mktemp("tiny") / "sql"
    shutil.copytree(small_catalog.root, root)
    return two_tables.reduce(Catalog(root))
