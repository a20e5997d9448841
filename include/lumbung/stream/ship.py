"""Spool files to Kafka, each line exactly once for a `read_committed` reader, whatever is killed and run again.

A file's lines and the record that it is done, whose key is the file's sha256, are one transaction. Which files are done
is read after the transactional id was claimed: from then on no older shipper can commit, and what it had committed is
visible. Only then is a file moved, and a file that is done already is moved only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lumbung.core.errors import LumbungError
from lumbung.core.locks import locked
from lumbung.core.settings import Settings
from lumbung.storage.lake import sha256
from lumbung.stream import envelope
from lumbung.stream.collect import ERROR, FINISHED, INCOMING, MAX_TWEET_BYTES
from lumbung.stream.feed import RefusedError, UnreadableError
from lumbung.stream.items import sync
from lumbung.stream.kafka import WAIT_SECONDS, Cluster

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer

LOOK_SECONDS = 5.0
# What a broker allows by default. A killed shipper that is not run again holds up readers for so long.
TRANSACTION_SECONDS = 900
QUEUE_BYTES = 64 << 20  # of lines that are not sent yet


@dataclass(frozen=True)
class Shipped:
    """What was shipped.

    Attributes:
        files: files whose lines were sent.
        known: files that had been sent before and were only moved.
        lines: tweets in Kafka now.
        bad: lines that are not tweets, each in Kafka too with its reason.
    """

    files: int = 0
    known: int = 0
    lines: int = 0
    bad: int = 0

    def __add__(self, other: Shipped) -> Shipped:
        return Shipped(
            self.files + other.files, self.known + other.known, self.lines + other.lines, self.bad + other.bad
        )


def ship(settings: Settings, *, forever: bool = False) -> Shipped:
    """Send every file of the spool's `incoming` to the topic of tweets, and move it to `finished`.

    A line that is not a tweet does not stop its file: with its number and reason it is sent as a refused line, which
    the lake keeps as a reject, and goes to `error` as it came. What was refused before is sent as it is.

    Args:
        settings: which spool and which Kafka.
        forever: look for files every 5 seconds until the process is ended; nothing has to be saved then.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: Kafka refuses, another shipper has taken over, or the spool cannot be used. What was not shipped
            is still in the spool.
    """
    cluster = Cluster(settings)
    cluster.ensure_topics()
    shipped = Shipped()
    with contextlib.closing(_Done(cluster)) as done:
        while True:
            try:
                shipped += _ship_all(cluster, done)
            except OSError as error:
                raise LumbungError(
                    f"the spool cannot be used: {error.strerror}",
                    where=str(error.filename or settings.spool),
                    remedy="make room or fix it, then ship again",
                ) from error
            if not forever:
                return shipped
            time.sleep(LOOK_SECONDS)


def _ship_all(cluster: Cluster, done: _Done) -> Shipped:
    from confluent_kafka import Producer

    spool = cluster.settings.spool
    shipped = Shipped()
    for folder in (INCOMING, FINISHED, ERROR):
        (spool / folder).mkdir(parents=True, exist_ok=True)
    # Shippers of one machine take turns; elsewhere the transactional id lets the youngest go on.
    with locked(spool / "ship.lock", fcntl.LOCK_EX):
        files = sorted((spool / INCOMING).glob("*.jsonl"))
        if not files:
            return shipped
        config = cluster.config(
            transactional_id=f"lumbung-ship-{cluster.name}",
            transaction_timeout_ms=TRANSACTION_SECONDS * 1000,
            queue_buffering_max_kbytes=QUEUE_BYTES >> 10,
            message_timeout_ms=int(2000 * WAIT_SECONDS),
            message_max_bytes=MAX_TWEET_BYTES + 10_000,
            compression_type="zstd",
            linger_ms=50,
        )
        with _errors(cluster):
            producer = Producer(config)
            producer.init_transactions(WAIT_SECONDS)
            done.read()
            for file in files:
                digest = sha256(file)
                if digest in done.files:
                    shipped += Shipped(known=1)
                else:
                    shipped += _send(cluster, producer, file, digest)
                    done.files.add(digest)
                _finish(file, spool / FINISHED, digest)
    return shipped


@contextlib.contextmanager
def _errors(cluster: Cluster) -> Iterator[None]:
    from confluent_kafka import KafkaError, KafkaException

    with cluster.errors("take tweets"):
        try:
            yield
        except KafkaException as error:
            if error.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED):
                raise LumbungError(
                    "another shipper has taken over",
                    where=cluster.name,
                    remedy="let one shipper work on a topic at a time; nothing is lost, and nothing was sent twice",
                ) from error
            raise


class _Done:
    """The files that are done, as far as the topic was read."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.files = cluster, set[str]()
        self._consumer: Consumer | None = None

    def read(self) -> None:
        """Read what came since the last time, to the end."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

        if self._consumer is None:
            config = self.cluster.config(
                group_id="lumbung-ship",  # the library wants one; nothing is committed
                enable_auto_commit=False,
                isolation_level="read_committed",
                enable_partition_eof=True,
                fetch_wait_max_ms=10,  # the end is reported after so long
                auto_offset_reset="earliest",  # compaction may have taken what stood at the beginning
            )
            self._consumer = Consumer(config)
            self._consumer.list_topics(self.cluster.done, WAIT_SECONDS)  # else it asks half a second later
            self._next = OFFSET_BEGINNING
        # Assigned again, so that the end is reported again.
        self._consumer.assign([TopicPartition(self.cluster.done, 0, self._next)])
        until = time.monotonic() + WAIT_SECONDS
        while True:
            record = self._consumer.poll(1.0)
            if record is None:
                if time.monotonic() > until:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{self.cluster.done} cannot be read"))
                continue
            until = time.monotonic() + WAIT_SECONDS
            if fault := record.error():
                if fault.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(fault)
                self._next = record.offset() or 0
                return
            if (key := record.key()) is not None:
                self.files.add(key.decode())

    def close(self) -> None:
        if self._consumer:
            self._consumer.close()


def _send(cluster: Cluster, producer: Producer, file: Path, digest: str) -> Shipped:
    """Send a file's lines and the record that it is done."""
    errors = cluster.settings.spool / ERROR / f"{file.stem}-{digest[:12]}.jsonl"
    lines = bad = 0
    producer.begin_transaction()
    try:
        with file.open("rb") as stream, _ErrorFile(errors) as kept:
            for number, (line, size) in enumerate(_lines(stream), 1):
                try:
                    key = _key(line, size)
                except RefusedError as error:
                    _produce(producer, cluster.name, str(error).encode(), line)
                    bad += 1
                except UnreadableError as error:
                    reason = str(error)
                    kept.add(file.name, number, reason, line)
                    refused = envelope.refuse(line, source="spool", file=file.name, line=number, reason=reason)
                    _produce(producer, cluster.name, file.name.encode(), refused)
                    bad += 1
                else:
                    _produce(producer, cluster.name, key, line)
                    lines += 1
        record = {"file": file.name, "lines": lines, "bad": bad}
        _produce(producer, cluster.done, digest.encode(), json.dumps(record).encode())
        _commit(producer)
    except BaseException:
        from confluent_kafka import KafkaException

        with contextlib.suppress(KafkaException):  # the next shipper's claim ends the transaction too
            producer.purge()
            producer.abort_transaction(WAIT_SECONDS)
        raise
    return Shipped(files=1, lines=lines, bad=bad)


