"""The methods of BigQuery's API that a run may use, and the permissions that they need."""

import re
from collections.abc import Iterable

from support.bigquery_recorder import Request

PROJECT = "/bigquery/v2/projects/[^/]+"
METHODS = {
    "jobs.insert": ("POST", f"(/upload)?{PROJECT}/jobs"),
    "upload": ("PUT", f"/upload{PROJECT}/jobs"),
    "jobs.get": ("GET", f"{PROJECT}/jobs/[^/]+"),
    "jobs.getQueryResults": ("GET", f"{PROJECT}/queries/[^/]+"),
    "datasets.list": ("GET", f"{PROJECT}/datasets"),
    "datasets.get": ("GET", f"{PROJECT}/datasets/[^/]+"),
    "datasets.insert": ("POST", f"{PROJECT}/datasets"),
    "tables.list": ("GET", f"{PROJECT}/datasets/[^/]+/tables"),
    "tables.get": ("GET", f"{PROJECT}/datasets/[^/]+/tables/[^/]+"),
    "tables.insert": ("POST", f"{PROJECT}/datasets/[^/]+/tables"),
    "tables.patch": ("PATCH", f"{PROJECT}/datasets/[^/]+/tables/[^/]+"),
    "tables.delete": ("DELETE", f"{PROJECT}/datasets/[^/]+/tables/[^/]+"),
    "tabledata.list": ("GET", f"{PROJECT}/datasets/[^/]+/tables/[^/]+/data"),
}

# From the "Required permissions" of each task's page. Who creates a job may get it and its results; datasets.list
# needs none, and shows the data sets that the caller may get.
READ = {"bigquery.tables.get", "bigquery.tables.getData"}
WRITE = {"bigquery.tables.create", "bigquery.tables.update", "bigquery.tables.updateData"}
PERMISSIONS = {
    "jobs.insert": {"bigquery.jobs.create"},
    "upload": {"bigquery.jobs.create"},
    "jobs.get": set(),
    "jobs.getQueryResults": set(),
    "datasets.list": set(),
    "datasets.get": {"bigquery.datasets.get"},
    "datasets.insert": {"bigquery.datasets.create"},
    "tables.list": {"bigquery.tables.list"},
    "tables.get": {"bigquery.tables.get"},
    "tables.insert": {"bigquery.tables.create"},
    "tables.patch": {"bigquery.tables.get", "bigquery.tables.update"},
    "tables.delete": {"bigquery.tables.delete"},
    "tabledata.list": {"bigquery.tables.getData"},
}
JOB_PERMISSIONS = {"load": WRITE, "query": READ, "copy": READ | WRITE}
# BigQuery roles and permissions: what of each role the program could use.
JOB_USER = {"bigquery.jobs.create"}
DATA_EDITOR = READ | WRITE | {"bigquery.datasets.get", "bigquery.tables.delete", "bigquery.tables.list"}


def method_of(request: Request) -> str | None:
    """The API method's name; None: one that is not used here."""
    for name, (verb, path) in METHODS.items():
        if request.method == verb and re.fullmatch(path, request.path):
            return name
    return None


def permissions(requests: Iterable[Request]) -> set[str]:
    """The permissions that the requests need."""
    needed: set[str] = set()
    for request in requests:
        name = method_of(request)
        needed |= PERMISSIONS[name] if name else {f"{request.method} {request.path}"}
        if name == "jobs.insert":
            config = (request.body or {})["configuration"]
            for kind, more in JOB_PERMISSIONS.items():
                needed |= more if kind in config else set()
            needed |= WRITE if "destinationTable" in config.get("query", {}) else set()
    return needed
