"""Spool files to Kafka, each line exactly once for a `read_committed` reader, whatever is killed and run again.

A file's lines and the record that it is done, whose key is the file's sha256, are one transaction, see `transactions`.
Only then is a file moved, and a file that is done already is moved only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lumbung.core.errors import LumbungError
from lumbung.core.locks import locked
from lumbung.core.settings import Settings
from lumbung.storage.lake import sha256
from lumbung.stream import envelope
from lumbung.stream.collect import ERROR, FINISHED, INCOMING, MAX_TWEET_BYTES
from lumbung.stream.feed import RefusedError, UnreadableError
from lumbung.stream.items import sync
from lumbung.stream.kafka import Cluster
from lumbung.stream.shipper import Shipper

LOOK_SECONDS = 5.0


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
    # A line is a tweet of at most so many bytes, a few more where it is refused. Its id's partition stays what it was.
    limit = MAX_TWEET_BYTES + 10_000
    with Shipper(cluster, limit=limit, partitioner="consistent_random", content="tweets") as shipper:
        while True:
            try:
                shipped += _ship_all(settings.spool, shipper)
            except OSError as error:
                raise LumbungError(
                    f"the spool cannot be used: {error.strerror}",
                    where=str(error.filename or settings.spool),
                    remedy="make room or fix it, then ship again",
                ) from error
            if not forever:
                return shipped
            time.sleep(LOOK_SECONDS)


def _ship_all(spool: Path, shipper: Shipper) -> Shipped:
    shipped = Shipped()
    for folder in (INCOMING, FINISHED, ERROR):
        (spool / folder).mkdir(parents=True, exist_ok=True)
    # Shippers of one machine take turns; elsewhere the transactional id lets the youngest go on.
    with locked(spool / "ship.lock", fcntl.LOCK_EX):
        files = sorted((spool / INCOMING).glob("*.jsonl"))
        if files:
            shipper.claim()
        for file in files:
            digest = sha256(file)
            if shipper.done(digest) is None:
                shipped += _send(spool, shipper, file, digest)
            else:
                shipped += Shipped(known=1)
            _finish(file, spool / FINISHED, digest)
    return shipped


def _send(spool: Path, shipper: Shipper, file: Path, digest: str) -> Shipped:
    """Send a file's lines and the record that it is done."""
    record: dict[str, Any] = {"file": file.name, "lines": 0, "bad": 0}
    bad_lines = spool / ERROR / f"{file.stem}-{digest[:12]}.jsonl"
    with contextlib.closing(_messages(file, bad_lines, record)) as messages:
        shipper.send(digest, messages, record)
    return Shipped(files=1, lines=record["lines"], bad=record["bad"])


def _messages(file: Path, bad_lines: Path, record: dict[str, Any]) -> Generator[tuple[bytes, bytes]]:
    """Key and value of each line; the record counts them."""
    with file.open("rb") as stream, _ErrorFile(bad_lines) as kept:
        for number, (line, size) in enumerate(_lines(stream), 1):
            try:
                key = _key(line, size)
            except RefusedError as error:
                yield str(error).encode(), line
                record["bad"] += 1
            except UnreadableError as error:
                reason = str(error)
                kept.add(file.name, number, reason, line)
                refused = envelope.refuse(line, source="spool", file=file.name, line=number, reason=reason)
                yield file.name.encode(), refused
                record["bad"] += 1
            else:
                yield key, line
                record["lines"] += 1


def _key(line: bytes, size: int) -> bytes:
    if size > MAX_TWEET_BYTES:
        raise UnreadableError(f"a tweet of {size:,} bytes; a message may have {MAX_TWEET_BYTES:,}")
    return envelope.key(line)


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
