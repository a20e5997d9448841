"""The services that a run on a laptop needs: the source database, the warehouse, and the database of Airflow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from lumbung.core.settings import Settings, environment
from lumbung.local import sharing
from lumbung.local.bigquery import BigQuery
from lumbung.local.postgres import METADATA, Postgres
from lumbung.local.seed import seed, source_tables
from lumbung.sources.address import configured

LOCK = "parts"  # services were once called parts; `sharing` says why the files keep the name
METADATA_VARIABLE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@dataclass(frozen=True)
class Services:
    """Where the services are.

    Attributes:
        connections: the address of each PostgreSQL source, by the name of its Airflow connection.
        emulator_host: address of the local BigQuery server; None: BigQuery.
        metadata_url: SQLAlchemy address of Airflow's own database.
        wait: returns when the warehouse answers, see `starting`.
    """

    connections: Mapping[str, str]
    emulator_host: str | None
    metadata_url: str
    wait: Callable[[], None] = field(default=lambda: None, compare=False)


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Services]:
    """Have the services running; at the end, those that no other command of this home uses are stopped.

    Raises:
        LumbungError: a service does not start; the message holds the end of its log.
        SourceError: the seed of the embedded PostgreSQL is missing or cannot be loaded.
    """
    with starting(settings) as addresses:
        addresses.wait()
        yield addresses


@contextlib.contextmanager
def starting(settings: Settings) -> Iterator[Services]:
    """As `running`, but the warehouse is not waited for: Airflow starts meanwhile, and calls `Services.wait` then.

    Raises:
        LumbungError: as `running`; what concerns the warehouse is raised by `Services.wait`.
    """
    with _running(settings, source=True) as (postgres, bigquery):
        yield _addresses(settings, postgres, bigquery)


@contextlib.contextmanager
def warehouse(settings: Settings) -> Iterator[str | None]:
    """Have the warehouse running, for commands that need no sources.

    Yields:
        The address of the local BigQuery server; None: BigQuery.

    Raises:
        LumbungError: it does not start; the message holds the end of its log.
    """
    with _running(settings, source=False) as (_, bigquery):
        _wait(settings, bigquery)
        yield bigquery.address if bigquery else settings.emulator_host


def in_use(settings: Settings) -> bool:
    """Whether a command uses the services of this home; those that a killed command left running are stopped."""
    postgres = None if settings.source_dsn else Postgres(settings.home)
    return sharing.in_use(settings.home, LOCK, stop=lambda: _stop(postgres, BigQuery(settings.home)))


@contextlib.contextmanager
def _running(settings: Settings, *, source: bool) -> Iterator[tuple[Postgres | None, BigQuery | None]]:
    postgres = None if settings.source_dsn else Postgres(settings.home)
    bigquery = BigQuery(settings.home) if settings.warehouse == "embedded" else None

    def start() -> None:
        # Both at the same time: the slower one hides the other.
        if bigquery:
            bigquery.launch()
        if postgres and source:
            postgres.start()
            seed(postgres, settings.data_source, [name for name in source_tables() if not configured(name, settings)])

    # Stops PostgreSQL also if only other commands needed it: they may have ended before this one.
    with sharing.shared(settings.home, LOCK, start=start, stop=lambda: _stop(postgres, bigquery)):
        yield postgres, bigquery


def _stop(postgres: Postgres | None, bigquery: BigQuery | None) -> None:
    with contextlib.ExitStack() as stops:  # one that cannot be stopped does not keep the other one running
        if postgres:
            stops.callback(postgres.stop)
        if bigquery:
            stops.callback(bigquery.stop)


def _wait(settings: Settings, bigquery: BigQuery | None) -> None:
    if bigquery:
        with sharing.gate(settings.home, LOCK):
            bigquery.wait()


def _addresses(settings: Settings, postgres: Postgres | None, bigquery: BigQuery | None) -> Services:
    connections = {}
    for name in source_tables():
        if elsewhere := configured(name, settings):
            connections[name] = elsewhere[1]
        elif postgres:
            connections[name] = postgres.url(name)
    metadata_url = postgres.url(METADATA, "+psycopg2") if postgres else f"sqlite:///{settings.home}/airflow/airflow.db"
    return Services(
        connections=connections,
        emulator_host=bigquery.address if bigquery else settings.emulator_host,
        metadata_url=environment().get(METADATA_VARIABLE, metadata_url),
        wait=partial(_wait, settings, bigquery),
    )
