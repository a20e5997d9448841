"""One Airflow with the pages, for all tests that look at what it shows."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from lumbung.catalog.contract import Catalog
from lumbung.local.postgres import Postgres
from support.airflow_stack import ROOT, AirflowStack
from support.pages import DAY, SOURCES, USERS, Pages, environ
from support.pipeline import PipelineHarness
from support.prepared_home import Databases


@pytest.fixture(scope="session")
def pages(
    tmp_path_factory: pytest.TempPathFactory,
    start_bigquery: Callable,
    source_server: Postgres,
    databases: Databases,
) -> Iterator[Pages]:
    """An Airflow in which the DAG `enrollment` has published a day. It makes no runs but those that are asked for."""
    home = tmp_path_factory.mktemp("pages")
    server, address = start_bigquery(home / "bigquery")
    with contextlib.closing(PipelineHarness(home, address, source_server, Catalog())) as harness:
        harness.fill(SOURCES)
        stack = AirflowStack(home / "airflow", ROOT / "dags", databases, environ(harness.settings), USERS)
        try:
            stack.start()
            pages = Pages(stack, harness, server)
            pages.run_id = pages.trigger(DAY)
            assert pages.ended(pages.run_id) == "success"
            yield pages
        finally:
            stack.stop()