def _key(line: bytes, size: int) -> bytes:
    if size > MAX_TWEET_BYTES:
        raise UnreadableError(f"a tweet of {size:,} bytes; a message may have {MAX_TWEET_BYTES:,}")
    return envelope.key(line)


def _produce(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value=value, key=key)
        except BufferError:  # the queue is full: wait for the broker; a message that cannot be sent ends that
            producer.poll(1.0)
        else:
            return


def _commit(producer: Producer) -> None:
    from confluent_kafka import KafkaException

    until = time.monotonic() + 2 * WAIT_SECONDS
    while True:
        try:
            producer.commit_transaction(WAIT_SECONDS)
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > until:
                raise
        else:
            return


def _lines(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Each line with its size; of one that is too long for a message only the beginning."""
    while line := stream.readline(MAX_TWEET_BYTES + 2):
        size, end = len(line), line
        while not end.endswith(b"\n") and (end := stream.readline(1 << 20)):
            size += len(end)
        text = line.rstrip(b"\r\n")
        yield text, len(text) if size == len(line) else size - end.endswith(b"\n")


class _ErrorFile:
    """Bad lines, in a file that is there when all of them are in it, and not at all if there are none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_suffix(".tmp")
        self._file: BinaryIO | None = None

    def add(self, name: str, number: int, reason: str, line: bytes) -> None:
        self._file = self._file or self.temporary.open("wb")
        # Bytes that are not UTF-8 stay what they were: lone surrogates stand for them.
        raw = line.decode("utf-8", "surrogateescape")
        self._file.write(json.dumps({"file": name, "line": number, "reason": reason, "raw": raw}).encode() + b"\n")

    def __enter__(self) -> _ErrorFile:
        return self

    def __exit__(self, failed: object, *_: Any) -> None:
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if not failed:
            self.temporary.replace(self.path)
            sync(self.path.parent)


def _finish(file: Path, folder: Path, digest: str) -> None:
    target = folder / file.name
    if target.exists() and sha256(target) != digest:
        target = folder / f"{file.stem}-{digest[:12]}.jsonl"  # another file had this name
    file.replace(target)
