"""A version of the tweets is made from few files of the lake, however many landings there are."""

from types import SimpleNamespace

import pytest

from lumbung.storage.lake import folder
from lumbung.stream import landing
from lumbung.stream.landing import FOLD_AFTER
from lumbung.systems.cilvest.prune import plan
from lumbung.systems.cilvest.system import SYSTEM
from lumbung.systems.cilvest.version import make_version
from support.lakes import CountingLake
from support.landings import CHAINS, DAY, NOON, land

NEW = 20  # landings since the last run


@pytest.fixture
def make_lake(tmp_path, monkeypatch):
    monkeypatch.setattr(folder.os, "fsync", lambda _: None)  # thousands of files
    return lambda name: CountingLake(f"file://{tmp_path}/{name}", tmp_path / name)


def taken(lake):
    """What a run reads of landings, as its tasks do: the version, the days with rejects, the rejects of a day."""
    run = SimpleNamespace(
        lake=lake,
        day=DAY,
        state=SimpleNamespace(published=lambda: None),
        catalog=SimpleNamespace(datasets=list),
        warehouse=SimpleNamespace(partition_limit_days=lambda _: None),
    )
    version = make_version(lake)
    days = SYSTEM.days_with_rejects(run)
    return version, days, {rejected.file.path for rejected in SYSTEM.rejects(lake, DAY)}


@pytest.mark.parametrize("count", [50, 500, 2500])
def test_a_run_reads_few_files_and_answers_as_if_nothing_were_folded(make_lake, monkeypatch, count):
    lake, plain = make_lake("folded"), make_lake("plain")
    for each in (lake, plain):
        land(each, range(count))
    taken(lake)
    for each in (lake, plain):
        land(each, range(count, count + NEW))
    lake.lists = lake.reads = 0
    version, days, rejects = taken(lake)
    # Five times the landings that are not folded, at most twice before a fold; each time the fold and its manifest.
    assert lake.reads <= 5 * (FOLD_AFTER + NEW + 2)
    assert lake.lists <= 5 * (2 + CHAINS + 3)
    monkeypatch.setattr(landing, "FOLD_AFTER", 10**9)
    expected, *others = taken(plain)
    assert (days, rejects) == tuple(others)
    assert version.model_copy(update={"generation": 1}) == expected
    assert version.rows_read == 10 * (count + NEW)
    assert len(rejects) == count + NEW
    assert plan(lake, NOON).days_with_rejects == plan(plain, NOON).days_with_rejects == {DAY}
