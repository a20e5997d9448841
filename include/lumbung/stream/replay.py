"""Replays: a dataset's rows as messages of a topic, each exactly once, whatever is killed and run again.

The lake knows which dataset has which numbers (`seq`) of the stream. A dataset's document is made before anything is
sent and never changes, so the same file is the same replay, and another one goes on where the last one ends. How far a
replay has come in a topic is a record of the same transaction as the rows. A topic that was deleted and made again gets
the dataset from its beginning; its readers take each `seq` once.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow.parquet as pq

from lumbung.core.errors import LumbungError, SourceError
from lumbung.sources import Reject
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document
from lumbung.stream.dataset import Row
from lumbung.stream.kafka import Cluster
from lumbung.stream.landing import landings
from lumbung.stream.transactions import Done, claimed, errors, produce, transaction

if TYPE_CHECKING:
    from confluent_kafka import Producer

REPLAYS = "replays/activity"
TRUTHS = "truths/activity"
# Readers see rows when their transaction is over: after so many, or so long.
TRANSACTION_ROWS = 100_000
TRANSACTION_SECONDS = 2.0

_DOCUMENT = re.compile(r"^\d{6,}\.json$")

Messages = Callable[[Iterator[Row | Reject], int], Iterator[tuple[bytes, bytes]]]
"""Makes the key and value of each row's message, given the first row's `seq`."""


class Replay(Document):
    """A dataset's place in the stream.

    Attributes:
        number: of the replay, from 1.
        sha256: of the dataset's file; of file and contract, where one was given.
        name: the file's.
        first_seq: the first row's number in the stream.
        rows: how many rows the dataset has, those too that cannot be read.
        truth: path in the lake of what is known of a synthetic dataset; None: nothing.
        claimed_at: when it got its place.
    """

    number: int
    sha256: str
    name: str
    first_seq: int
    rows: int
    truth: str | None
    claimed_at: datetime

    @property
    def end(self) -> int:
        """The `seq` behind the last row's."""
        return self.first_seq + self.rows


class Rows(Protocol):
    """What is replayed: a `Dataset`, or one whose file is lost."""

    @property
    def file(self) -> Path:
        """The file, or what its name was."""

    @property
    def sha256(self) -> str:
        """Names it."""

    def rows(self) -> Iterator[Row | Reject]:
        """Its rows, in order."""

    def count(self, progress: Callable[[int, int], None] | None = None) -> int:
        """How many rows it has."""

    def is_changed(self) -> bool:
        """Whether it was changed since its checksum was made."""


class LostDataset:
    """A dataset whose file is gone: each of its rows is a refused one.

    Args:
        document: its place in the stream.
    """

    def __init__(self, document: Replay) -> None:
        self.file, self.sha256, self._rows = Path(document.name), document.sha256, document.rows

    def rows(self) -> Iterator[Row | Reject]:
        """A reject for each row."""
        reason = f"not sent: the replay of {self.file} was given up"
        return (Reject(line, "", reason) for line in range(1, self._rows + 1))

    def count(self, progress: Callable[[int, int], None] | None = None) -> int:  # noqa: ARG002 - it has been counted
        """How many rows the file had."""
        return self._rows

    def is_changed(self) -> bool:
        """It is gone."""
        return False


@dataclass(frozen=True)
class Replayed:
    """What was replayed.

    Attributes:
        number: of the replay.
        rows: all rows of the dataset.
        sent: rows that were sent now.
        known: rows that had been sent before.
    """

    number: int
    rows: int
    sent: int
    known: int


def replays(lake: Lake) -> list[Replay]:
    """All replays, by their numbers."""
    contents = (lake.read(f"{REPLAYS}/{name}") for name in lake.names(REPLAYS) if _DOCUMENT.match(name))
    documents = (Replay.model_validate_json(content) for content in contents if content)
    return sorted(documents, key=lambda document: document.number)


def end(lake: Lake) -> int:
    """The `seq` behind the last one that is taken."""
    return max((document.end for document in replays(lake)), default=0)


