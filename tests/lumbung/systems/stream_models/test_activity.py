"""Rows of a dataset as messages of the topic of activity."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.sources import Reject
from lumbung.stream import replay
from lumbung.stream.dataset import Dataset
from lumbung.stream.land import land
from lumbung.stream.replay import Replayed
from lumbung.systems.stream_models.activity import COLUMNS, MAX_MESSAGE_BYTES, give_up, messages
from lumbung.systems.stream_models.batches import make_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.feed import feed
from lumbung.systems.stream_models.generate import generate
from support.replays import Replays, dataset

AT = datetime(2026, 9, 1, 13, 2, 11, 250_000, UTC)
ROW = ("s", "c", 4, 31.5, 20, "phone", True, "2026-09-01T13:02:11.250Z")
NAMES = COLUMNS.names


def message(row, seq=12):
    ((key, value),) = messages(iter([row]), seq)
    return key, json.loads(value)


def sent(**changes):
    """The message of a row with other values."""
    values = dict(zip(NAMES, ROW, strict=True)) | changes
    return message((1, tuple(values.values())))[1]


def test_a_row():
    key, value = message((1, ROW))
    assert key == b"s"
    assert list(value) == ["seq", *NAMES]
    assert datetime.fromisoformat(value.pop("event_at")) == AT
    assert value == {"seq": 12, **dict(zip(NAMES[:-1], ROW[:-1], strict=True))}


def test_a_row_that_could_not_be_read():
    key, value = message(Reject(14, 'raw "text"', "a reason"))
    assert key == b"12"
    assert value == {"seq": 12, "refused": "a reason", "line": 14, "raw": 'raw "text"'}


@pytest.mark.parametrize(
    "given",
    [
        "2026-09-01T13:02:11.250Z",
        "2026-09-01T20:02:11.250+07:00",
        "2026-09-01 20:02:11.250",  # without a zone: Jakarta
        " 2026-09-01T20:02:11.250\n",
        AT,
        AT.astimezone(timezone(timedelta(hours=-5))),
        datetime(2026, 9, 1, 20, 2, 11, 250_000),  # noqa: DTZ001
        AT.timestamp(),
        f"{AT.timestamp()}",
        int(AT.timestamp() * 1000),
        f"{AT.timestamp() * 1000:.0f}",
        Decimal(str(AT.timestamp())),
    ],
)
def test_times_are_in_utc(given):
    at = sent(event_at=given)["event_at"]
    assert at.endswith("Z")
    assert datetime.fromisoformat(at) == AT


def test_milliseconds_as_text_that_python_reads_as_a_date():
    assert sent(event_at="1712123112345")["event_at"].startswith("2024-04-03T05:45:12.345")
    assert sent(event_at="20260901")["event_at"].startswith("2026-08-31T17:00:00")


@pytest.mark.parametrize("given", ["soon", "", None, True, [1], 10**20, float("1e30"), "1_000", "nan"])
def test_what_is_no_time_goes_as_it_is(given):
    assert sent(event_at=given)["event_at"] == given


def test_a_missing_hour_is_that_of_the_event_in_jakarta():
    assert sent(hour=None)["hour"] == 20
    assert sent(hour=None, event_at="2026-09-01T23:00:00Z")["hour"] == 6
    assert sent(hour=None, event_at="soon")["hour"] is None
    assert sent(hour=3)["hour"] == 3


@pytest.mark.parametrize(
    ("column", "given", "value"),
    [
        ("rating", "4", 4),
        ("rating", 4.0, 4),
        ("rating", "4.0", 4),
        ("rating", Decimal(4), 4),
        ("rating", "4.5", "4.5"),
        ("rating", "good", "good"),
        ("rating", 9, 9),
        ("rating", None, None),
        ("hour", "07", 7),
        ("minutes", "31.5", 31.5),
        ("minutes", 31, 31),
        ("minutes", "-1", -1),
        ("minutes", "inf", "inf"),
        ("minutes", Decimal("1.25"), 1.25),
        ("completed", "true", True),
        ("completed", "FALSE", False),
        ("completed", "1", True),
        ("completed", "0", False),
        ("completed", "maybe", "maybe"),
        ("completed", 1, 1),
        ("device", 5, 5),
        ("student_id", ["x"], ["x"]),
        ("rating", 10**40, 10**40),
    ],
)
def test_text_becomes_what_the_column_is_and_other_values_go_as_they_are(column, given, value):
    assert sent(**{column: given})[column] == value


def test_a_student_that_is_no_text_is_no_key():
    assert message((1, (5, *ROW[1:])))[0] == b"12"


def test_a_row_that_is_too_large_is_refused():
    _, value = message((7, (*ROW[:5], "x" * MAX_MESSAGE_BYTES, *ROW[6:])))
    assert (value["seq"], value["line"]) == (12, 7)
    assert value["refused"].startswith("a row of 900,1")


def test_the_same_rows_in_three_formats_give_the_same_messages(tmp_path):
    ndjson = tmp_path / "a.ndjson"
    generate(Settings.of(), ndjson, rows=50)
    table = pa.Table.from_pylist([json.loads(line) for line in ndjson.read_bytes().splitlines()])
    pyarrow.csv.write_csv(table, tmp_path / "a.csv")
    pq.write_table(table, tmp_path / "a.parquet")
    contents = {
        tuple(messages(Dataset(tmp_path / f"a.{name}", COLUMNS).rows(), 5)) for name in ("ndjson", "csv", "parquet")
    }
    assert len(contents) == 1
    first = json.loads(next(iter(contents))[0][1])
    assert first["seq"] == 5
    assert all(first[name] is not None for name in NAMES)


def test_a_dataset_whose_file_is_lost_is_given_up_and_another_comes_after_it(kafka, tmp_path, monkeypatch):
    stream = Replays(kafka, tmp_path / "home")
    first, second = dataset(tmp_path / "a.ndjson", 50), dataset(tmp_path / "b.ndjson", 30, start=50)

    def stop(_name, done, _total):
        if done == 20:
            raise ZeroDivisionError

    with pytest.raises(LumbungError, match="nothing has been replayed"):
        give_up(stream.settings, stream.lake)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(replay, "TRANSACTION_ROWS", 10)
        stream.replay(first, progress=stop)
    first.unlink()
    with pytest.raises(LumbungError, match=r"a\.ndjson is not finished.*If the file is lost: .* --give-up"):
        stream.replay(second)
    assert give_up(stream.settings, stream.lake) == Replayed(1, rows=50, sent=30, known=20)
    assert give_up(stream.settings, stream.lake) == Replayed(1, rows=50, sent=0, known=50)
    assert stream.replay(second).sent == 30
    landed = land(stream.settings, stream.lake, feed(stream.settings))
    assert (landed.rows, landed.rejected) == (50, 30)
    (batch,) = make_batches(stream.lake, By("count", 80))
    assert (batch.rows, batch.rejected, batch.first_seq, batch.last_seq) == (50, 30, 0, 79)
