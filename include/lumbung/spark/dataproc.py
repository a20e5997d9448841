"""What is asked of Dataproc: a cluster of one small machine for the run, its job, or the same as a serverless batch.

Nothing here speaks to Google; `plugins/lumbung_airflow/dataproc.py` sends it by the provider's operators.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lumbung.core.settings import Settings
from lumbung.spark import package
from lumbung.storage.lake import Lake

if TYPE_CHECKING:
    from lumbung.spark.contracts import Inputs

# A cluster's image 3.0 has Spark 4.1.2, Java 21 and Python 3.12; the serverless runtime 3.0 (3.0.14) has Spark 4.0.1
# with the same Java and Python. https://docs.cloud.google.com/dataproc/docs/concepts/versioning/dataproc-version-clusters
# and https://docs.cloud.google.com/dataproc-serverless/docs/concepts/versions/dataproc-serverless-versions
IMAGE, RUNTIME = "3.0-debian13", "3.0"
# Should no run be left to delete the cluster, Google deletes it: when idle, and at the latest after some hours.
IDLE_SECONDS, LONGEST_SECONDS = 10 * 60, 3 * 60 * 60
DISK_GB = 100
PLANS = "spark/plans"
# What models are trained with: a cluster gets the versions of this environment, as a model's bytes depend on them.
TRAINING_PACKAGES = ("numpy", "scipy", "scikit-learn", "threadpoolctl")


@dataclass(frozen=True)
class Day:
    """A day to clean.

    Attributes:
        day: YYYY-MM-DD.
        files: addresses of its raw files.
        output: address of the clean file.
    """

    day: str
    files: list[str]
    output: str


@dataclass(frozen=True)
class Batch:
    """A batch whose features are to be made.

    Attributes:
        file: address of the batch's Parquet file.
        output: address of the feature file.
    """

    file: str
    output: str


@dataclass(frozen=True)
class Model:
    """A model to train.

    Attributes:
        files: addresses of its batches' feature files.
        batches: sha256 of each batch's file, in order.
        output: address of the model's file; one that is there stays.
    """

    files: list[str]
    batches: list[str]
    output: str


@dataclass(frozen=True)
class Training:
    """Features to make, and then models to train.

    Attributes:
        trainer: `arrow` or `mllib`.
        parameters: `asdict` of `lumbung.models.parameters.Parameters`.
        features: those that are not there yet.
        models: those that are not there yet.
    """

    trainer: Literal["arrow", "mllib"]
    parameters: Mapping[str, float]
    features: list[Batch]
    models: list[Model]


@dataclass(frozen=True)
class Contracts:
    """A version whose changes of contracts are to be made.

    Attributes:
        inputs: its files and what was sent before.
        day: of the version, YYYY-MM-DD.
        schema_version: of the events.
        holds_removals: whether a contract of which anything is missing is held.
        ranges: of contract ids, as `contracts.build` takes them.
        events: address of the file of `contracts.EVENTS`.
        contracts: address of the file of `contracts.CONTRACTS`.
        parties: address of the file of `contracts.PARTIES`.
    """

    inputs: Inputs
    day: str
    schema_version: str
    holds_removals: bool
    ranges: list[tuple[str | None, str | None]]
    events: str
    contracts: str
    parties: str


@dataclass(frozen=True)
class Staged:
    """Addresses of a job's main file, of the package it needs and of its plan."""

    main: str
    package: str
    plan: str


def stage(lake: Lake, work: Sequence[Day] | Training | Contracts) -> Staged:
    """Put what a job needs into the lake; what is there already stays.

    Args:
        lake: a bucket, unless a test runs the job.
        work: days to clean, models to train, or changes of contracts to make.
    """
    with tempfile.TemporaryDirectory(prefix="lumbung-") as folder:
        zipped = package.write(Path(folder) / package.NAME).read_bytes()
    main = Path(__file__).with_name("job.py").read_bytes()
    plan = json.dumps(_steps(work)).encode()
    code = f"spark/{_key(main + zipped)}"
    staged = Staged(f"{code}/job.py", f"{code}/{package.NAME}", f"{PLANS}/{_key(plan)}.json")
    for path, content in ((staged.main, main), (staged.package, zipped), (staged.plan, plan)):
        lake.create(path, content)
    return Staged(*map(lake.address, (staged.main, staged.package, staged.plan)))


