"""A Spark session: of Sail in this process, or of a Spark Connect server by its address."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkUnavailableError(LumbungError):
    """No Spark answers, or it refuses; one that was killed comes back."""

    transient = True


@contextlib.contextmanager
def session(settings: Settings) -> Iterator[SparkSession]:
    """A session of the engine that LUMBUNG_SPARK names; its time zone is UTC.

    A JVM server gets this package sent and needs Python 3.13 with pyarrow and pandas only, and to train models those of
    `requirements/spark.in`; a Sail server elsewhere takes no packages and needs them installed.

    Raises:
        SparkUnavailableError: no server answers at the address or it refuses.
        LumbungError: the setting names Dataproc, which takes jobs.
    """
    if settings.spark.engine == "sail":
        with _sail() as address, _connected(address) as connected:
            yield connected
    elif settings.spark.engine.startswith("sc://"):
        with _connected(settings.spark.engine) as connected:
            _send_package(connected)
            yield connected
    else:
        raise LumbungError(
            f"{settings.spark.engine} takes jobs, not sessions",
            where="LUMBUNG_SPARK",
            remedy="let the DAG run the job, or set it to sail or sc://host:port",
        )


@contextlib.contextmanager
def _sail() -> Iterator[str]:
    # Sail's log is of its own inner workings; it is set up once a process, from this variable.
    os.environ.setdefault("RUST_LOG", "off")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    try:
        host, port = server.listening_address
        yield f"sc://{host}:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def _connected(address: str) -> Iterator[SparkSession]:
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    # Both ends would agree on gzip, which takes five times as long as all the rest of fetching rows.
    plain = ("grpc.compression_enabled_algorithms_bitset", 1)
    connected: ConnectSession | None = None
    try:
        try:
            channel = DefaultChannelBuilder(address, channelOptions=[plain])
            connected = ConnectSession.builder.channelBuilder(channel).create()
            patient = connected.client.get_retry_policies()
            connected.client.set_retry_policies([DefaultPolicy(max_retries=3)])  # the others go on for ten minutes
            connected.conf.set("spark.sql.session.timeZone", "UTC")
            connected.client.set_retry_policies(patient)
        except PySparkException as error:
            if connected:
                connected.release_session_on_close = False  # no server is left to answer
            details = re.search(r'details = "(.*)"', str(error))
            raise SparkUnavailableError(
                f"no Spark Connect server answers, or it refuses: {details[1] if details else error}",
                where=f"sc://{urlsplit(address).netloc}",  # without what follows, where a token may be
                remedy="start one there (docker compose up -d spark), or set LUMBUNG_SPARK=sail",
            ) from None
        yield cast("SparkSession", connected)
    finally:
        # Else it stays this process's active session, which pyspark asks behind the next one's back.
        if connected:
            connected.stop()


def _send_package(connected: SparkSession) -> None:
    from pyspark.errors.exceptions.connect import UnsupportedOperationException

    from lumbung.spark import package

    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder, contextlib.suppress(UnsupportedOperationException):
        connected.addArtifacts(str(package.write(Path(folder) / package.NAME)), pyfile=True)
