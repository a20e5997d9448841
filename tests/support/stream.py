"""A Kafka for tests, synthetic tweets to put in it, and what comes out again."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from lumbung.core.settings import Settings, variable
from lumbung.local import processes
from lumbung.local.kafka import Kafka
from lumbung.storage.lake import Lake, open_lake
from lumbung.stream import envelope
from lumbung.stream.feed import Feed
from lumbung.stream.kafka import Cluster
from lumbung.stream.land import Landed, land
from lumbung.stream.landing import LandedFile, Landing, landings
from lumbung.stream.ship import ship
from lumbung.systems.cilvest.feed import LANDED, feed

USER, PASSWORD = "lumbung", "s3cret-of-tests"
NOON = datetime(2026, 11, 25, 5, tzinfo=UTC)  # in Jakarta


class Broker(Kafka):
    """A broker that also has listeners with a password, one of them with TLS, and gives up killed consumers soon."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.store, self.ca = home / "server.p12", home / "ca.pem"
        self.safe_port, self.login_port = processes.free_port(), processes.free_port()
        home.mkdir(parents=True, exist_ok=True)
        if not self.store.exists():
            store = ["-keystore", str(self.store), "-storepass", PASSWORD, "-alias", "server"]
            made = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1"]
            for arguments in (made, ["-exportcert", "-rfc", "-file", str(self.ca)]):
                subprocess.run(["keytool", *arguments, *store], check=True, capture_output=True)

    def properties(self, port: int, controller: int) -> dict[str, str]:
        usual = super().properties(port, controller)
        secured = f",SAFE://127.0.0.1:{self.safe_port},LOGIN://127.0.0.1:{self.login_port}"
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return {
            **usual,
            "listeners": usual["listeners"] + secured,
            "advertised.listeners": usual["advertised.listeners"] + secured,
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": usual["listener.security.protocol.map"]
            + ",SAFE:SASL_SSL,LOGIN:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.safe.plain.sasl.jaas.config": f'{login} user_{USER}="{PASSWORD}";',
            "listener.name.login.plain.sasl.jaas.config": f'{login} user_{USER}="{PASSWORD}";',
            "listener.name.safe.ssl.keystore.location": str(self.store),
            "listener.name.safe.ssl.keystore.password": PASSWORD,
            "listener.name.safe.ssl.keystore.type": "PKCS12",
            "group.consumer.min.session.timeout.ms": "2000",
            "group.consumer.session.timeout.ms": "2000",
            "group.consumer.min.heartbeat.interval.ms": "300",
            "group.consumer.heartbeat.interval.ms": "300",
            # Deleted offsets are gone soon, so that a test sees it. Not 0: with it a broker looks for files to delete a
            # thousand times a second, which takes 3 % of a core until the session ends.
            "log.segment.delete.delay.ms": "100",
        }

    def start(self) -> None:
        self.launch()
        self.wait()

    def kill(self) -> None:
        """Kill it, and wait until its place is free for the next one."""
        port = int(self.address.partition(":")[2])
        os.killpg(self.process().pid, signal.SIGKILL)
        while self.process() or not processes.is_free(port):
            time.sleep(0.01)


def has_java_and_maven() -> bool:
    return all(shutil.which(program) for program in ("java", "mvn"))


@contextlib.contextmanager
def running(home: Path) -> Iterator[Broker]:
    broker = Broker(home)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