def replay(
    cluster: Cluster,
    lake: Lake,
    dataset: Rows,
    messages: Messages,
    *,
    landed: str,
    delay: tuple[float, float] = (0, 0),
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Replayed:
    """Send a dataset's rows to a topic, in the file's order; what the topic has of it is not sent again.

    Args:
        cluster: the Kafka and the topic, which is made if it is not there.
        lake: knows the replays.
        dataset: what to send.
        messages: makes the messages.
        landed: the lake's folder of the manifests of what was landed from the topic. What has all of a dataset that an
            earlier topic of this name had is sent no more.
        delay: the least and the longest pause before a row, in milliseconds.
        seed: of the pauses.
        progress: is given the file's name, its rows in the topic, and all its rows; before that, while the file is
            read for the first time, `reading <name>` and its lines.

    Raises:
        SourceError: the dataset cannot be read as a whole.
        KafkaUnavailableError: Kafka does not answer.
        LumbungError: Kafka refuses, another replay has taken over or is not finished, or the topic was recreated
            meanwhile. What was not sent is sent by the next one.
    """
    if not 0 <= delay[0] <= delay[1]:
        raise LumbungError(f"a delay of {delay[0]}..{delay[1]} ms", where="replay", remedy="give MIN..MAX from 0 up")
    report = progress or (lambda _name, _done, _total: None)
    lost = f"If the file is lost: {cluster.sender} --give-up"
    cluster.ensure_topics()
    with (
        contextlib.closing(Done(cluster)) as done,
        errors(cluster, cluster.name, "take a dataset's rows", "replay"),
    ):
        topic_id = cluster.topic().id

        def known_of(document: Replay) -> int:
            known = _sent(done.records.get(_key(document)), topic_id)
            return document.rows if not known and _is_landed(lake, landed, document, topic_id) else known

        done.read()
        if _document(documents := replays(lake), dataset.sha256) is None:
            _check_earlier(documents, known_of, lost)  # before the dataset gets a place that it could not fill
        document = claim(lake, dataset, report)
        known = known_of(document)
        if known < document.rows:
            _check_earlier([other for other in replays(lake) if other.number < document.number], known_of, lost)
            # Only now, as a claim ends what another replay has open.
            producer = claimed(cluster, f"lumbung-replay-{cluster.name}")
            done.read()
            known = known_of(document)
        report(document.name, known, document.rows)
        pauses = random.Random(seed)  # noqa: S311 - not for secrets
        for _ in range(known if delay[1] else 0):  # those of the rows before
            pauses.uniform(*delay)
        sent = known
        rows = messages(islice(dataset.rows(), known, None), document.first_seq + known)

        def pause() -> float:
            return pauses.uniform(*delay) / 1000 if delay[1] else 0

        waiting = pause()
        while sent < document.rows:
            time.sleep(waiting)
            with transaction(producer):
                count, waiting = _send(producer, cluster.name, islice(rows, document.rows - sent), pause)
                sent += count
                if not count or dataset.is_changed():
                    raise _changed(dataset)
                state = {"topic_id": topic_id, "sent": sent}
                produce(producer, cluster.done, _key(document).encode(), json.dumps(state).encode())
            report(document.name, sent, document.rows)
        if sent > known and cluster.topic().id != topic_id:
            raise LumbungError(
                "the topic was deleted and recreated while a dataset was replayed",
                where=cluster.name,
                remedy="replay it again; rows that are landed count once",
            )
    return Replayed(document.number, document.rows, sent - known, known)


def _key(document: Replay) -> str:
    return f"replay-{document.number}"


def _check_earlier(documents: list[Replay], known_of: Callable[[Replay], int], lost: str) -> None:
    """Refuse to go on behind a replay that is not finished: no batch behind its missing rows would ever close.

    Only the last one is looked at, as it was not begun before the one in front of it was finished.

    Args:
        documents: the replays in front.
        known_of: how many rows of one the topic has.
        lost: what to do where its file is lost.
    """
    if documents and (known := known_of(documents[-1])) < documents[-1].rows:
        last = documents[-1]
        raise LumbungError(
            f"the replay of {last.name} is not finished: {known:,} of {last.rows:,} rows are sent",
            where=f"{REPLAYS}/{last.number:06}.json",
            remedy=f"wait for it if it is running, or replay that file again (sha256 {last.sha256[:12]}…, with its"
            f" contract if it had one), which goes on where it stopped; then this one. {lost}",
        )


def _send(
    producer: Producer, topic: str, messages: Iterator[tuple[bytes, bytes]], pause: Callable[[], float]
) -> tuple[int, float]:
    """Send rows for one transaction: how many, and how many seconds to wait before the next one."""
    clock, send = time.monotonic, producer.produce
    until = clock() + TRANSACTION_SECONDS
    count, waiting = 0, 0.0
    for key, value in islice(messages, TRANSACTION_ROWS):
        try:
            send(topic, value, key)
        except BufferError:
            produce(producer, topic, key, value)  # waits
        count += 1
        waiting = pause()
        if clock() + waiting > until:
            return count, waiting
        if waiting:
            time.sleep(waiting)
    return count, 0.0


def _sent(record: bytes | None, topic_id: str) -> int:
    """How many rows of a replay the topic has; those in another topic of its name do not count."""
    state = json.loads(record) if record else {}
    return int(state["sent"]) if state.get("topic_id") == topic_id else 0


def _is_landed(lake: Lake, folder: str, document: Replay, topic_id: str) -> bool:
    """Whether the lake has all of a dataset's rows from topics that are gone."""
    files = [
        file
        for landing in landings(lake, folder)
        if landing.topic_id != topic_id
        for file in (*landing.files, landing.rejects)
        if file
    ]
    if sum(file.rows for file in files) < document.rows:
        return False
    is_there = np.zeros(document.rows, bool)
    for file in files:
        with lake.local(file.path) as path:
            column = pq.read_table(path, columns=["seq"], partitioning=None)["seq"].drop_null()
        places = column.to_numpy() - document.first_seq
        is_there[places[(places >= 0) & (places < document.rows)]] = True
    return bool(is_there.all())


def claim(lake: Lake, dataset: Rows, progress: Callable[[str, int, int], None] | None = None) -> Replay:
    """The dataset's place in the stream: the one that it has, or the next.

    Args:
        lake: knows the replays.
        dataset: is read to its end if it has no place.
        progress: see `replay`.

    Raises:
        SourceError: the dataset cannot be read as a whole.
    """
    digest = dataset.sha256  # before its rows are counted, so that a change meanwhile is noticed
    rows, truth = None, None
    while True:
        documents = replays(lake)
        if document := _document(documents, digest):
            return document
        if rows is None:
            rows = dataset.count(progress and partial(progress, f"reading {dataset.file.name}"))
            if not rows:
                raise SourceError("the dataset has no rows", where=str(dataset.file), remedy="export it again")
            if dataset.is_changed():
                raise _changed(dataset)
            truth = _keep_truth(lake, dataset)
        document = Replay(
            number=max((document.number for document in documents), default=0) + 1,
            sha256=digest,
            name=dataset.file.name,
            first_seq=max((document.end for document in documents), default=0),
            rows=rows,
            truth=truth,
            claimed_at=datetime.now(UTC),
        )
        # Where another replay was faster, this one comes after it.
        if lake.create(f"{REPLAYS}/{document.number:06}.json", document.model_dump_json(indent=2).encode()):
            return document


def _document(documents: list[Replay], digest: str) -> Replay | None:
    """The place of the dataset that has this checksum."""
    return next((document for document in documents if document.sha256 == digest), None)


def _changed(dataset: Rows) -> SourceError:
    return SourceError(
        "the file was changed while it was replayed",
        where=str(dataset.file),
        remedy="put it back as it was when its replay began, and replay it again",
    )


def _keep_truth(lake: Lake, dataset: Rows) -> str | None:
    """Keep in the lake what lies beside a synthetic dataset."""
    file = dataset.file.with_name(f"{dataset.file.name}.truth.npz")
    if not file.is_file():
        return None
    path = f"{TRUTHS}/{dataset.sha256[:12]}{''.join(Path(file.name).suffixes[-2:])}"
    lake.create(path, file.read_bytes())
    return path
