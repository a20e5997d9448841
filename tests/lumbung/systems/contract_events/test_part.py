"""Files of events: cut the same however events come, and never between an event and its tombstone."""

from collections import Counter
from itertools import batched

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import FolderLake
from lumbung.systems.contract_events import part
from lumbung.systems.contract_events.part import Event, PartWriter, messages, read


@pytest.fixture
def lake(tmp_path):
    return FolderLake(tmp_path.as_uri(), tmp_path / "lake")


@pytest.fixture
def write(lake, tmp_path, monkeypatch):
    """Write events of so many contracts into files of so many messages; gives the files."""

    def write(contracts, most, tombstones=False, group=10_000, key="k", at_once=1):
        monkeypatch.setattr(part, "PART_EVENTS", most)
        monkeypatch.setattr(part, "GROUP_EVENTS", group)
        writer = PartWriter(lake, key, tmp_path, tombstones=tombstones)
        operation = "DELETE" if tombstones else "INSERT"
        for numbers in batched(range(contracts), at_once, strict=False):
            made = writer.add([(f"{number}", operation, f"e{number}", "{}") for number in numbers])
            assert made == len(numbers) * tombstones
        return writer.close()

    return write


def test_events_are_read_as_they_were_written(write, lake):
    parts = write(5, 2)
    assert [file.rows for file in parts] == [2, 2, 1]
    assert [event for file in parts for event in read(lake, file)] == [
        Event(number, f"{number}", "INSERT", f"e{number}", "{}") for number in range(5)
    ]


def test_without_an_event_there_is_no_file(write):
    assert write(0, 2) == []


def test_a_tombstone_is_in_the_file_of_its_event(write, lake):
    parts = write(3, 3, tombstones=True)
    assert [file.rows for file in parts] == [4, 2]
    assert [(event.position, event.operation) for event in read(lake, parts[0])] == [
        (0, "DELETE"), (0, "TOMBSTONE"), (1, "DELETE"), (1, "TOMBSTONE"),
    ]  # fmt: skip


def test_the_same_events_are_the_same_bytes_under_another_name(write):
    one, other = write(7, 3, key="a"), write(7, 3, key="b")
    assert [file.sha256 for file in one] == [file.sha256 for file in other]
    assert [file.path for file in one] != [file.path for file in other]


@pytest.mark.parametrize("tombstones", [False, True])
def test_the_same_events_are_the_same_files_however_they_come(write, tombstones):
    files = [write(40, 7, tombstones, group=3, at_once=at_once) for at_once in (1, 2, 5, 40)]
    assert all([file.sha256 for file in other] == [file.sha256 for file in files[0]] for other in files)


def test_messages_are_the_bytes_for_kafka(write, lake):
    (file,) = write(2, 9, tombstones=True)
    operations = Counter()
    sent = list(messages(lake, file, b"\0id", operations))
    assert sent == [(b"0", b"\0id{}"), (b"0", None), (b"1", b"\0id{}"), (b"1", None)]
    assert operations == {"DELETE": 2, "TOMBSTONE": 2}
    assert next(messages(lake, file, b"", Counter())) == (b"0", b"{}")


def test_a_file_that_is_missing_or_damaged_is_not_read(write, lake):
    (file,) = write(1, 3)
    lake.write(file.path, b"")
    with pytest.raises(LumbungError, match="missing, or not what was written"):
        list(read(lake, file))
    lake.delete(file.path)
    with pytest.raises(LumbungError, match="Restore it from a copy"):
        list(read(lake, file))
