"""Manifests: a chain for each partition, folded so that a reader reads few of them however many there are."""

import json
from datetime import timedelta

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import folder
from lumbung.stream import landing as landing_module
from lumbung.stream.kafka import Topic
from lumbung.stream.landing import (
    FOLD_AFTER,
    Landing,
    create,
    fold,
    folds,
    newest_fold,
    position,
)
from lumbung.systems.cilvest.feed import LANDED as FOLDER
from support.lakes import CountingLake
from support.landings import CHAINS, NOON, PARTITIONS, TOPICS, land


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setattr(folder.os, "fsync", lambda _: None)  # thousands of files
    return CountingLake(f"file://{tmp_path}/lake", tmp_path / "lake")


def landings(lake):
    return by_place(landing_module.landings(lake, FOLDER))


def by_place(landings):
    return sorted(landings, key=lambda landing: (landing.topic_id, landing.partition, landing.start_offset))


def folded(lake):
    """All landings, after they were folded."""
    fold(lake, FOLDER)
    return landings(lake)


def all_manifests(lake):
    """Every landing, read one by one from the manifests."""
    return by_place(Landing.model_validate_json(lake.read(stored.path)) for stored in lake.files(FOLDER))


def positions(lake):
    return [
        position(lake, FOLDER, Topic("t", topic, PARTITIONS), partition)
        for topic in TOPICS
        for partition in range(PARTITIONS)
    ]


def requests(lake, call):
    lake.lists = lake.reads = 0
    result = call(lake)
    return result, lake.lists, lake.reads


