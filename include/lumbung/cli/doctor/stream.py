"""What tweets need: spool, Kafka, Spark, X, search."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator

from lumbung.cli.doctor.common import CONNECT_SECONDS
from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings, variable
from lumbung.search.cluster import connect
from lumbung.search.index import months
from lumbung.serving.schema import Finding
from lumbung.storage.lake import open_lake
from lumbung.stream import x
from lumbung.stream.kafka import KAFKA_REMEDY
from lumbung.stream.land import lag
from lumbung.systems.registry import by_dag


def check(settings: Settings) -> Iterator[Finding]:
    """What tweets need; only what is set can be missing."""
    waiting, faulty = (len(list((settings.spool / name).glob("*.jsonl"))) for name in ("incoming", "error"))
    yield Finding("spool", True, f"{waiting} files to ship and {faulty} with bad lines in {settings.spool}")
    yield _kafka(settings)
    yield Finding("Spark", True, _spark(settings))
    spent = x.status(settings)
    token = "a token is set" if settings.x.bearer_token else f"no token ({variable('x_bearer_token')})"
    yield Finding("X", True, f"{token}; US$ {spent.usd:.3f} of {spent.max_usd:g} spent in {spent.month}")
    yield _search(settings)


def _spark(settings: Settings) -> str:
    engine, dataproc = settings.spark.engine, settings.dataproc
    if not engine.startswith("dataproc"):
        return f"{engine} cleans tweets, trains models and compares contracts"
    default = (
        "the account that starts the batch" if engine == "dataproc-serverless" else "the project's default account"
    )
    return (
        f"{engine} cleans tweets, trains models and compares contracts"
        f" in {dataproc.region}, as {dataproc.service_account or default}, in the"
        f" {f'subnetwork {dataproc.subnetwork}' if dataproc.subnetwork else 'network default'}"
    )


def _kafka(settings: Settings) -> Finding:
    if settings.kafka.servers is None:
        missing = [name for name, program in (("Java", "java"), ("Maven", "mvn")) if not shutil.which(program)]
        own = "one is started for tweets, models and contracts by Java and Maven"
        # Only these need it.
        return Finding("Kafka", True, f"none set; {', '.join(missing)} missing to start one" if missing else own)
    host, port = settings.kafka.servers.split(",")[0].rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        behind = sum(lag(settings, open_lake(settings), by_dag("tweets").feed(settings)).values())
    except OSError as error:
        return Finding("Kafka", False, f"{settings.kafka.servers} does not answer ({error})", KAFKA_REMEDY)
    except LumbungError as error:
        if error.where != settings.kafka.topic:  # else the first run makes the topic
            raise
        return Finding("Kafka", True, f"{settings.kafka.servers} answers; {settings.kafka.topic}: {error.what}")
    return Finding(
        "Kafka", True, f"{settings.kafka.servers}, topic {settings.kafka.topic}: {behind:,} offsets not landed"
    )


def _search(settings: Settings) -> Finding:
    if settings.search.url is None:
        return Finding("search", True, f"off: {variable('search')} is not set")
    cluster = connect(settings, waits=(), timeout=CONNECT_SECONDS)
    return Finding("search", True, f"{cluster.address} answers; {len(months(cluster))} months in {cluster.alias}")
