"""Datasets to Kafka: each row once and in order, whatever is killed, and each dataset at its place in the stream."""

import contextlib
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from lumbung.core.errors import LumbungError, SourceError
from lumbung.core.settings import Settings
from lumbung.storage.lake import open_lake, sha256
from lumbung.stream import landing, replay
from lumbung.stream.dataset import Dataset
from lumbung.stream.kafka import ACTIVITY, Cluster
from lumbung.stream.landing import LandedFile, Landing
from lumbung.stream.replay import Replayed, claim, end, replays
from lumbung.systems.stream_models.activity import COLUMNS, LANDED
from support.replays import NOON, Replays, Workers, dataset


@pytest.fixture
def stream(kafka, tmp_path):
    return Replays(kafka, tmp_path / "home")


@pytest.fixture(scope="module")
def replayers():
    with contextlib.closing(Workers()) as started:
        yield started


def check(stream, rows):
    """Each row is there once, its number its position."""
    sent = stream.rows()
    assert [row["seq"] for row in sent] == list(range(rows))
    assert [row["minutes"] for row in sent] == list(range(rows))


def test_rows_are_messages_in_order(stream, tmp_path):
    file = dataset(tmp_path / "a.ndjson", 100)
    (tmp_path / "a.ndjson.truth.npz").write_bytes(b"truth")
    calls = []
    before = datetime.now(UTC)
    assert stream.replay(file, progress=lambda *call: calls.append(call)) == Replayed(1, rows=100, sent=100, known=0)
    check(stream, 100)
    messages = stream.read()
    assert {message.partition() for message in messages} == {0, 1, 2}
    for message in messages:
        row = json.loads(message.value())
        assert message.key().decode() == row["student_id"]
        kind, at = message.timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        assert before.timestamp() * 1000 - 1 <= at <= time.time() * 1000
    assert calls == [("a.ndjson", 0, 100), ("a.ndjson", 100, 100)]
    (document,) = replays(stream.lake)
    assert (document.number, document.name, document.first_seq, document.rows) == (1, "a.ndjson", 0, 100)
    assert document.sha256 == sha256(file)
    assert stream.lake.read(document.truth) == b"truth"
    assert stream.done() == {"replay-1": {"topic_id": stream.topic_id(), "sent": 100}}


def test_the_same_file_sends_nothing_and_another_goes_on(stream, tmp_path):
    stream.replay(dataset(tmp_path / "a.ndjson", 60))
    again = dataset(tmp_path / "renamed.ndjson", 60)
    assert stream.replay(again) == Replayed(1, rows=60, sent=0, known=60)
    assert stream.replay(dataset(tmp_path / "b.ndjson", 40, start=60)) == Replayed(2, rows=40, sent=40, known=0)
    assert stream.replay(again) == Replayed(1, rows=60, sent=0, known=60)
    check(stream, 100)
    assert [(document.first_seq, document.rows) for document in replays(stream.lake)] == [(0, 60), (60, 40)]
    assert end(stream.lake) == 100