@pytest.mark.parametrize("count", [50, 500, 5000])
def test_a_reader_reads_few_files_however_many_were_ever_landed(lake, count):
    land(lake, range(count))
    assert folded(lake) == all_manifests(lake)
    land(lake, range(count, count + FOLD_AFTER // 2))
    expected = all_manifests(lake)
    for call, times in ((folded, 2), (landings, 1)):
        read, lists, reads = requests(lake, call)
        assert read == expected
        # The folds (once more to write one), the topics, the partitions of each, the chains.
        assert lists <= times * (2 + 1 + len(TOPICS) + CHAINS)
        assert reads <= times * (2 + FOLD_AFTER + FOLD_AFTER // 2)
    lake.lists = lake.reads = 0
    ends = positions(lake)
    assert ends == [
        max(landing.next_offset for landing in expected if (landing.topic_id, landing.partition) == (topic, partition))
        for topic in TOPICS
        for partition in range(PARTITIONS)
    ]
    assert lake.lists <= 2 * len(ends)
    assert lake.reads <= 2 * len(ends)


def test_nothing_is_folded_of_few_landings(lake):
    assert folded(lake) == []
    land(lake, range(FOLD_AFTER))
    assert folded(lake) == all_manifests(lake)
    assert newest_fold(lake, FOLDER) is None
    assert positions(lake) == [90, 90] + [80] * 4


def test_folds_follow_each_other(lake):
    """Also a chain that begins after the first fold, and a topic that was created again."""
    for count in range(0, 400, 80):
        land(lake, range(count, count + 80))
        assert folded(lake) == all_manifests(lake)
    assert newest_fold(lake, FOLDER).generation == 5


class Killed(BaseException):
    """A kill: nothing catches it."""


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_a_fold_that_is_killed_anywhere_loses_nothing(lake, monkeypatch, step, is_before):
    land(lake, range(70))
    fold(lake, FOLDER)
    land(lake, range(70, 140))
    calls = []

    def deadly(call):
        def called(*arguments):
            calls.append(arguments)
            if len(calls) == step and is_before:
                raise Killed
            done = call(*arguments)
            if len(calls) == step:
                raise Killed
            return done

        return called

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(lake, "write", deadly(lake.write))
        patch.setattr(lake, "create", deadly(lake.create))
        fold(lake, FOLDER)
    assert newest_fold(lake, FOLDER).generation == (2 if (step, is_before) == (2, False) else 1)
    land(lake, range(140, 150))
    assert landings(lake) == folded(lake) == all_manifests(lake)
    assert newest_fold(lake, FOLDER).generation == 2


def test_a_slow_writer_that_folds_less_loses_nothing(lake, monkeypatch):
    """Its fold counts, and ends before another's: what it lacks is read from the chains, where the manifests stay."""
    land(lake, range(60))

    def late(*arguments):
        monkeypatch.undo()
        land(lake, range(60, 120))
        fold(lake, FOLDER)
        return lake.write(*arguments)

    monkeypatch.setattr(lake, "write", late)
    fold(lake, FOLDER)
    assert newest_fold(lake, FOLDER).file.rows == 60
    assert newest_fold(lake, FOLDER).generation == 2
    assert landings(lake) == all_manifests(lake)
    assert positions(lake) == [200] * 6


def test_a_manifest_that_a_listing_missed_is_not_passed_over_for_good(lake, monkeypatch):
    """A folder may be listed while landers write: it may show a later file, and not yet an earlier one."""
    land(lake, range(70))
    missed, names = f"{20:020}.json", lake.names
    with monkeypatch.context() as patch:
        patch.setattr(lake, "names", lambda *a: [name for name in names(*a) if name != missed])
        fold(lake, FOLDER)
        assert newest_fold(lake, FOLDER).ends == {topic: {0: 20, 1: 20, 2: 20} for topic in TOPICS}
    assert landings(lake) == folded(lake) == all_manifests(lake)
    assert positions(lake) == [120] * 4 + [110] * 2


def test_landers_that_race_over_a_folded_chain_land_a_place_once(lake):
    land(lake, range(60))
    fold(lake, FOLDER)
    (taken,) = (landing for landing in landings(lake) if (landing.topic_id, landing.partition) == (TOPICS[0], 0)
                and landing.start_offset == 90)  # fmt: skip
    stale = taken.model_copy(update={"landed_at": NOON + timedelta(days=9)})
    assert not create(lake, FOLDER, stale)
    assert landings(lake) == all_manifests(lake)


def test_a_fold_that_is_pruned_while_it_is_read_is_replaced_by_the_newer_one(lake, monkeypatch):
    land(lake, range(60))
    fold(lake, FOLDER)
    old = newest_fold(lake, FOLDER)
    land(lake, range(60, 120))
    read = lake.read

    def pruned(path):
        if path == old.file.path:
            monkeypatch.undo()
            fold(lake, FOLDER)
            lake.delete(f"{folds(FOLDER)}/manifest-000001.json")
            lake.delete(path)
        return read(path)

    monkeypatch.setattr(lake, "read", pruned)
    assert landings(lake) == all_manifests(lake)


@pytest.mark.parametrize("content", [None, b"other"])
def test_a_damaged_fold_is_an_error_and_can_be_deleted(lake, content):
    land(lake, range(60))
    fold(lake, FOLDER)
    path = newest_fold(lake, FOLDER).file.path
    lake.delete(path)
    if content:
        lake.write(path, content)
    with pytest.raises(LumbungError, match=r"folded landings is (gone|not as it was written).*Delete") as error:
        landings(lake)
    assert path in str(error.value)
    for stored in lake.files(folds(FOLDER)):
        lake.delete(stored.path)
    assert folded(lake) == all_manifests(lake)
    assert newest_fold(lake, FOLDER).generation == 1


def test_a_damaged_fold_is_noticed_before_more_is_folded_and_not_by_each_run(lake):
    land(lake, range(60))
    fold(lake, FOLDER)
    lake.write(newest_fold(lake, FOLDER).file.path, b"other")
    land(lake, range(60, 60 + FOLD_AFTER))
    lake.reads = 0
    assert len(fold(lake, FOLDER).paths) == FOLD_AFTER
    assert lake.reads == 1
    land(lake, range(60 + FOLD_AFTER, 61 + FOLD_AFTER))
    with pytest.raises(LumbungError, match="folded landings is not as it was written"):
        fold(lake, FOLDER)


def test_the_folds_lie_beside_the_manifests(lake):
    """A release that knows no folds lists every folder in the manifests' as a topic."""
    land(lake, range(FOLD_AFTER + 1))
    fold(lake, FOLDER)
    assert lake.names(FOLDER) == sorted(TOPICS)
    assert json.loads(lake.read(f"{folds(FOLDER)}/manifest-000001.json"))["ends"][TOPICS[0]] == {
        "0": 90, "1": 90, "2": 90
    }  # fmt: skip
    assert landing_module.folds(FOLDER) == "landed/cilvest/tweet-folds"
