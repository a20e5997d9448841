"""A real Elasticsearch for tests, made of Maven artefacts: the bare build that Elastic's own integration tests use.

The bare build has no language analyzers. `indonesian` comes from a stand-in plugin, IndonesianAnalyzerFactory.java,
which returns Lucene's own analyzer of that name, as the full server does.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from lumbung.core.locks import locked
from lumbung.local import processes

VERSION = "8.19.21"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
PLUGIN = Path(__file__).with_name("IndonesianAnalyzerFactory.java")
START_SECONDS = 180
# The server refuses to run as root.
NOBODY = 65534
USERNAME, PASSWORD = "lumbung-test", "s3cr@t:of/tests"
SETTINGS = {
    "discovery.type": "single-node",
    "network.host": "127.0.0.1",
    "transport.port": "0",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "xpack.security.enabled": "true",
    "xpack.security.http.ssl.enabled": "false",
    "xpack.security.transport.ssl.enabled": "false",
}


@dataclass(frozen=True)
class Server:
    """Where the server is, and who may do everything there."""

    url: str
    username: str = USERNAME
    password: str = PASSWORD


class MissingError(Exception):
    """The server cannot be had here; the message is what is missing."""


@contextlib.contextmanager
def running(shared: Path) -> Iterator[Server]:
    """The running server of all test processes that give the same folder; the last one to leave stops it."""
    state = shared / "elasticsearch.json"
    with locked(shared / "elasticsearch.lock", fcntl.LOCK_SH) as users:
        with locked(shared / "elasticsearch.gate.lock", fcntl.LOCK_EX):
            if not state.exists():
                _start(state)
        yield Server(processes.read_json(state)["url"])
        with locked(shared / "elasticsearch.gate.lock", fcntl.LOCK_EX), contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = processes.read_json(state)
            _stop(processes.Process.from_dict(content), Path(content["home"]))
            state.unlink()


def _start(state: Path) -> None:
    if not all(map(shutil.which, ("java", "javac", "jar", "mvn"))):
        raise MissingError("Java and Maven")
    # Not under pytest's folder, which it closes to other users.
    home = Path(tempfile.mkdtemp(prefix="lumbung-elasticsearch-"))
    home.chmod(0o755)
    command = ["mvn", "-B", "-q", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={home}"]
    if subprocess.run(command, cwd=home).returncode:
        shutil.rmtree(home)
        raise MissingError(f"{ARTIFACT}, from Maven Central")
    with zipfile.ZipFile(home / f"elasticsearch-{VERSION}.zip") as archive:
        archive.extractall(home)
    (home / f"elasticsearch-{VERSION}.zip").unlink()
    server = home / f"elasticsearch-{VERSION}"
    for program in server.glob("bin/*"):
        program.chmod(0o755)
    _build_plugin(server)
    url = f"http://127.0.0.1:{processes.free_port()}"
    settings = {**SETTINGS, "http.port": url.rpartition(":")[2]}
    (server / "config/elasticsearch.yml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
    (server / "config/users").write_text(f"{USERNAME}:{_hash(PASSWORD)}\n")
    (server / "config/users_roles").write_text(f"superuser:{USERNAME}\n")
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for path in (home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    log = home / "output.log"
    java = Path(shutil.which("java") or "").resolve().parents[1]
    options = "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [server / "bin/elasticsearch"],
            cwd=home,
            env={"PATH": os.environ["PATH"], "ES_JAVA_HOME": str(java), "ES_JAVA_OPTS": options},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **as_user,
        )
    leader = processes.Process.of(process.pid)
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            text = log.read_text(errors="replace")
            _stop(leader, home)
            raise RuntimeError(f"Elasticsearch did not start:\n{text[-5000:]}")
        time.sleep(0.2)
    processes.write_json(state, {"url": url, "home": str(home), **leader.to_dict()})


def _stop(leader: processes.Process | None, home: Path) -> None:
    if leader:
        processes.end_sessions([leader], grace=0)
    shutil.rmtree(home)


def _answers(url: str) -> bool:
    try:
        answer = requests.get(
            f"{url}/_cluster/health", {"wait_for_status": "yellow"}, auth=(USERNAME, PASSWORD), timeout=10
        )
    except requests.RequestException:
        return False
    return answer.ok


def _build_plugin(server: Path) -> None:
    plugin, classes = server / "plugins/indonesian", server.with_name("classes")
    plugin.mkdir(parents=True)
    subprocess.run(["javac", "-d", classes, "-cp", f"{server}/lib/*", PLUGIN], check=True)
    subprocess.run(["jar", "cf", plugin / "indonesian.jar", "-C", classes, "."], check=True)
    descriptor = {
        "name": "indonesian",
        "description": "Stand-in for the language analyzer that the full server has",
        "version": "1",
        "elasticsearch.version": VERSION,
        "java.version": "17",
    }
    (plugin / "stable-plugin-descriptor.properties").write_text("".join(f"{k}={v}\n" for k, v in descriptor.items()))
    (plugin / "named_components.json").write_text(
        json.dumps(
            {"org.elasticsearch.plugin.analysis.AnalyzerFactory": {"indonesian": f"lumbung.tests.{PLUGIN.stem}"}}
        )
    )


def _hash(password: str) -> str:
    salt = os.urandom(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1000, 32)
    return f"{{PBKDF2}}1000${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
