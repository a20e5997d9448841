"""The warehouse: the local BigQuery server or a Google Cloud project."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import requests

from lumbung.catalog.contract import Catalog
from lumbung.cli.doctor.common import CONNECT_SECONDS
from lumbung.core.errors import first_line
from lumbung.core.settings import LOCAL_PROJECT, ROOT, Settings, environment, variable
from lumbung.local import bigquery
from lumbung.serving.schema import Finding

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from lumbung.storage.warehouse import Warehouse

GOOGLE_CONNECTION = "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"
ROLES = "see the roles in docs/cookbooks/google-cloud.md"
PERMISSIONS = ("bigquery.jobs.create", "bigquery.datasets.create")
# By engine: https://docs.cloud.google.com/dataproc/docs/concepts/iam/iam and the page of the same name for serverless
DATAPROC_PERMISSIONS = {
    "dataproc": ("dataproc.clusters.create", "dataproc.clusters.delete", "dataproc.jobs.create", "dataproc.jobs.get"),
    "dataproc-serverless": ("dataproc.batches.create", "dataproc.batches.get", "dataproc.operations.get"),
}
# What the local server's own environment must have; Lumbung is not installed there.
LOCAL_SERVER = """
import importlib.metadata, importlib.util, sys
missing = [n for n in ("ducklake", "icu", "spatial") if not importlib.util.find_spec(f"duckdb_extension_{n}")]
if missing:
    sys.exit("DuckDB's extension packages are missing: " + ", ".join(missing))
print(f"local-bigquery {importlib.metadata.version('local-bigquery')}")
"""


def check(settings: Settings) -> Iterator[Finding]:
    """The warehouse that the settings name."""
    match settings.warehouse:
        case "embedded":
            yield _embedded_server()
        case "server":
            yield _server(settings)
        case "bigquery":
            yield from _bigquery(settings)


def _embedded_server() -> Finding:
    name = "local BigQuery server"
    for file in (bigquery.PYTHON, bigquery.SERVER):
        if not file.exists():
            return Finding(name, False, f"{file.relative_to(ROOT)} is missing", "run make install")
    process = subprocess.run(
        [bigquery.PYTHON, "-I", "-c", LOCAL_SERVER], capture_output=True, text=True, timeout=60, check=False
    )
    output = process.stdout if process.returncode == 0 else process.stderr
    last_line = (output.strip().splitlines() or [f"status {process.returncode}"])[-1]
    return Finding(name, process.returncode == 0, last_line, "run make install")


def _server(settings: Settings) -> Finding:
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
            f"none ({first_line(error)})",
            f"{login}; without {variable('project')} the local warehouse is used",
        )
        return
    try:
        credentials.refresh(Request())  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        yield Finding("Google credentials", False, f"Google does not take them ({first_line(error)})", login)
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
            yield Finding(f"data set {name}", False, first_line(error), ROLES)
            continue
        in_location = dataset.location.upper() == settings.location.upper()
        yield Finding(
            f"data set {name}",
            in_location,
            f"{warehouse.dataset(name)} in {dataset.location}",
            f"set {variable('location')} to {dataset.location}, or use another {variable('dataset_prefix')}",
        )
    if missing:
        yield Finding("data sets", True, f"not there yet: {', '.join(missing)}; the first run makes them")
    if (days := warehouse.partition_limit_days(Catalog().datasets())) is not None:
        yield Finding(
            "expiry",
            True,
            f"partitions expire {days} days after their day, as in the sandbox; older days cannot be run, and older"
            " tweets are left out, unless billing is on and the expiration of data sets and tables lifted",
        )


def _permissions(warehouse: Warehouse, credentials: Credentials) -> Finding:
    from google.auth.transport.requests import AuthorizedSession

    permissions = PERMISSIONS + DATAPROC_PERMISSIONS.get(warehouse.settings.spark.engine, ())
    url = f"https://cloudresourcemanager.googleapis.com/v1/projects/{warehouse.settings.project_id}:testIamPermissions"
    try:
        with AuthorizedSession(credentials) as session:  # type: ignore[no-untyped-call]
            answer = session.post(url, json={"permissions": list(permissions)}, timeout=30)
        answer.raise_for_status()
    except requests.RequestException as error:
        # A project may have that API off. A job has been tried above; data sets show at the first run.
        return Finding("permissions", True, f"they cannot be asked for ({type(error).__name__})")
    missing = [name for name in permissions if name not in answer.json().get("permissions", [])]
    found = f"{', '.join(missing)} missing" if missing else ", ".join(permissions)
    return Finding("permissions", not missing, found, ROLES)