class Stream:
    """A spool, a topic and a lake of one test."""

    def __init__(self, broker: Broker, home: Path) -> None:
        self.broker = broker
        self.settings = Settings.of(home=home, kafka=broker.address, kafka_topic=f"t{uuid.uuid4().hex}")
        self.lake = open_lake(self.settings)
        self.topic = self.settings.kafka.topic

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.settings)

    @property
    def feed(self) -> Feed:
        return feed(self.settings)

    def land(self, lake: Lake | None = None, **options: object) -> Landed:
        """Land into the lake of the test, or into it as another one sees it."""
        return land(self.settings, lake or self.lake, self.feed, **options)

    def ship(self, name: str, *lines: bytes) -> list[bytes]:
        """Ship a spool file of these lines."""
        self.spool(name, *lines)
        ship(self.settings)
        return list(lines)

    def checksums(self) -> set[str]:
        """Checksums of the envelopes in the lake, each of which must be there once."""
        counts = Counter(row["sha256"] for row in self.landed())
        assert all(times == 1 for times in counts.values())
        return set(counts)

    def landings(self) -> list[Landing]:
        return list(landings(self.lake, LANDED))

    @functools.cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.broker.address})

    def spool(self, name: str, *lines: bytes) -> Path:
        folder = self.settings.spool / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.jsonl"
        file.write_bytes(b"".join(line + b"\n" for line in lines))
        return file

    def names(self, folder: str) -> list[str]:
        return sorted(file.name for file in (self.settings.spool / folder).glob("*.jsonl"))

    def produce(self, *values: bytes | None, partition: int = 0, **config: object) -> None:
        """Put messages into a partition as they are, without a transaction."""
        producer = Producer({"bootstrap.servers": self.broker.address, **config})
        for value in values:
            producer.produce(self.topic, value=value, partition=partition)
        assert producer.flush(60) == 0

    def transaction(self, *values: bytes, partition: int = 0) -> Producer:
        """A transaction that is open and has its messages in the partition."""
        producer = Producer({"bootstrap.servers": self.broker.address, "transactional.id": uuid.uuid4().hex})
        producer.init_transactions(60)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.topic, value=value, partition=partition)
        producer.flush(60)
        return producer

    def read(self, topic: str = "", isolation: str = "read_committed") -> list:
        """All messages of a topic, the tweets' by default."""
        topic = topic or self.topic
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.address,
                "group.id": "reader",
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "enable.auto.commit": False,
            }
        )
        partitions = consumer.list_topics(topic, 30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        messages, ends = [], 0
        while ends < len(partitions):
            message = consumer.poll(30)
            assert message is not None
            if message.error():
                assert message.error().code() == KafkaError._PARTITION_EOF
                ends += 1
            else:
                messages.append(message)
        consumer.close()
        return messages

    def done(self) -> dict[str, dict]:
        return {message.key().decode(): json.loads(message.value()) for message in self.read(f"{self.topic}.done")}

    def landed(self) -> list[dict]:
        """The rows of all files that manifests name; the manifests and the files must agree."""
        rows = []
        ends: dict[tuple[str, int], int] = {}
        for landing in self.landings():
            assert re.fullmatch(r"[A-Za-z0-9_-]{22}", landing.topic_id)
            place = landing.topic_id, landing.partition
            assert landing.start_offset == ends.get(place, 0)
            ends[place] = landing.next_offset
            assert landing.rows_read == landing.rows_kept + landing.rows_rejected
            assert landing.rows_kept == sum(file.rows for file in landing.files)
            assert landing.rows_rejected == (landing.rejects.rows if landing.rejects else 0)
            for file in landing.files:
                content = self._rows(file)
                assert file.path.startswith(f"raw/cilvest/tweet/dt={file.day}/")
                assert {jakarta(row["created_at"]) for row in content} == {file.day}
                rows += content
        return rows

    def rejected(self) -> list[dict]:
        return [row for manifest in self.landings() if manifest.rejects for row in self._rows(manifest.rejects)]

    def _rows(self, file: LandedFile) -> list[dict]:
        with self.lake.local(file.path) as path:
            rows = pq.read_table(path, partitioning=None).to_pylist()
            assert (file.rows, file.bytes) == (len(rows), path.stat().st_size)
            return rows

    def unnamed(self) -> set[str]:
        """Data files that no manifest names."""
        named = {
            file.path
            for manifest in self.landings()
            for file in [*manifest.files, *([manifest.rejects] if manifest.rejects else [])]
        }
        return {file.path for file in self.lake.files("raw")} - named


def checksums(lines: Iterable[bytes]) -> set[str]:
    """Checksums of envelopes, as the lake has them."""
    return {envelope.row(line)["sha256"] for line in lines}


def jakarta(at: datetime):
    return (at + timedelta(hours=7)).date()


def tweet(number: int, *, days: int = 0, size: int = 0, text: str = "saham sedang naik") -> bytes:
    """The envelope of a synthetic tweet.

    Args:
        number: its id is made of it.
        days: how many days after the 25th of November 2026 it was made.
        size: bytes of padding.
        text: what it says.
    """
    made = NOON + timedelta(days=days)
    body = {
        "id": str(10**18 + number),
        "created_at": made.isoformat().replace("+00:00", "Z"),
        "text": text,
        "lang": "in",
        "author": {"username": f"user{number % 7}"},
        "padding": "".join(chr(97 + (number * i * i + i) % 26) for i in range(size)),
    }
    return envelope.wrap(json.dumps(body), source="synthetic", collected_at=NOON)


# Shippers, landers and what makes batches, in processes of their own, one for each line of input. Each kills itself
# right before its n-th step, which is a call that others can see, or right after it. Forking from here spares each the
# imports.
WORKERS = """
import itertools, json, os, signal, sys, traceback
import confluent_kafka, duckdb, pyarrow.parquet
from lumbung.pipeline import extract
from lumbung.core import settings
from lumbung.storage.lake import open_lake
from lumbung.stream import land, ship
from lumbung.systems.cilvest.feed import feed
from lumbung.systems.stream_models import batches, by
from lumbung.systems.stream_models import feed as activity

def deadly(call, every=1):
    seen = itertools.count(1)
    def called(*args, **kwargs):
        number = next(calls) if next(seen) % every == 0 else 0
        if number == step and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*args, **kwargs)
        if number == step and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return called

class Producer(confluent_kafka.Producer):
    def __init__(self, config):
        super().__init__(config)
        self.produce = deadly(super().produce, every)
    init_transactions = deadly(confluent_kafka.Producer.init_transactions)
    commit_transaction = deadly(confluent_kafka.Producer.commit_transaction)
    flush = deadly(confluent_kafka.Producer.flush)

confluent_kafka.Producer = Producer
os.replace, os.link = deadly(os.replace), deadly(os.link)
for line in sys.stdin:
    environ, work, moment, step, every, options = json.loads(line)
    calls = itertools.count(1)
    if not (child := os.fork()):
        try:
            loaded = settings.load(environ)
            if work == "ship":
                ship.ship(loaded, **options)
            elif work == "batch":
                batches.make_batches(open_lake(loaded), by.By.parse(options["by"]))
            else:
                given = activity.feed(loaded) if work == "land activity" else feed(loaded)
                land.land(loaded, open_lake(loaded), given, **options)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Workers:
    """Runs shippers, landers and what makes batches, which are killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", WORKERS]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(
        self, tweets: Stream, work: str, *, moment: str = "", step: int = 0, every: int = 1, **options: object
    ) -> None:
        """Start one; `every` so many messages produced are a step."""
        names = ("home", "kafka", "kafka_topic", "activity_topic")
        environ = {variable(name): f"{value}" for name in names if (value := tweets.settings.value(name))}
        print(json.dumps([environ, work, moment, step, every, options]), file=self.process.stdin, flush=True)
        self.started = int(self.process.stdout.readline())

    def kill(self) -> None:
        """Kill the one that was started, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.started, signal.SIGKILL)

    def wait(self) -> bool:
        """Wait for its end; whether it was killed."""
        code = int(self.process.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def run(self, tweets: Stream, work: str, **options: object) -> bool:
        """Run one; whether it was killed."""
        self.start(tweets, work, **options)
        return self.wait()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
