"""Servers that several tests share."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pyarrow.parquet as pq
import pytest
import requests
from selenium.webdriver import Chrome

from lumbung.catalog.contract import SQL_ROOT, Catalog
from lumbung.local.postgres import Postgres
from lumbung.pipeline.snapshot import DataFile
from support import (
    azurite_server,
    bigquery_process,
    distribution,
    elasticsearch_server,
    prepared_home,
    registry_server,
    source_database,
    stream,
)
from support.browser import MissingError as BrowserMissingError
from support.browser import running as running_browser
from support.contracts_harness import ContractsHarness
from support.models_harness import ModelsHarness
from support.pipeline import PipelineHarness
from support.prepared_home import Databases
from support.tweet_harness import TweetHarness

# Tables that runs of other systems load.
OF_OTHERS = (
    *("tweet", "activity", "model", "model_metric", "model_run"),
    *("account", "party", "party_address", "contract", "contract_party", "contract_event", "contract_event_run"),
)

StartBigQuery = Callable[..., tuple[subprocess.Popen[bytes], str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in order."""
    items.sort(key=distribution.order)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> distribution.Scheduling | None:
    """How workers get their tests, with `--dist loadfile`."""
    return distribution.Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def start_bigquery() -> Iterator[StartBigQuery]:
    """Start a BigQuery server on a data folder and wait until it answers; what still runs at the end is killed."""
    started = []

    def start(data_dir: Path, *options: str) -> tuple[subprocess.Popen[bytes], str]:
        if not bigquery_process.PYTHON.exists():
            pytest.fail(f"{bigquery_process.PYTHON} is missing: install requirements/bigquery.txt in .venv-bigquery")
        port, log = free_port(), data_dir.with_suffix(".log")
        command = [*bigquery_process.COMMAND, "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(data_dir)]
        command += options
        with log.open("ab") as output:
            process = subprocess.Popen(command, env=bigquery_process.environ(), stdout=output, stderr=output)
        started.append(process)
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while True:
            try:
                requests.get(f"{url}/bigquery/v2/projects/local/datasets", timeout=5).raise_for_status()
            except requests.RequestException as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    pytest.fail(f"the BigQuery server did not start ({error}):\n{log.read_text()}")
                time.sleep(0.1)
            else:
                return process, url

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def bigquery_server(start_bigquery: StartBigQuery, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a BigQuery server that is empty at the session's start."""
    return start_bigquery(tmp_path_factory.mktemp("bigquery") / "data")[1]


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """Skip a test because something is missing, and name it; with TESTS_REQUIRE_ALL=1, fail."""

    def absent(name: str) -> NoReturn:
        if os.environ.get("TESTS_REQUIRE_ALL") == "1":
            pytest.fail(f"{name} is missing, and TESTS_REQUIRE_ALL=1 is set")
        pytest.skip(f"{name} is missing")

    return absent


@pytest.fixture(scope="session")
def source_server() -> Iterator[Postgres]:
    """A running PostgreSQL, as `lumbung up` starts it."""
    with source_database.running() as server:
        yield server


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The databases of a home that has never run."""
    with prepared_home.databases() as made:
        yield made


@pytest.fixture(scope="session")
def kafka(missing: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory) -> Iterator[stream.Broker]:
    """A running Kafka broker."""
    if not stream.has_java_and_maven():
        missing("Java and Maven")
    with stream.running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def azurite(
    missing: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[azurite_server.Server]:
    """A running Azurite; each test has a container of its own."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(azurite_server.running(tmp_path_factory.mktemp("azurite")))
        except azurite_server.MissingError as error:
            missing(str(error))
        yield server


@pytest.fixture(scope="session")
def workers() -> Iterator[stream.Workers]:
    """Runs shippers and landers in processes of their own."""
    with contextlib.closing(stream.Workers()) as started:
        yield started


@pytest.fixture
def tweets(kafka: stream.Broker, tmp_path: Path) -> stream.Stream:
    """A spool, a topic and a lake of this test."""
    return stream.Stream(kafka, tmp_path / "home")


@pytest.fixture(scope="session")
def registry_url(missing: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running schema registry; each test keeps to subjects of its own."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(registry_server.running(tmp_path_factory.mktemp("registry")))
        except registry_server.MissingError as error:
            missing(str(error))
        yield url


@pytest.fixture(scope="session")
def elasticsearch(
    missing: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[elasticsearch_server.Server]:
    """A running Elasticsearch that all tests share; each keeps to an alias of its own."""
    base = tmp_path_factory.getbasetemp()
    with contextlib.ExitStack() as stack:
        try:
            shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
            server = stack.enter_context(elasticsearch_server.running(shared))
        except elasticsearch_server.MissingError as error:
            missing(str(error))
        yield server


@pytest.fixture(scope="session")
def browser(missing: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A running browser."""
    with contextlib.ExitStack() as stack:
        try:
            chrome = stack.enter_context(running_browser(tmp_path_factory.mktemp("chromium")))
        except BrowserMissingError as error:
            missing(str(error))
        yield chrome


@pytest.fixture(scope="session")
def small_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Enrollment's contracts, but of the tables made by a query only one whole and one daily: a run takes a second."""
    root = tmp_path_factory.mktemp("small") / "sql"
    for path in SQL_ROOT.glob("*/*"):
        loaded = not path.with_suffix(".sql").exists() and path.stem not in OF_OTHERS
        if loaded or path.stem in ("dim_student", "fact_enrollment_daily"):
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.parent.name)
    return Catalog(root)


@pytest.fixture(scope="session")
def new_harness(
    tmp_path_factory: pytest.TempPathFactory, bigquery_server: str, source_server: Postgres, small_catalog: Catalog
) -> Callable[..., PipelineHarness]:
    """Make a lake, a warehouse and sources, which the caller closes; options as `PipelineHarness`'s."""

    def new(**options: object) -> PipelineHarness:
        options = {"server": bigquery_server, "postgres": source_server, "catalog": small_catalog, **options}
        return PipelineHarness(tmp_path_factory.mktemp("harness"), **options)

    return new


@pytest.fixture
def make_harness(new_harness: Callable[..., PipelineHarness]) -> Iterator[Callable[..., PipelineHarness]]:
    """Make a lake, a warehouse and sources for one test; options as `PipelineHarness`'s."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(new_harness(**options)))


@pytest.fixture(scope="session")
def small_tweet_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The project's contracts, but of the tables made by a query only one by tweet date and one that reads it."""
    root = tmp_path_factory.mktemp("small tweets") / "sql"
    for path in SQL_ROOT.glob("*/*"):
        if path.stem in ("fact_tweet", "most_active_author") or not path.with_suffix(".sql").exists():
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.parent.name)
    return Catalog(root)


@pytest.fixture
def make_tweet_harness(
    tmp_path_factory: pytest.TempPathFactory, bigquery_server: str, kafka: stream.Broker, small_tweet_catalog: Catalog
) -> Iterator[Callable[..., TweetHarness]]:
    """Make an archive, a spool, a topic, a lake and a warehouse for one test; two small tables are made by queries."""
    with contextlib.ExitStack() as stack:

        def make(catalog: Catalog = small_tweet_catalog, **options: object) -> TweetHarness:
            home = tmp_path_factory.mktemp("tweets")
            harness = TweetHarness(home, bigquery_server, kafka.address, catalog, **options)
            return stack.enter_context(contextlib.closing(harness))

        yield make


@pytest.fixture(scope="session")
def new_models_harness(
    tmp_path_factory: pytest.TempPathFactory, bigquery_server: str, kafka: stream.Broker
) -> Callable[..., ModelsHarness]:
    """Make a topic, a lake and a warehouse for models, which the caller closes."""
    return lambda **options: ModelsHarness(tmp_path_factory.mktemp("models"), bigquery_server, kafka.address, **options)


@pytest.fixture
def make_models_harness(new_models_harness: Callable[..., ModelsHarness]) -> Iterator[Callable[..., ModelsHarness]]:
    """Make a topic, a lake and a warehouse for models for one test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(new_models_harness(**options)))


@pytest.fixture(scope="session")
def small_contracts_catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The project's contracts, but of the tables made by a query only one of each kind."""
    root = tmp_path_factory.mktemp("small contracts") / "sql"
    for path in SQL_ROOT.glob("*/*"):
        kept = path.stem in ("dim_contract", "fact_contract_event", "contract_event_daily")
        if kept or not path.with_suffix(".sql").exists():
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.parent.name)
    return Catalog(root)


@pytest.fixture(scope="session")
def new_contracts_harness(
    tmp_path_factory: pytest.TempPathFactory,
    bigquery_server: str,
    kafka: stream.Broker,
    small_contracts_catalog: Catalog,
) -> Callable[..., ContractsHarness]:
    """Make sources, a topic, a lake and a warehouse for contract events, which the caller closes."""

    def new(catalog: Catalog = small_contracts_catalog, **options: object) -> ContractsHarness:
        home = tmp_path_factory.mktemp("contracts")
        return ContractsHarness(home, bigquery_server, kafka.address, catalog, **options)

    return new


@pytest.fixture
def make_contracts_harness(
    new_contracts_harness: Callable[..., ContractsHarness],
) -> Iterator[Callable[..., ContractsHarness]]:
    """Make sources, a topic, a lake and a warehouse for contract events for one test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(new_contracts_harness(**options)))


@pytest.fixture
def contracts(make_contracts_harness: Callable[..., ContractsHarness]) -> ContractsHarness:
    """Sources, a topic, a lake and a warehouse for contract events; three small tables are made by queries."""
    return make_contracts_harness()


@pytest.fixture
def harness(make_harness: Callable[..., PipelineHarness]) -> PipelineHarness:
    """A lake, a warehouse and sources of this test; two small tables are made by queries."""
    return make_harness()


@pytest.fixture
def read(harness: PipelineHarness) -> Callable[[DataFile], list[dict[str, object]]]:
    """The rows of a Parquet file in the harness's lake."""

    def rows(file: DataFile) -> list[dict[str, object]]:
        with harness.lake.local(file.path) as path:
            return pq.read_table(path).to_pylist()

    return rows
