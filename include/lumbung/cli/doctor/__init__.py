"""Doctor: what Lumbung needs, what was found, and what to do about it.

Nothing is started or changed, but for a small file that is written to the home folder and the lake and deleted again.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import psutil

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError
from lumbung.core.settings import LOCAL_PROJECT, ROOT, Settings, environment, variable
from lumbung.serving.schema import Finding
from lumbung.storage.lake import BucketLake

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from lumbung.storage.warehouse import Warehouse

PYTHON = (3, 13)
DISK_GB, MEMORY_GB = 2, 4
COMMAND_MEMORY_GB = 1  # where the servers and Airflow run elsewhere
CONNECT_SECONDS = 5
GOOGLE_CONNECTION, MAIL_CONNECTION = "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", "AIRFLOW_CONN_SMTP_DEFAULT"
PERMISSIONS = ("bigquery.jobs.create", "bigquery.datasets.create")
# What the other environment must have; it has no Lumbung.
LOCAL_SERVER = """
import importlib.metadata, importlib.util, sys
missing = [n for n in ("ducklake", "icu", "spatial") if not importlib.util.find_spec(f"duckdb_extension_{n}")]
if missing:
    sys.exit("DuckDB's extension packages are missing: " + ", ".join(missing))
print(f"local-bigquery {importlib.metadata.version('local-bigquery')}")
"""


def checks(settings: Settings) -> Iterator[Finding]:
    """Look at everything that the settings need, one after the other; a check that breaks is a finding, too."""
    for name, check in CHECKS:
        try:
            for one in check(settings):
                yield _safe(one, settings)
        except LumbungError as error:
            where = f"{error.where}: " if error.where else ""
            yield _safe(Finding(name, False, f"{where}{error.what}", error.remedy), settings)
        except Exception as error:  # noqa: BLE001 - whatever breaks, the other checks are still of use
            found = f"the check broke ({type(error).__name__}: {_first_line(error)})"
            yield _safe(Finding(name, False, found, "see whether the message tells why"), settings)


def _python(_settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    yield Finding("Python", sys.version_info[:2] == PYTHON, version, f"install Python {wanted}, then run make install")


def _environment(_settings: Settings) -> Iterator[Finding]:
    try:
        found = f"Airflow {metadata.version('apache-airflow')} in {sys.prefix}"
    except metadata.PackageNotFoundError:
        yield Finding("environment", False, f"no Airflow in {sys.prefix}", "run make install")
    else:
        yield Finding("environment", True, found)


def _memory(settings: Settings) -> Iterator[Finding]:
    wanted = COMMAND_MEMORY_GB if settings.airflow_url else MEMORY_GB
    size = psutil.virtual_memory().total
    limit = Path("/sys/fs/cgroup/memory.max")  # a container's own
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        size = min(size, int(text))
    yield Finding(
        "memory", size >= wanted * 1e9, _gigabytes(size), f"give the machine or container {wanted} GB or more"
    )


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(settings.home)).free
    remedy = f"make room, or point {variable('home')} at a disk with {DISK_GB} GB"
    yield Finding("disk space", free >= DISK_GB * 1e9, f"{_gigabytes(free)} free under {settings.home}", remedy)


def _home(settings: Settings) -> Iterator[Finding]:
    yield _writable("home folder", settings.home, "home")


def _lake(settings: Settings) -> Iterator[Finding]:
    if folder := settings.lake_folder:
        yield _writable("lake", folder, "lake_uri")
        return
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    probe = f"doctor/{uuid.uuid4().hex}"
    try:
        lake = BucketLake(settings.lake_uri)
        lake.write(probe, b"probe")
        same = lake.read(probe) == b"probe" and probe.rpartition("/")[2] in lake.names("doctor")
        lake.delete(probe)
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        yield Finding(
            "lake",
            False,
            f"{settings.lake_uri}: {_first_line(error)}",
            f"see the credentials and the bucket's name; you need the role Storage Object User on it, and see"
            f" {variable('lake_uri')}",
        )
    else:
        yield Finding("lake", same, f"{settings.lake_uri} is written, listed and read", "see the bucket's retention")


def _up(settings: Settings) -> Iterator[Finding]:
    from lumbung.local import processes
    from lumbung.local.airflow import PORT, PORT_VARIABLE, connect

    if settings.airflow_url and (api := connect(settings)):
        api.health()
        yield Finding("Airflow", True, f"{api.url} answers")
        return
    notes = processes.read_json(settings.home / "up.json")
    leader = processes.known(notes)
    if leader and leader.is_alive:
        yield Finding("Airflow", True, f"it is up at {notes['url']}")
        return
    yield Finding("Airflow", True, "it is not up")
    wanted = environment().get(PORT_VARIABLE)
    if wanted is None:
        found = "free" if processes.is_free(PORT) else "taken, so Airflow will choose another one"
        yield Finding("port", True, f"{PORT} is {found}")
        return
    free = wanted.isdigit() and 0 < int(wanted) < 1 << 16 and processes.is_free(int(wanted))
    found = f"{wanted} of {PORT_VARIABLE} is {'free' if free else 'taken or no port'}"
    yield Finding("port", free, found, f"stop what listens there, or set {PORT_VARIABLE} to another one")


def _files(settings: Settings) -> Iterator[Finding]:
    from lumbung.sources.files import opened

    for contract in Catalog().contracts.values():
        if contract.source is None or contract.source.path is None:
            continue
        name = f"source {contract.source.path}"
        try:
            with opened(contract, settings.data_source) as (path, _):
                yield Finding(name, True, f"{path} ({path.stat().st_size:,} bytes)")
        except LumbungError as error:
            yield Finding(name, False, f"{error.where}: {error.what}", error.remedy)


def _database(settings: Settings) -> Iterator[Finding]:
    from lumbung.sources import read

    if settings.source_dsn is None:
        yield from _embedded_database(settings)
        return
    dsn = settings.source_dsn.get_secret_value()
    if "connect_timeout" not in dsn:
        dsn += f"{'&' if urlsplit(dsn).query else '?'}connect_timeout={CONNECT_SECONDS}"
    parts = urlsplit(dsn)
    place = f"{parts.hostname or 'local socket'}{parts.path}"
    for contract in Catalog().contracts.values():
        if contract.source is None or contract.source.kind != "postgres":
            continue
        name = f"source {contract.source.label}"
        try:
            # As the pipeline does, but only the first of the batches that it streams.
            batch = next(read(contract, data_source=settings.data_source, dsn=dsn), None)
        except LumbungError as error:
            remedy = error.remedy.replace("the connection", variable("source_dsn"))
            yield Finding(name, False, f"{place}: {error.what}", remedy)
            continue
        columns = ", ".join(column.name for column in contract.business_columns)
        found = f"{place}: {contract.source.table}({columns}) can be read"
        has_rows = batch is not None or contract.source.min_rows == 0
        yield Finding(name, has_rows, found if has_rows else f"{place}: {contract.source.table} is empty", "fill it")


def _embedded_database(settings: Settings) -> Iterator[Finding]:
    from lumbung.local.postgres import Postgres

    programs = Postgres(settings.home).programs
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if not (programs / name).exists()]
    found = f"{', '.join(missing)} missing in {programs}" if missing else f"PostgreSQL in {programs}"
    yield Finding("embedded PostgreSQL", not missing, found, "run make install")
    seed = settings.data_source / "course_enrollment.csv"
    readable = os.access(seed, os.R_OK) and seed.is_file()
    yield Finding(
        "seed of PostgreSQL",
        readable,
        f"{seed}{'' if readable else ' is missing or cannot be read'}",
        f"put it there, or set {variable('source_dsn')} to use another PostgreSQL",
    )


def _warehouse(settings: Settings) -> Iterator[Finding]:
    match settings.warehouse:
        case "embedded":
            yield _embedded_server()
        case "server":
            yield _server(settings)
        case "bigquery":
            yield from _bigquery(settings)


def _embedded_server() -> Finding:
    from lumbung.local.bigquery import PYTHON as SERVER_PYTHON
    from lumbung.local.bigquery import SERVER

    name = "local BigQuery server"
    for file in (SERVER_PYTHON, SERVER):
        if not file.exists():
            return Finding(name, False, f"{file.relative_to(ROOT)} is missing", "run make install")
    done = subprocess.run(
        [SERVER_PYTHON, "-I", "-c", LOCAL_SERVER], capture_output=True, text=True, timeout=60, check=False
    )
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return Finding(name, done.returncode == 0, said[-1] if said else f"status {done.returncode}", "run make install")


def _server(settings: Settings) -> Finding:
    import requests

    name, host = "local BigQuery server", settings.emulator_host
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy cannot reach it
            answer = session.get(f"{host}/bigquery/v2/projects/{LOCAL_PROJECT}/datasets", timeout=CONNECT_SECONDS)
            answer.raise_for_status()
    except requests.RequestException as error:
        what = f"{host} does not answer ({type(error).__name__})"
        return Finding(name, False, what, f"start it, or unset {variable('emulator_host')} to use the embedded one")
    return Finding(name, True, f"{host} answers")


def _bigquery(settings: Settings) -> Iterator[Finding]:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from google.auth.transport.requests import Request

    from lumbung.storage.warehouse import Warehouse

    login = f"run `gcloud auth application-default login`, or set {GOOGLE_CONNECTION}"
    try:
        credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except DefaultCredentialsError as error:
        if environment().get(GOOGLE_CONNECTION):
            yield Finding(
                "Google credentials", True, f"only those in {GOOGLE_CONNECTION}; BigQuery was not asked with them"
            )
            return
        yield Finding(
            "Google credentials",
            False,
            f"none ({_first_line(error)})",
            f"{login}; without {variable('project')} the local warehouse is used",
        )
        return
    try:
        credentials.refresh(Request())  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        yield Finding("Google credentials", False, f"Google does not take them ({_first_line(error)})", login)
        return
    account = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
    yield Finding("Google credentials", True, account or type(credentials).__name__)
    warehouse = Warehouse(settings, lambda: credentials)
    yield from _project(warehouse)
    yield _permissions(warehouse, credentials)


def _project(warehouse: Warehouse) -> Iterator[Finding]:
    from google.api_core.exceptions import GoogleAPIError, NotFound

    from lumbung.storage.warehouse import BUILD

    settings = warehouse.settings
    yield Finding(
        "BigQuery job", True, f"a dry run in {settings.project_id} reads {warehouse.dry_run('SELECT 1')} bytes"
    )
    missing = []
    for name in (*Catalog().datasets(), BUILD):
        try:
            dataset = warehouse.client.get_dataset(warehouse.dataset(name), timeout=CONNECT_SECONDS)
        except NotFound:
            missing.append(name)
            continue
        except GoogleAPIError as error:
            yield Finding(f"data set {name}", False, _first_line(error), "see the roles in docs/bigquery.md")
            continue
        right = dataset.location.upper() == settings.location.upper()
        yield Finding(
            f"data set {name}",
            right,
            f"{warehouse.dataset(name)} in {dataset.location}",
            f"set {variable('location')} to {dataset.location}, or use another {variable('dataset_prefix')}",
        )
    if missing:
        yield Finding("data sets", True, f"not there yet: {', '.join(missing)}; the first run makes them")
    if "staging" not in missing and (days := warehouse.partition_limit_days("staging")):
        yield Finding(
            "expiry",
            True,
            f"partitions expire {days} days after their day, as in the sandbox; older days cannot be run unless"
            " billing is on and the data sets' expiration lifted",
        )


def _permissions(warehouse: Warehouse, credentials: Credentials) -> Finding:
    import requests
    from google.auth.transport.requests import AuthorizedSession

    url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{warehouse.settings.project_id}:testIamPermissions"
    try:
        with AuthorizedSession(credentials) as session:  # type: ignore[no-untyped-call]
            answer = session.post(url, json={"permissions": list(PERMISSIONS)}, timeout=30)
        answer.raise_for_status()
    except requests.RequestException as error:
        # A project may have that API off. A job has been tried above; data sets show at the first run.
        return Finding("permissions", True, f"they cannot be asked for ({type(error).__name__})")
    lacking = [name for name in PERMISSIONS if name not in answer.json().get("permissions", [])]
    found = f"{', '.join(lacking)} missing" if lacking else ", ".join(PERMISSIONS)
    return Finding("permissions", not lacking, found, "see the roles in docs/bigquery.md")


def _tweets(settings: Settings) -> Iterator[Finding]:
    from lumbung.stream import x

    waiting, faulty = (len(list((settings.spool / name).glob("*.jsonl"))) for name in ("incoming", "error"))
    yield Finding("spool", True, f"{waiting} files to ship and {faulty} with bad lines in {settings.spool}")
    yield _kafka(settings)
    yield Finding("Spark", True, f"{settings.spark.engine} cleans tweets")
    spent = x.status(settings)
    token = "a token is set" if settings.x.bearer_token else f"no token ({variable('x_bearer_token')})"
    yield Finding("X", True, f"{token}; US$ {spent.usd:.3f} of {spent.max_usd:g} spent in {spent.month}")
    yield _search(settings)


def _kafka(settings: Settings) -> Finding:
    from lumbung.storage.lake import open_lake
    from lumbung.stream.kafka import THREE_WAYS
    from lumbung.stream.land import lag

    if settings.kafka.servers is None:
        lacking = [name for name, program in (("Java", "java"), ("Maven", "mvn")) if not shutil.which(program)]
        own = "one is started for `lumbung tweets` by Java and Maven"
        # Only tweets need it.
        return Finding("Kafka", True, f"none set; {', '.join(lacking)} missing to start one" if lacking else own)
    host, port = settings.kafka.servers.split(",")[0].rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        behind = sum(lag(settings, open_lake(settings)).values())
    except OSError as error:
        return Finding("Kafka", False, f"{settings.kafka.servers} does not answer ({error})", THREE_WAYS)
    except LumbungError as error:
        if error.where != settings.kafka.topic:  # else the first run makes the topic
            raise
        return Finding("Kafka", True, f"{settings.kafka.servers} answers; {settings.kafka.topic}: {error.what}")
    return Finding(
        "Kafka", True, f"{settings.kafka.servers}, topic {settings.kafka.topic}: {behind:,} offsets not landed"
    )


def _search(settings: Settings) -> Finding:
    from lumbung.search.cluster import connect
    from lumbung.search.index import months

    if settings.search.url is None:
        return Finding("search", True, f"off: {variable('search')} is not set")
    cluster = connect(settings, waits=(), timeout=CONNECT_SECONDS)
    return Finding("search", True, f"{cluster.address} answers; {len(months(cluster))} months in {cluster.alias}")


def _notifications(settings: Settings) -> Iterator[Finding]:
    told = []
    if settings.notify.email:
        connection = MAIL_CONNECTION if MAIL_CONNECTION in environment() else "the connection smtp_default in Airflow"
        told.append(f"{settings.notify.email}, through {connection}")
    if settings.notify.webhook:
        told.append(f"a webhook at {urlsplit(settings.notify.webhook.get_secret_value()).hostname}")
    nobody = f"nobody: {variable('notify_email')} and {variable('notify_webhook')} are not set"
    yield Finding("notification", True, f"failed runs are told to {' and '.join(told) or nobody}")


CHECKS: list[tuple[str, Callable[[Settings], Iterable[Finding]]]] = [
    ("Python", _python),
    ("environment", _environment),
    ("memory", _memory),
    ("disk space", _disk),
    ("home folder", _home),
    ("lake", _lake),
    ("Airflow", _up),
    ("source files", _files),
    ("source database", _database),
    ("warehouse", _warehouse),
    ("tweets", _tweets),
    ("notification", _notifications),
]


def _writable(name: str, folder: Path, setting: str) -> Finding:
    place = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        remedy = f"make it writable, or point {variable(setting)} elsewhere"
        return Finding(name, False, f"{place} cannot be written ({error.strerror})", remedy)
    return Finding(name, True, f"{folder}{'' if folder.exists() else ', made by the first run'}")


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _safe(finding: Finding, settings: Settings) -> Finding:
    """The finding without secrets, whoever put them into a message, and with a remedy only where one is needed."""
    dsn = settings.source_dsn.get_secret_value() if settings.source_dsn else ""
    webhook = settings.notify.webhook.get_secret_value() if settings.notify.webhook else ""
    airflow = settings.airflow_url.get_secret_value() if settings.airflow_url else ""
    passwords = [
        urlsplit(dsn).password or "",
        urlsplit(airflow).password or "",
        *(value for name, value in parse_qsl(urlsplit(dsn).query) if name == "password"),
    ]
    found, remedy = finding.found, "" if finding.ok else finding.remedy
    for secret in (dsn, webhook, *passwords, *map(unquote, passwords)):
        if secret:
            found, remedy = found.replace(secret, "***"), remedy.replace(secret, "***")
    return replace(finding, found=found, remedy=remedy)