def test_a_contract_makes_it_another_dataset(stream, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("student_id,course_id,event_at,other\na,b,2026-09-01T12:00:00Z,2026-09-02T12:00:00Z\n")
    contract = tmp_path / "contract.yaml"
    contract.write_text("columns:\n  - {name: event_at, from: other}\n")
    assert stream.replay(file).number == 1
    assert stream.replay(file, contract).number == 2
    assert stream.replay(file).sent == stream.replay(file, contract).sent == 0
    assert [row["event_at"][:10] for row in stream.rows()] == ["2026-09-01", "2026-09-02"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_step(stream, tmp_path, replayers, moment):
    """A run for each step of it, killed there; each goes on from what the one before it committed."""
    file = dataset(tmp_path / "a.ndjson", 600)
    step = kills = 0
    while replayers.run(stream, file, moment=moment, step=(step := step + 1)):
        kills += 1
        if step == 9:  # with each step it comes further
            break
    while replayers.run(stream, file, moment=moment, step=10):
        kills += 1
    assert kills >= 5
    assert stream.replay(file).sent == 0
    check(stream, 600)
    assert len(replays(stream.lake)) == 1


def test_killed_at_random_moments(stream, tmp_path, replayers):
    choice = random.Random(7)
    files = [dataset(tmp_path / f"{number}.ndjson", 3000, start=3000 * number) for number in range(2)]
    kills = 0
    for file in files:
        for _ in range(5):
            replayers.start(stream, file, transaction_rows=200, delay=(0, 0.5))
            time.sleep(choice.uniform(0.1, 0.7))
            replayers.kill()
            kills += replayers.wait()
        assert not replayers.run(stream, file)
    assert kills >= 6
    check(stream, 6000)
    assert end(stream.lake) == 6000


def test_a_topic_that_was_made_again_gets_all_of_it(stream, tmp_path):
    file = dataset(tmp_path / "a.ndjson", 50)
    stream.replay(file)
    stream.admin.delete_topics([stream.topic])[stream.topic].result()
    assert stream.replay(file) == Replayed(1, rows=50, sent=50, known=0)
    check(stream, 50)
    assert stream.replay(file).sent == 0


def land(stream, seqs, refused):
    """Landings of rows from a topic that is gone."""
    for partition, numbers in enumerate((seqs, refused)):
        path = f"raw/stream_models/activity/{partition}.parquet"
        local = stream.settings.home / "a.parquet"
        local.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"seq": pa.array([*numbers, None], pa.int64())}), local)
        stream.lake.put(local, path)
        file = LandedFile(path=path, rows=len(numbers) + 1, bytes=1, sha256="0" * 64, day=NOON.date())
        document = Landing(
            topic=stream.topic,
            topic_id="gone",
            partition=partition,
            start_offset=0,
            next_offset=100,
            rows_read=file.rows,
            rows_kept=0 if partition else file.rows,
            rows_rejected=file.rows if partition else 0,
            files=[] if partition else [file],
            rejects=file if partition else None,
            landed_at=NOON,
        )
        assert landing.create(stream.lake, LANDED, document)


@pytest.mark.parametrize(("refused", "sent"), [(range(30, 60), 0), (range(30, 59), 50)])
def test_what_the_lake_has_of_a_topic_that_is_gone_is_not_sent_again(stream, tmp_path, refused, sent):
    stream.replay(dataset(tmp_path / "first.ndjson", 10))
    file = dataset(tmp_path / "a.ndjson", 50, start=10)
    land(stream, range(30), refused)
    assert stream.replay(file) == Replayed(2, rows=50, sent=sent, known=50 - sent)
    assert len(stream.rows()) == 10 + sent


def test_rows_that_cannot_be_read_keep_their_place(stream, tmp_path):
    file = dataset(tmp_path / "a.ndjson", 4)
    lines = file.read_bytes().splitlines(keepends=True)
    bad = [b"no json\n", b"\n", b"[1]\n", b'{"device": "\xff"}\n']
    file.write_bytes(b"".join([lines[0], *bad, *lines[1:]]))
    assert stream.replay(file).sent == 7
    rows = stream.rows()
    assert [row["seq"] for row in rows] == list(range(7))
    assert [(row["line"], row["raw"]) for row in rows if "refused" in row] == [
        (2, "no json"),
        (4, "[1]"),
        (5, '{"device": "\\xff"}'),
    ]
    assert [row["minutes"] for row in rows if "refused" not in row] == [0, 1, 2, 3]
    assert {message.key() for message in stream.read()} >= {b"1", b"2", b"3"}


