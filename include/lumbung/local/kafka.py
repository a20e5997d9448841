"""A real Kafka broker on a laptop: fetched once by Maven, started by Java, found again by its pid file, stopped.

It is one node that is broker and controller, on 127.0.0.1 only, without a password.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from lumbung.core.errors import LumbungError
from lumbung.core.locks import locked
from lumbung.core.settings import ROOT, Settings
from lumbung.local import processes, sharing
from lumbung.local.server import Server
from lumbung.stream.kafka import KAFKA_REMEDY, QUIET

CONFIG = ROOT / "infra" / "kafka"
POM, LOGGING = CONFIG / "pom.xml", CONFIG / "log4j2.xml"
FETCH_SECONDS = 900
LOCK = "kafka"


class Kafka(Server):
    """The broker of one home folder.

    Args:
        home: the folder of all local state; the topics lie in `kafka` under it.
    """

    name = "the Kafka broker"
    start_remedy = KAFKA_REMEDY
    stop_seconds = 10.0

    def __init__(self, home: Path) -> None:
        super().__init__(home, "kafka")
        self.topics = self.data / "topics"

    @property
    def address(self) -> str:
        """What LUMBUNG_KAFKA would be set to."""
        return f"127.0.0.1:{processes.read_json(self.pid_file)['port']}"

    def launch(self) -> None:
        """Start the broker unless it runs; it may not answer yet.

        Raises:
            LumbungError: Java or Maven is missing, or what Maven should fetch cannot be had.
        """
        if self.process():
            return
        # The first compiler alone: it starts in half the time.
        java = [
            _java(),
            "-XX:TieredStopAtLevel=1",
            "-cp",
            f"{jars()}/*",
            f"-Dlog4j2.configurationFile={LOGGING.as_uri()}",
        ]
        previous = processes.read_json(self.pid_file)
        port = processes.free_port(previous.get("port", 0))
        controller = processes.free_port(previous.get("controller", 0))
        while controller == port:
            controller = processes.free_port()
        self.data.mkdir(parents=True, exist_ok=True)
        properties = self._write(self.properties(port, controller))
        if not self.topics.exists():
            self._format(java)
        self._launched = True
        command = [*java, "-Xmx256m", "-XX:+UseSerialGC", "kafka.Kafka", str(properties)]
        server = processes.start(command, env=os.environ, log=self.log)
        process = processes.Process.of(server.pid)
        processes.write_json(self.pid_file, {"port": port, "controller": controller, **process.to_dict()})

    def properties(self, port: int, controller: int) -> dict[str, str]:
        """The broker's configuration.

        Args:
            port: where clients reach it.
            controller: where it reaches itself.
        """
        one_replica = {
            f"{topic}.{setting}": "1"
            for topic in ("transaction.state.log", "share.coordinator.state.topic")
            for setting in ("replication.factor", "min.isr")
        }
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.listener.names": "CONTROLLER",
            # Not a dynamic quorum: that one keeps its address on disk, and the port may be another next time.
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.topics),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.num.partitions": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            **one_replica,
            "group.initial.rebalance.delay.ms": "0",
            # A killed consumer's partitions are free after 6 seconds, not 45.
            "group.consumer.min.session.timeout.ms": "6000",
            "group.consumer.session.timeout.ms": "6000",
            "group.consumer.min.heartbeat.interval.ms": "1000",
            "group.consumer.heartbeat.interval.ms": "1000",
            "log.cleaner.dedupe.buffer.size": str(8 << 20),
            # Not twice a second, as no other controller could lag behind this one.
            "metadata.max.idle.interval.ms": "10000",
        }

    def _write(self, properties: Mapping[str, str], name: str = "server.properties") -> Path:
        file = self.data / name
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        return file

    def _format(self, java: list[str]) -> None:
        with tempfile.TemporaryDirectory(prefix="format-", dir=self.data) as temporary:
            topics = Path(temporary, "topics")
            properties = self._write({**self.properties(1, 2), "log.dirs": str(topics)}, "format.properties")
            number = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            # With `=`: one id in 64 starts with a dash, which the tool would take for an option.
            command = [*java, "kafka.tools.StorageTool", "format", "-c", str(properties), f"--cluster-id={number}"]
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("w") as output:
                failed = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
                ).returncode
            if failed:
                raise processes.error_with_log("the Kafka broker's storage cannot be made", self.log, KAFKA_REMEDY)
            topics.rename(self.topics)  # a killed format leaves nothing under this name

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        host, port = self.address.split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=1):
                return bool(AdminClient({"bootstrap.servers": self.address, **QUIET}).list_topics(timeout=5).brokers)
        except (OSError, KafkaException):
            return False


@contextlib.contextmanager
def broker(settings: Settings) -> Iterator[str]:
    """Have a broker: the one that LUMBUNG_KAFKA names, else this home's own, which its last user stops.

    Yields:
        Its bootstrap servers, for `settings.replace(kafka=…)`.

    Raises:
        LumbungError: none is named, and Java or Maven is missing or the broker does not start.
    """
    if settings.kafka.servers:
        yield settings.kafka.servers
        return
    kafka = Kafka(settings.home)

    def start() -> None:
        kafka.launch()
        kafka.wait()

    with sharing.shared(settings.home, LOCK, start=start, stop=kafka.stop):
        yield kafka.address


def in_use(settings: Settings) -> bool:
    """Whether a command uses the broker of this home; one that a killed command left running is stopped."""
    return sharing.in_use(settings.home, LOCK, stop=Kafka(settings.home).stop)


def jars() -> Path:
    """The folder of the broker's jars, fetched by Maven when they are not there; all homes of a user share it.

    Raises:
        LumbungError: Maven is missing, or it cannot fetch them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lumbung"
    folder = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    with locked(cache / "kafka.lock", fcntl.LOCK_EX):
        if folder.exists():
            return folder
        maven = shutil.which("mvn")
        if not maven:
            raise LumbungError("there is no Kafka here, and no Maven to fetch one", where="kafka", remedy=KAFKA_REMEDY)
        with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache) as temporary:
            fetched = Path(temporary, "jars")
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"]
            _fetch([maven, "-B", "-q", "-f", str(POM), *goal])
            fetched.rename(folder)  # a killed fetch leaves nothing under this name
    return folder


def _fetch(command: list[str]) -> None:
    # Output in a file: Maven may leave a child behind that keeps a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        failed: object = None
        try:
            failed = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=FETCH_SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            failed = f"it took longer than {FETCH_SECONDS // 60} minutes"
        if failed:
            output.seek(0)
            message = "\n".join(output.read().strip().splitlines()[-8:]) or str(failed)
            raise LumbungError(
                f"Maven cannot fetch the Kafka broker\n{message}",
                where=str(POM),
                remedy=f"see to it that Maven has the network, and run the command again; or {KAFKA_REMEDY}",
            )


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home, "bin"))) if home else None
    if not (java := java or shutil.which("java")):
        raise LumbungError("there is no Kafka here, and no Java to run one", where="kafka", remedy=KAFKA_REMEDY)
    return java
