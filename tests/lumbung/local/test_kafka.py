"""The broker that a laptop starts: shared, found again, stopped with its last user."""

import base64
import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.local import kafka as local_kafka
from lumbung.local.kafka import Kafka, broker, in_use
from lumbung.stream.kafka import Cluster
from support import listening, stream

HOLD = """
import sys, time
from pathlib import Path
from lumbung.local.kafka import broker
from lumbung.core.settings import Settings
with broker(Settings.of(home=Path(sys.argv[1]))) as servers:
    print(servers, flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def settings(missing, tmp_path_factory):
    """A home with a space in its path; its broker is stopped at the end."""
    if not stream.has_java_and_maven():
        missing("Java and Maven")
    settings = Settings.of(home=tmp_path_factory.mktemp("a home"))
    yield settings
    Kafka(settings.home).stop()


def test_broker_and_controller_listen_on_loopback_only(settings):
    with broker(settings) as servers:
        kafka = Kafka(settings.home)
        addresses = listening.addresses([psutil.Process(kafka.process().pid)])
        assert int(servers.rpartition(":")[2]) in {port for _, port in addresses}
        assert len(addresses) >= 2, "the controller's, too"
        assert not listening.reachable(addresses)


def topic(settings, servers):
    cluster = Cluster(settings.replace(kafka=servers))
    cluster.ensure_topics()
    return cluster.topic()


def test_it_is_shared_and_found_after_a_kill_and_stopped_with_its_last_user(settings):
    command = [sys.executable, "-c", HOLD, str(settings.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        first = other.stdout.readline().strip()
        started = Kafka(settings.home).process()
        assert started
        with broker(settings) as servers:
            assert servers == first
            assert in_use(settings)
        assert started.is_alive  # the other one uses it
        topic_id = topic(settings, first)
        other.kill()
    assert started.is_alive
    with broker(settings) as servers:
        assert (servers, Kafka(settings.home).process()) == (first, started)
        assert topic(settings, servers) == topic_id
    assert not started.is_alive

    # The next time, its port being taken, it has another one and all that was in it.
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(socket.create_server(("127.0.0.1", int(first.partition(":")[2]))))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:  # another program of this machine has it by now: just as well
                raise
        servers = stack.enter_context(broker(settings))
        assert servers != first
        assert topic(settings, servers) == topic_id
        killed = Kafka(settings.home).process()
        os.killpg(killed.pid, signal.SIGKILL)
    assert not in_use(settings)
    assert not Kafka(settings.home).process()


def test_it_listens_to_this_machine_only(kafka):
    sockets = psutil.Process(kafka.process().pid).net_connections()
    addresses = [socket.laddr.ip for socket in sockets if socket.status == "LISTEN"]
    assert addresses
    assert {ip.removeprefix("::ffff:") for ip in addresses} == {"127.0.0.1"}


def test_a_kafka_that_is_named_is_used(tmp_path):
    with broker(Settings.of(home=tmp_path, kafka="kafka.example.com:9092")) as servers:
        assert servers == "kafka.example.com:9092"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("programs", "message"), [([], "no Java"), (["java"], "no Maven")])
def test_without_java_or_maven_the_error_names_the_ways_to_get_a_broker(tmp_path, monkeypatch, programs, message):
    for name in programs:
        program(tmp_path / name, "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(LumbungError, match=message) as error, broker(Settings.of(home=tmp_path / "home")):
        pass
    for way in ("LUMBUNG_KAFKA", "Java 17", "Maven", "docker compose up -d kafka"):
        assert way in str(error.value)


def test_a_maven_without_network_leaves_nothing_and_says_what_it_said(tmp_path, monkeypatch):
    """A stand-in for Maven, since this machine's has the network."""
    program(tmp_path / "java", "exit 1")
    program(tmp_path / "mvn", 'mkdir -p "${7#*=}"; echo half > "${7#*=}/half.jar"; echo "Unknown host"; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(LumbungError, match=r"Maven cannot fetch the Kafka broker\nUnknown host"):
        local_kafka.jars()
    assert [path.name for path in (tmp_path / "cache" / "lumbung").iterdir()] == ["kafka.lock"]


def test_a_broker_that_does_not_start_shows_its_log(tmp_path, monkeypatch):
    program(tmp_path / "java", 'case "$*" in *StorageTool*) exit 0;; esac; echo "Java is too old" >&2; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    home = tmp_path / "home"
    (home / "kafka" / "topics").mkdir(parents=True)
    monkeypatch.setattr(local_kafka, "jars", lambda: tmp_path)
    with pytest.raises(LumbungError, match="Java is too old"), broker(Settings.of(home=home)):
        pass


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_cluster_id_that_starts_with_a_dash_is_taken(tmp_path, monkeypatch, missing):
    """One random id in 64 does, and Kafka's own tool would take it for an option."""
    if not stream.has_java_and_maven():
        missing("Java and Maven")
    number = uuid.UUID(bytes=b"\xf8" + bytes(15))
    assert base64.urlsafe_b64encode(number.bytes).startswith(b"-")
    with monkeypatch.context() as patch:
        patch.setattr(local_kafka.uuid, "uuid4", lambda: number)
        kafka = Kafka(tmp_path / "home")
        kafka.launch()
    kafka.stop()
    assert "cluster.id=-" in (kafka.topics / "meta.properties").read_text()
