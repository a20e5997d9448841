"""A YARN and an HDFS of one process, by the mini cluster that Hadoop's own tests start; fetched by Maven."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lumbung.local import processes

POM = Path(__file__).with_suffix(".pom.xml")
START_SECONDS = 120
# The containers of a job: the driver's, and one executor's, each of Spark's least memory and its overhead.
MEMORY_MB = 4096
PORTS = ("address", "scheduler.address", "resource-tracker.address", "admin.address", "webapp.address")


def missing() -> str | None:
    """What it wants here, if anything."""
    return None if all(map(shutil.which, ("java", "mvn"))) else "Java and Maven"


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        folder: its jars, data and logs.
        conf: the folder for HADOOP_CONF_DIR.
    """

    folder: Path
    conf: Path


def hdfs(cluster: Cluster, *arguments: str) -> None:
    """Run a command of HDFS, such as `-put`."""
    command = ["java", "-cp", f"{cluster.conf}:{cluster.folder}/jars/*", "org.apache.hadoop.fs.FsShell", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def logs(cluster: Cluster) -> str:
    """The ends of what containers have said."""
    files = [file for name in ("stdout", "stderr") for file in (cluster.folder / "target").rglob(name)]
    return "\n".join(f"{file}:\n{file.read_text(errors='replace')[-3000:]}" for file in files)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Start it; it ends with this.

    Args:
        folder: where its jars, its data and its log go.
    """
    jars, conf, details = folder / "jars", folder / "conf", folder / "details.json"
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    subprocess.run(["mvn", "-B", "-q", "-f", POM, *goal], check=True, stdin=subprocess.DEVNULL)
    addresses = {f"yarn.resourcemanager.{name}": f"127.0.0.1:{processes.free_port()}" for name in PORTS}
    settings = {
        "yarn.minicluster.fixed.ports": "true",
        **addresses,
        **{f"yarn.nodemanager.{name}": "127.0.0.1:0" for name in ("address", "localizer.address", "webapp.address")},
        **{f"mapreduce.jobhistory.{name}": "127.0.0.1:0" for name in ("address", "admin.address", "webapp.address")},
        "yarn.minicluster.yarn.nodemanager.resource.memory-mb": f"{MEMORY_MB}",
        "yarn.scheduler.minimum-allocation-mb": "256",
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99",
        "yarn.nodemanager.delete.debug-delay-sec": "600",  # a container's log stays
        "dfs.replication": "1",
    }
    command = [
        "java",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        # Hadoop 3.4's web pages are made by a library that changes classes.
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        *("-cp", f"{jars}/*"),
        "org.apache.hadoop.mapreduce.MiniHadoopClusterManager",
        "-format",
        *("-writeDetails", f"{details}"),
        *("-rmport", addresses["yarn.resourcemanager.address"].rpartition(":")[2]),
        *(part for name, value in settings.items() for part in ("-D", f"{name}={value}")),
    ]
    log = folder / "yarn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_written(details):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        # Not all of its configuration, which names classes of the tests that a client does not have.
        port = json.loads(details.read_text())["namenode_port"]
        write(conf / "core-site.xml", {"fs.defaultFS": f"hdfs://localhost:{port}"})
        write(conf / "yarn-site.xml", addresses)
        yield Cluster(folder, conf)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def write(file: Path, settings: Mapping[str, str]) -> None:
    """Write settings as Hadoop reads them."""
    file.parent.mkdir(exist_ok=True)
    rows = [f"<property><name>{name}</name><value>{value}</value></property>" for name, value in settings.items()]
    file.write_text("\n".join(["<configuration>", *rows, "</configuration>"]))


def is_written(file: Path) -> bool:
    """Whether it is there, and whole."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return bool(json.loads(file.read_text()))
    return False
