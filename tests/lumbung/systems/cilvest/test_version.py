"""A version of the tweets is made from few files of the lake, however many landings there are."""

import hashlib
import json
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
from hypothesis import strategies as st

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import FolderLake, folder
from lumbung.stream import landing
from lumbung.stream.landing import FOLD_AFTER, LandedFile, Landing, create, fold
from lumbung.systems.cilvest.feed import LANDED
from lumbung.systems.cilvest.landed_days import VERSIONS, newest_version, rejected_days, rejects
from lumbung.systems.cilvest.prune import plan
from lumbung.systems.cilvest.system import SYSTEM
from lumbung.systems.cilvest.version import make_version, raw_files
from support.lakes import CountingLake
from support.landings import CHAINS, DAY, NOON, TOPICS, land

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
    version, days, rejected = taken(lake)
    # Five times the landings that are not folded, at most twice before a fold; each time the fold and its manifest.
    assert lake.reads <= 5 * (FOLD_AFTER + NEW + 2)
    assert lake.lists <= 5 * (2 + CHAINS + 3)
    monkeypatch.setattr(landing, "FOLD_AFTER", 10**9)
    expected, *others = taken(plain)
    assert (days, rejected) == tuple(others)
    assert version.model_copy(update={"generation": 1}) == expected
    assert version.rows_read == 10 * (count + NEW)
    assert len(rejected) == count + NEW
    assert plan(lake, NOON).days_with_rejects == plan(plain, NOON).days_with_rejects == {DAY}


LANDINGS = st.lists(
    st.tuples(
        st.integers(0, 3),  # the chain
        st.sets(st.integers(0, 4), max_size=3),  # the days of its tweets
        st.none() | st.integers(0, 5),  # the day of its rejects
        st.booleans(),  # whether a version is made then
    ),
    max_size=25,
)


def landing_of(number, start, chain, days, rejected):
    """A landing whose files are only named."""

    def file(day, kind):
        path = f"raw/cilvest/tweet/{kind}-{number}-{day}.parquet"
        sha256 = hashlib.sha256(path.encode()).hexdigest()
        return LandedFile(path=path, rows=day + 1, bytes=9, sha256=sha256, day=DAY + timedelta(days=day))

    return Landing(
        topic="t",
        topic_id=f"topic{chain // 2}",
        partition=chain % 2,
        start_offset=start,
        next_offset=start + 10,
        rows_read=10,
        rows_kept=8,
        rows_rejected=2,
        files=[file(day, "kept") for day in days],
        rejects=None if rejected is None else file(rejected, "rejects"),
        landed_at=NOON + timedelta(minutes=number),
    )


def day_by_day(lake, version):
    """What each day of a version is made from, and the rejects that the lake has."""
    days = [DAY + timedelta(days=day) for day in range(-1, 7)]
    made = {day: (cleaned, raw_files(lake, version, day)) for day, cleaned in version.days.items()} if version else {}
    return made, {day: sorted(file.path for file in rejects(lake, day)) for day in days}, rejected_days(lake)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(LANDINGS, st.integers(1, 6))
def test_a_version_is_the_same_made_step_by_step_or_at_once(landed, fold_after):
    """Whatever was landed between two versions, and however many landings are folded."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder.os, "fsync", lambda _: None)
        patch.setattr(landing, "FOLD_AFTER", fold_after)
        stepwise, at_once = (FolderLake("file://lake", Path(name) / part) for part in ("stepwise", "at_once"))
        ends, manifests = Counter(), []
        for number, (chain, days, rejected, is_made) in enumerate(landed):
            manifests.append(landing_of(number, ends[chain], chain, days, rejected))
            ends[chain] += 10
            for lake in (stepwise, at_once):
                create(lake, LANDED, manifests[-1])
            if is_made:
                make_version(stepwise)
        unversioned = day_by_day(stepwise, None)
        versions = [make_version(lake) for lake in (stepwise, at_once)]
        assert day_by_day(stepwise, None) == unversioned
        assert day_by_day(stepwise, versions[0]) == day_by_day(at_once, versions[1])
        files = {}
        for manifest in manifests:
            for file in manifest.files:
                files.setdefault(file.day, []).append(file.path)
        if not files:
            assert versions == [None, None]
            return
        first, second = (version.model_copy(update={"generation": 1}) for version in versions)
        assert first == second
        assert (first.rows_read, first.landed_at) == (10 * len(landed), manifests[-1].landed_at)
        for day in files:
            near = [day + timedelta(days=apart) for apart in (-1, 0, 1)]
            assert raw_files(stepwise, versions[0], day) == sorted(
                path for each in near for path in files.get(each, [])
            )


def test_a_version_of_an_earlier_release_is_gone_on_from(make_lake):
    """It names the files of each day itself and does not say how far it goes."""
    lake = make_lake("old")
    land(lake, range(3))
    made = make_version(lake)
    old = made.model_dump(mode="json", exclude={"cleaner", "ends", "landed", "rejected"})
    old["days"] = {f"{DAY}": {"key": made.days[DAY].key, "rows": 27, "files": ["raw/a.parquet"]}}
    old["landings"] = "another name"
    lake.write(f"{VERSIONS}/manifest-000001.json", json.dumps(old).encode())
    before = newest_version(lake)
    assert raw_files(lake, before, DAY) == ["raw/a.parquet"]
    assert len(list(rejects(lake, DAY))) == 3
    land(lake, range(3, 5))
    again = make_version(lake)
    assert (again.generation, again.rows_read, again.days[DAY].rows) == (2, 50, 45)
    assert raw_files(lake, again, DAY) == [f"raw/cilvest/tweet/{number}.parquet" for number in range(5)]


def test_the_chains_are_listed_once(make_lake):
    lake = make_lake("once")
    land(lake, range(FOLD_AFTER + 1))
    make_version(lake)
    land(lake, range(FOLD_AFTER + 1, 2 * FOLD_AFTER))
    lake.lists = 0
    assert make_version(lake).rows_read == 20 * FOLD_AFTER
    # The folds, the topics, the partitions of each, the chains; the versions, once more to write one.
    assert lake.lists == 1 + 1 + len(TOPICS) + CHAINS + 2


def test_a_version_that_ends_before_a_fold_is_gone_on_from(make_lake):
    """A run was killed after it had folded: what the fold has and the version lacks is listed again."""
    lake = make_lake("killed")
    land(lake, range(3))
    make_version(lake)
    land(lake, range(3, FOLD_AFTER + 10))
    fold(lake, LANDED)
    land(lake, range(FOLD_AFTER + 10, FOLD_AFTER + 12))
    version = make_version(lake)
    assert version.rows_read == 10 * (FOLD_AFTER + 12)
    assert len(raw_files(lake, version, DAY)) == FOLD_AFTER + 12


def test_prune_keeps_the_documents_of_versions_that_stay(make_lake):
    lake = make_lake("pruned")
    land(lake, range(2))
    first = make_version(lake)
    land(lake, range(2, 4))
    second = make_version(lake)
    documents = {version.landed[DAY] for version in (first, second)}
    named = {path for path in documents if path in {file.path for file in plan(lake, datetime.now(UTC)).data}}
    assert named == {first.landed[DAY]}
    assert not plan(lake, datetime.now(UTC) - timedelta(days=1)).data


def test_a_list_of_files_that_is_gone_is_said(make_lake):
    lake = make_lake("gone")
    land(lake, range(2))
    version = make_version(lake)
    lake.delete(version.landed[DAY])
    with pytest.raises(LumbungError, match="the list of a day's landed files is gone"):
        raw_files(lake, version, DAY)