def test_pauses_are_drawn_by_the_seed_and_go_on_after_a_kill(stream, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(replay, "TRANSACTION_ROWS", 4)

    def played(name, **options):
        pauses.clear()
        (tmp_path / name).mkdir()
        other = Replays(stream.broker, tmp_path / name / "home")
        monkeypatch.setattr(other, "lake", open_lake(other.settings))
        file = dataset(tmp_path / f"{name}.ndjson", 10)
        with contextlib.suppress(ZeroDivisionError):
            other.replay(file, delay=(1, 20), **options)
        return other, file, [pause for pause in pauses if pause != 0.05]  # of waiting for the topics

    def stop(_name, done, _total):
        if done == 8:
            raise ZeroDivisionError

    _, _, first = played("a", seed=5)
    assert len([pause for pause in first if pause]) == 11  # the last one is not needed, and not worth a rule
    assert all(0.001 <= pause <= 0.02 for pause in first if pause)
    assert played("b", seed=5)[2] == first
    assert played("c", seed=6)[2] != first
    other, file, begun = played("d", seed=5, progress=stop)
    pauses.clear()
    assert other.replay(file, delay=(1, 20), seed=5).sent == 2
    drawn = [pause for pause in first if pause]
    assert [pause for pause in begun if pause] == drawn[:9]
    assert [pause for pause in pauses if pause] == drawn[8:]


def test_readers_see_rows_soon_although_there_are_pauses(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "TRANSACTION_SECONDS", 0.1)
    calls = []
    stream.replay(dataset(tmp_path / "a.ndjson", 40), delay=(10, 30), progress=lambda *call: calls.append(call[1]))
    assert len(calls) > 5
    assert calls == sorted(calls)
    check(stream, 40)


def test_a_pause_is_not_waited_within_a_transaction(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "TRANSACTION_SECONDS", 0.01)
    calls = []
    stream.replay(dataset(tmp_path / "a.ndjson", 5), delay=(20, 20), progress=lambda *call: calls.append(call[1]))
    assert calls == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("delay", [(5, 1), (-1, 1)])
def test_a_wrong_delay_is_refused(stream, tmp_path, delay):
    with pytest.raises(LumbungError, match=r"Give MIN\.\.MAX from 0 up"):
        stream.replay(dataset(tmp_path / "a.ndjson", 5), delay=delay)


def test_another_replay_takes_over(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "TRANSACTION_ROWS", 10)
    file = dataset(tmp_path / "a.ndjson", 50)
    taken = []

    def take_over(_name, done, _total):
        if done == 20 and not taken:
            taken.append(True)
            assert stream.replay(file) == Replayed(1, rows=50, sent=30, known=20)

    with pytest.raises(LumbungError, match=f"^{stream.topic}: another replay has taken over"):
        stream.replay(file, progress=take_over)
    check(stream, 50)


def test_a_broker_that_is_killed_meanwhile(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "TRANSACTION_ROWS", 20)
    killed = []

    def kill(_name, done, _total):
        if done == 40 and not killed:
            killed.append(stream.broker.kill())
            stream.broker.start()

    file = dataset(tmp_path / "a.ndjson", 100)
    assert stream.replay(file, progress=kill) == Replayed(1, rows=100, sent=100, known=0)
    assert killed
    check(stream, 100)


def test_datasets_that_are_claimed_at_once_do_not_overlap(stream, tmp_path):
    files = [dataset(tmp_path / f"{number}.ndjson", number + 1) for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        documents = list(threads.map(lambda file: claim(stream.lake, Dataset(file, COLUMNS)), [*files, *files]))
    assert {document.number for document in documents} == set(range(1, 7))
    seqs = [seq for document in replays(stream.lake) for seq in range(document.first_seq, document.end)]
    assert seqs == list(range(21))


@pytest.mark.parametrize("rows", [30, 5000])
def test_a_file_that_is_changed_meanwhile_is_an_error(stream, tmp_path, monkeypatch, rows):
    monkeypatch.setattr(replay, "TRANSACTION_ROWS", 10)
    file = dataset(tmp_path / "a.ndjson", 5000)  # longer than what is read at once

    def change(_name, done, _total):
        if done == 20:
            dataset(file, rows, start=5000)

    with pytest.raises(SourceError, match=r"a\.ndjson: the file was changed while it was replayed"):
        stream.replay(file, progress=change)
    check(stream, 20)
    dataset(file, 5000)
    assert stream.replay(file) == Replayed(1, rows=5000, sent=4980, known=20)
    check(stream, 5000)


def test_a_file_that_is_changed_while_it_is_counted_gets_no_place(stream, tmp_path, monkeypatch):
    file = dataset(tmp_path / "a.ndjson", 10)
    count = Dataset.count

    def change(given, *args):
        dataset(file, 10, start=5000)
        return count(given, *args)

    monkeypatch.setattr(Dataset, "count", change)
    with pytest.raises(SourceError, match="the file was changed"):
        stream.replay(file)
    assert replays(stream.lake) == []


def begin(stream, file, monkeypatch, rows=20):
    """Replay some rows of a dataset."""

    def stop(_name, done, _total):
        if done == rows:
            raise ZeroDivisionError

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(replay, "TRANSACTION_ROWS", 10)
        stream.replay(file, progress=stop)


def test_a_dataset_is_not_sent_behind_one_that_is_not_finished(stream, tmp_path, monkeypatch):
    """Batches behind the missing rows would stay open without a word."""
    first, second = dataset(tmp_path / "a.ndjson", 50), dataset(tmp_path / "b.ndjson", 30, start=50)
    begin(stream, first, monkeypatch)
    with pytest.raises(LumbungError, match=r"the replay of a\.ndjson is not finished: 20 of 50 rows are sent"):
        stream.replay(second)
    assert len(replays(stream.lake)) == 1
    assert stream.replay(first).sent == 30
    assert stream.replay(second).sent == 30
    check(stream, 80)
    # Neither in a topic that was made again, where the lake lacks the first.
    stream.admin.delete_topics([stream.topic])[stream.topic].result()
    with pytest.raises(LumbungError, match=r"a\.ndjson is not finished: 0 of 50 rows"):
        stream.replay(second)
    assert stream.replay(first).sent == 50
    assert stream.replay(second).sent == 30
    check(stream, 80)


def test_a_dataset_that_is_sent_does_not_end_another_replay(stream, tmp_path, monkeypatch):
    first, second = dataset(tmp_path / "a.ndjson", 50), dataset(tmp_path / "b.ndjson", 50, start=50)
    stream.replay(first)
    monkeypatch.setattr(replay, "TRANSACTION_ROWS", 10)
    known = []

    def again(_name, done, _total):
        if done == 20:
            known.append(stream.replay(first))

    assert stream.replay(second, progress=again).sent == 50
    assert known == [Replayed(1, rows=50, sent=0, known=50)]
    check(stream, 100)


def test_a_topic_that_is_made_again_meanwhile_is_an_error(stream, tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "TRANSACTION_ROWS", 10)
    file = dataset(tmp_path / "a.ndjson", 50)
    cluster = Cluster(stream.settings, stream.topic, ACTIVITY)

    def make_again(_name, done, _total):
        if done == 20:
            before = cluster.topic().id
            stream.admin.delete_topics([stream.topic])[stream.topic].result()
            with contextlib.suppress(LumbungError):
                while cluster.topic().id == before:
                    time.sleep(0.05)
            cluster.ensure_topics()

    with pytest.raises(LumbungError, match="deleted and recreated while a dataset was replayed"):
        stream.replay(file, progress=make_again)
    assert stream.replay(file).sent == 50
    assert {json.loads(message.value())["seq"] for message in stream.read()} == set(range(50))


@pytest.mark.parametrize(
    ("content", "message"), [("", "the file is empty"), ("student_id,course_id,event_at\n", "no rows")]
)
def test_a_dataset_without_rows_gets_no_place(stream, tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(SourceError, match=message):
        stream.replay(tmp_path / "a.csv")
    assert replays(stream.lake) == []


def test_without_a_kafka(tmp_path):
    settings = Settings.of(home=tmp_path)
    with pytest.raises(LumbungError, match="no Kafka is set"):
        Replays.replay(type("", (), {"settings": settings, "lake": open_lake(settings)}), tmp_path / "a")
