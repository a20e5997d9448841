"""A fake of Dataproc's gRPC API: it keeps what is asked, and clusters, jobs and batches by name; it runs nothing.

What a real client sends is read as Dataproc reads it, by the API's own messages. `refusals` holds them against what
Google's reference of each message says.
"""

import re
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.cloud import dataproc_v1 as api
from google.longrunning import operations_pb2
from google.protobuf import any_pb2
from google.rpc import code_pb2, status_pb2

from support import dataproc_rpc

States = api.ClusterStatus.State
METHODS = {
    "ClusterController": {
        "CreateCluster": api.CreateClusterRequest,
        "GetCluster": api.GetClusterRequest,
        "DeleteCluster": api.DeleteClusterRequest,
        "DiagnoseCluster": api.DiagnoseClusterRequest,
    },
    "JobController": {
        "SubmitJob": api.SubmitJobRequest,
        "GetJob": api.GetJobRequest,
        "CancelJob": api.CancelJobRequest,
    },
    "BatchController": {"CreateBatch": api.CreateBatchRequest, "GetBatch": api.GetBatchRequest},
}


@dataclass
class Dataproc:
    """What the fake holds, and how it is to behave.

    Attributes:
        create: state that a new cluster gets, RUNNING or ERROR.
        job: state that a job is in when it is looked at.
        batch: the same of a batch.
        asked: the requests so far, in order.
        waiting: set when a job is looked at.
    """

    create: States = States.RUNNING
    job: api.JobStatus.State = api.JobStatus.State.DONE
    batch: api.Batch.State = api.Batch.State.SUCCEEDED
    asked: list[Any] = field(default_factory=list)
    clusters: dict[str, api.Cluster] = field(default_factory=dict)
    jobs: dict[str, api.Job] = field(default_factory=dict)
    batches: dict[str, api.Batch] = field(default_factory=dict)
    waiting: threading.Event = field(default_factory=threading.Event)

    @property
    def methods(self) -> list[str]:
        """The kinds of the requests that change something."""
        names = [type(request).__name__.removesuffix("Request") for request in self.asked]
        return [name for name in names if not name.startswith("Get")]

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.asked.append(request)
        if refused := refusals(request):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(refused))
        return getattr(self, type(request).__name__)(request, context)

    def CreateClusterRequest(self, request, context):  # noqa: N802 - the API's names
        name = request.cluster.cluster_name
        if name in self.clusters:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, name)
        cluster = api.Cluster(request.cluster)
        cluster.status.state = self.create
        self.clusters[name] = cluster
        if self.create == States.ERROR:
            return operation(error="out of machines")
        return operation(cluster)

    def GetClusterRequest(self, request, context):  # noqa: N802
        return self._found(self.clusters, request.cluster_name, context)

    def DeleteClusterRequest(self, request, context):  # noqa: N802
        self._found(self.clusters, request.cluster_name, context)
        del self.clusters[request.cluster_name]
        return operation()

    def DiagnoseClusterRequest(self, request, context):  # noqa: N802
        return operation(api.DiagnoseClusterResults(output_uri="gs://diagnosis"))

    def SubmitJobRequest(self, request, context):  # noqa: N802
        self._found(self.clusters, request.job.placement.cluster_name, context)
        job = api.Job(request.job)
        job.reference.job_id = f"job-{len(self.jobs)}"
        self.jobs[job.reference.job_id] = job
        return job

    def GetJobRequest(self, request, context):  # noqa: N802
        self.waiting.set()
        job = self._found(self.jobs, request.job_id, context)
        job.status.state = self.job
        return job

    def CancelJobRequest(self, request, context):  # noqa: N802
        return self._found(self.jobs, request.job_id, context)

    def CreateBatchRequest(self, request, context):  # noqa: N802
        # The provider says regions when it makes one, and locations, as the reference does, when it looks at one.
        name = f"{request.parent.replace('/regions/', '/locations/')}/batches/{request.batch_id}"
        if name in self.batches:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, name)
        self.batches[name] = api.Batch(request.batch)
        self.batches[name].name, self.batches[name].state = name, self.batch
        return operation(self.batches[name], api.BatchOperationMetadata(batch=name))

    def GetBatchRequest(self, request, context):  # noqa: N802
        return self._found(self.batches, request.name, context)

    def _found(self, things, name, context):
        if name not in things:
            context.abort(grpc.StatusCode.NOT_FOUND, name)
        return things[name]


def operation(response: Any = None, metadata: Any = None, error: str = "") -> operations_pb2.Operation:
    """An operation that is over."""

    def packed(message: Any) -> any_pb2.Any:
        wrapped = any_pb2.Any()
        wrapped.Pack(type(message).pb(message))
        return wrapped

    done = operations_pb2.Operation(name="operations/done", done=True)
    if metadata is not None:
        done.metadata.CopyFrom(packed(metadata))
    if error:
        done.error.CopyFrom(status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=error))
    elif response is not None:
        done.response.CopyFrom(packed(response))
    else:
        done.response.CopyFrom(any_pb2.Any(type_url="type.googleapis.com/google.protobuf.Empty"))
    return done


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, dataproc: Dataproc) -> None:
        self.dataproc = dataproc

    def service(self, call):
        _, service, method = call.method.split("/")
        kind = METHODS.get(service.rpartition(".")[2], {}).get(method)
        return kind and grpc.unary_unary_rpc_method_handler(
            self.dataproc.answer, request_deserializer=kind.deserialize, response_serializer=serialized
        )


