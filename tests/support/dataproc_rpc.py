"""Calls of Dataproc's gRPC API as its discovery document has them: it describes the same methods over HTTP."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict

from support.discovery import api

REGIONAL, CLUSTER, JOB = ("projectId", "region"), ("clusterName",), ("jobId",)
# The method of each call; which of its fields are in the path; which one is the body (`*`: all the others).
CALLS = {
    "CreateClusterRequest": ("projects.regions.clusters.create", REGIONAL, "cluster"),
    "GetClusterRequest": ("projects.regions.clusters.get", REGIONAL + CLUSTER, None),
    "DeleteClusterRequest": ("projects.regions.clusters.delete", REGIONAL + CLUSTER, None),
    "DiagnoseClusterRequest": ("projects.regions.clusters.diagnose", REGIONAL + CLUSTER, "*"),
    "SubmitJobRequest": ("projects.regions.jobs.submit", REGIONAL, "*"),
    "GetJobRequest": ("projects.regions.jobs.get", REGIONAL + JOB, None),
    "CancelJobRequest": ("projects.regions.jobs.cancel", REGIONAL + JOB, "*"),
    "CreateBatchRequest": ("projects.locations.batches.create", ("parent",), "batch"),
    "GetBatchRequest": ("projects.locations.batches.get", ("name",), None),
}


def faults(request: Any) -> Iterator[str]:
    """What of a call's message is not in the document, or missing in the path.

    Args:
        request: a message of google.cloud.dataproc_v1, as the server gets it.
    """
    method, in_path, body_field = CALLS[type(request).__name__]
    fields = MessageToDict(type(request).pb(request))
    if missing := [name for name in in_path if not fields.get(name)]:
        yield f"{method}: no {', '.join(missing)}"
    path = {name: fields.pop(name) for name in in_path if name in fields}
    if "parent" in path:  # over gRPC the provider says regions, which Dataproc takes there
        path["parent"] = path["parent"].replace("/regions/", "/locations/")
    body = fields if body_field == "*" else fields.pop(body_field, {}) if body_field else None
    query = {} if body_field == "*" else fields
    yield from api("dataproc.v1").call_faults(f"dataproc.{method}", {**path, **query}, body)