def _steps(work: Sequence[Day] | Training | Contracts) -> dict[str, Any]:
    """The plan as the job reads it."""
    if isinstance(work, Training):
        return {"train": asdict(work)}
    if isinstance(work, Contracts):
        return {"contracts": asdict(work)}
    return {"clean": [asdict(day) for day in work]}


def cluster(settings: Settings, packages: Sequence[str] = ()) -> dict[str, Any]:
    """The `ClusterConfig` of a cluster that is one machine, without addresses on the internet.

    Args:
        settings: machine type, service account and subnetwork.
        packages: Python packages that it gets besides those of its image, in this environment's versions. It takes them
            from PyPI, so the subnetwork needs Cloud NAT then.
    """
    machines: dict[str, Any] = {
        "internal_ip_only": True,
        "service_account_scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    }
    if settings.dataproc.service_account:
        machines["service_account"] = settings.dataproc.service_account
    if settings.dataproc.subnetwork:
        machines["subnetwork_uri"] = _subnetwork(settings, settings.dataproc.subnetwork)
    properties = {"dataproc:dataproc.allow.zero.workers": "true"}
    if packages:
        properties["dataproc:pip.packages"] = ",".join(f"{name}=={version(name)}" for name in packages)
    return {
        "gce_cluster_config": machines,
        "master_config": {
            "num_instances": 1,
            "machine_type_uri": settings.dataproc.machine_type,
            "disk_config": {"boot_disk_type": "pd-balanced", "boot_disk_size_gb": DISK_GB},
        },
        "software_config": {"image_version": IMAGE, "properties": properties},
        "lifecycle_config": {
            "idle_delete_ttl": {"seconds": IDLE_SECONDS},
            "auto_delete_ttl": {"seconds": LONGEST_SECONDS},
        },
    }


def job(name: str, staged: Staged, labels: dict[str, str]) -> dict[str, Any]:
    """The `Job` on the cluster `name`.

    Args:
        name: the cluster.
        staged: what lies in the lake for the job.
        labels: the job's labels.
    """
    return {"placement": {"cluster_name": name}, "labels": labels, "pyspark_job": _pyspark(staged)}


def batch(settings: Settings, staged: Staged, labels: dict[str, str]) -> dict[str, Any]:
    """The serverless `Batch`.

    Args:
        settings: project, region, service account and subnetwork.
        staged: what lies in the lake for the job.
        labels: the batch's labels.
    """
    execution: dict[str, Any] = {"ttl": {"seconds": LONGEST_SECONDS}}
    if settings.dataproc.service_account:
        execution["service_account"] = settings.dataproc.service_account
        # Runtimes from 3.0 on take the credentials of the caller, unless the type is given, too.
        execution["authentication_config"] = {"user_workload_authentication_type": "SERVICE_ACCOUNT"}
    if settings.dataproc.subnetwork:
        execution["subnetwork_uri"] = _subnetwork(settings, settings.dataproc.subnetwork)
    return {
        "labels": labels,
        "pyspark_batch": _pyspark(staged),
        "runtime_config": {"version": RUNTIME},
        "environment_config": {"execution_config": execution},
    }


def _subnetwork(settings: Settings, name: str) -> str:
    if "/" in name:
        return name
    return f"projects/{settings.project_id}/regions/{settings.dataproc.region}/subnetworks/{name}"


def _pyspark(staged: Staged) -> dict[str, Any]:
    return {"main_python_file_uri": staged.main, "python_file_uris": [staged.package], "args": [staged.plan]}


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