def serialized(message: Any) -> bytes:
    return (
        message.SerializeToString()
        if isinstance(message, operations_pb2.Operation)
        else type(message).serialize(message)
    )


@contextmanager
def serving() -> Iterator[tuple[Dataproc, str]]:
    """Serve a fake; gives it and its address."""
    dataproc = Dataproc()
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[_Handler(dataproc)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield dataproc, f"127.0.0.1:{port}"
    finally:
        server.stop(None)


DAYS_14 = 14 * 24 * 3600
LABEL_KEY, LABEL_VALUE = r"[a-z][a-z0-9_-]{0,62}", r"[a-z0-9_-]{1,63}"


def refusals(request: Any) -> list[str]:
    """What of a request is against the API's discovery document, or the reference of its messages."""
    refused = list(dataproc_rpc.faults(request))

    def rule(holds: bool, words: str) -> None:
        if not holds:
            refused.append(words)

    def labels(given: Any) -> None:
        rule(len(given) <= 32, "at most 32 labels")
        rule(all(re.fullmatch(LABEL_KEY, key) for key in given), "label keys")
        rule(all(re.fullmatch(LABEL_VALUE, value) for value in given.values()), "label values")

    def pyspark(job: Any) -> None:
        rule(re.fullmatch(r"gs://\S+\.py", job.main_python_file_uri) is not None, "the main file is a .py")
        rule(all(re.fullmatch(r"gs://\S+\.(py|egg|zip)", uri) for uri in job.python_file_uris), "python files")

    if "project_id" in type(request).meta.fields:
        rule(bool(request.project_id and request.region), "project and region are required")
    match request:
        case api.CreateClusterRequest():
            config = request.cluster.config
            # Cluster.cluster_name
            rule(re.fullmatch(r"[a-z]([a-z0-9-]{0,49}[a-z0-9])?", request.cluster.cluster_name) is not None, "name")
            labels(request.cluster.labels)
            # LifecycleConfig
            idle, age = config.lifecycle_config.idle_delete_ttl, config.lifecycle_config.auto_delete_ttl
            rule(5 * 60 <= idle.total_seconds() <= DAYS_14, "idle_delete_ttl is 5 minutes to 14 days")
            rule(10 * 60 <= age.total_seconds() <= DAYS_14, "auto_delete_ttl is 10 minutes to 14 days")
            # Single node clusters: one master, no worker, and the property that allows it
            properties = config.software_config.properties
            zero = properties.get("dataproc:dataproc.allow.zero.workers")
            rule(config.master_config.num_instances == 1 and not config.worker_config.num_instances, "one machine")
            rule(zero == "true", "no workers by dataproc.allow.zero.workers")
            # Cluster properties: packages, each with its version, between commas
            if "dataproc:pip.packages" in properties:
                pinned = re.fullmatch(r"([\w-]+==[\d.]+)(,[\w-]+==[\d.]+)*", properties["dataproc:pip.packages"])
                rule(pinned is not None, "pip.packages")
            # Image versions, 3.0.x: released for Debian 13, Ubuntu 24 and Rocky 9
            rule(
                config.software_config.image_version in ("3.0-debian13", "3.0-ubuntu24", "3.0-rocky9"), "image version"
            )
        case api.SubmitJobRequest():
            labels(request.job.labels)
            pyspark(request.job.pyspark_job)
            rule(bool(request.job.placement.cluster_name), "placement.cluster_name is required")
        case api.CreateBatchRequest():
            # CreateBatchRequest.batch_id, ExecutionConfig.ttl
            rule(re.fullmatch(r"projects/[^/]+/(locations|regions)/[^/]+", request.parent) is not None, "parent")
            rule(re.fullmatch(r"[a-z0-9-]{4,63}", request.batch_id) is not None, "batch_id has 4 to 63 of a-z, 0-9, -")
            labels(request.batch.labels)
            pyspark(request.batch.pyspark_batch)
            execution = request.batch.environment_config.execution_config
            # AuthenticationConfig: unspecified means end user credentials for runtimes from 3.0 on
            kind = execution.authentication_config.user_workload_authentication_type
            named = kind == api.AuthenticationConfig.AuthenticationType.SERVICE_ACCOUNT
            rule(named or not execution.service_account, "a service account is taken only where the type says so")
            ttl = execution.ttl
            rule(10 * 60 <= ttl.total_seconds() <= DAYS_14, "ttl is 10 minutes to 14 days")
    return refused
