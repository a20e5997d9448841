"""The servers that a run on a laptop needs, shared by all commands of one home folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from lumbung.core.settings import Settings, environment
from lumbung.local import sharing
from lumbung.local.bigquery import BigQuery
from lumbung.local.postgres import METADATA, SOURCE, Postgres

LOCK = "parts"
METADATA_VARIABLE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@dataclass(frozen=True)
class Parts:
    """Where the parts are.

    Attributes:
        source_dsn: the PostgreSQL that has `course_enrollment`.
        emulator_host: the local BigQuery server; None: BigQuery.
        metadata_url: SQLAlchemy address of Airflow's own database.
    """

    source_dsn: str
    emulator_host: str | None
    metadata_url: str


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Parts]:
    """Have the parts running; what this home has no more user for is stopped at the end.

    Raises:
        LumbungError: a part does not start; the message holds the end of its log.
        SourceError: the seed of the embedded PostgreSQL is missing or cannot be loaded.
    """
    with _running(settings, source=True) as (postgres, bigquery):
        yield _parts(settings, postgres, bigquery)


@contextlib.contextmanager
def warehouse(settings: Settings) -> Iterator[str | None]:
    """Have the warehouse running, for commands that need no sources: its address; None: BigQuery.

    Raises:
        LumbungError: it does not start; the message holds the end of its log.
    """
    with _running(settings, source=False) as (_, bigquery):
        yield bigquery.address if bigquery else settings.emulator_host


def in_use(settings: Settings) -> bool:
    """Whether a command uses the parts of this home; those that a killed command left running are stopped."""
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
            postgres.seed(settings.data_source / "course_enrollment.csv")
        if bigquery:
            bigquery.wait()

    # Stops PostgreSQL also if only other commands needed it: they may have ended before this one.
    with sharing.shared(settings.home, LOCK, start=start, stop=lambda: _stop(postgres, bigquery)):
        yield postgres, bigquery


def _stop(postgres: Postgres | None, bigquery: BigQuery | None) -> None:
    with contextlib.ExitStack() as stops:  # one that cannot be stopped does not keep the other one running
        if postgres:
            stops.callback(postgres.stop)
        if bigquery:
            stops.callback(bigquery.stop)


def _parts(settings: Settings, postgres: Postgres | None, bigquery: BigQuery | None) -> Parts:
    if postgres:
        source_dsn, metadata = postgres.url(SOURCE), postgres.url(METADATA, "+psycopg2")
    else:
        assert settings.source_dsn
        source_dsn, metadata = settings.source_dsn.get_secret_value(), f"sqlite:///{settings.home}/airflow/airflow.db"
    return Parts(
        source_dsn=source_dsn,
        emulator_host=bigquery.address if bigquery else settings.emulator_host,
        metadata_url=environment().get(METADATA_VARIABLE, metadata),
    )
