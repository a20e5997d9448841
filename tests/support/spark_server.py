"""A JVM Spark Connect server from .venv-spark, as Compose runs one; it has neither this project nor py3langid."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from lumbung.local import processes

ENVIRONMENT = Path(__file__).parents[2] / ".venv-spark"
# The first compiler alone: a JVM that lives for minutes spends half its time in the second one.
QUICK = ("--driver-java-options", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


def home() -> Path:
    """Spark's own folder: jars, spark-submit."""
    (pyspark,) = ENVIRONMENT.glob("lib/python3*/site-packages/pyspark")
    return pyspark


def environ() -> dict[str, str]:
    names = ("PATH", "HOME", "JAVA_HOME", "TMPDIR")
    # OPENBLAS_…: the kernels that its workers calculate by; others give other last digits than this process.
    kept = {name: value for name, value in os.environ.items() if name in names or name.startswith("OPENBLAS_")}
    return {
        **kept,
        "SPARK_HOME": str(home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(ENVIRONMENT / "bin/python"),
        "PYSPARK_DRIVER_PYTHON": str(ENVIRONMENT / "bin/python"),
    }


def submit(*options: str, memory: str = "768m") -> list[str]:
    """The spark-submit command of a small local Spark, whose heap is that large."""
    settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.sql.shuffle.partitions": "2"}
    spelled = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    return [
        str(home() / "bin/spark-submit"),
        "--master",
        "local[2]",
        "--driver-memory",
        memory,
        *QUICK,
        *spelled,
        *options,
    ]


def missing() -> str | None:
    """What a JVM Spark wants here, if anything."""
    if not shutil.which("java") and "JAVA_HOME" not in os.environ:
        return "Java"
    return None if ENVIRONMENT.exists() else ".venv-spark (infra/install.sh dev makes it where Java is)"


@contextlib.contextmanager
def running(folder: Path, **options: str) -> Iterator[str]:
    """Start a server, with the options of `submit`; gives its sc:// address. It ends with this."""
    port, log = processes.free_port(), folder / "spark.log"
    command = submit(
        *("--conf", "spark.connect.grpc.binding.address=127.0.0.1"),
        *("--conf", f"spark.connect.grpc.binding.port={port}"),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"),
        **options,
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environ(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 180
        while processes.is_free(port):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield f"sc://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
