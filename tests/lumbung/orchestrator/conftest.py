from collections.abc import Iterator

import pytest

from lumbung.core.settings import Settings
from lumbung.local import services
from lumbung.local.services import Services
from support import airflow_home
from support.prepared_home import Databases


@pytest.fixture(scope="module")
def settings(databases: Databases) -> Iterator[Settings]:
    """A home with a throw-away DAG."""
    with airflow_home.created(databases) as settings:
        yield settings


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[Services]:
    """The services of that home."""
    with services.running(settings) as running:
        yield running
