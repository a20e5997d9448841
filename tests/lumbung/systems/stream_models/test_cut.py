"""Making batches is killed at every step, and others make them meanwhile."""

import contextlib

import pytest

from lumbung.core.errors import LumbungError
from lumbung.systems.stream_models import batches as module
from lumbung.systems.stream_models import cut as cuts
from lumbung.systems.stream_models.batches import make_batches, newest_batches
from lumbung.systems.stream_models.by import By
from support.activity import Activity, all_seqs, files_of, replay, row


def fill(activity, step):
    """Rows of a step, some of them late."""
    first = 12 * step
    times = {first + 5: "2026-09-01T01:00:01Z"}
    activity.send(*(row(seq, **({"event_at": times[seq]} if seq in times else {})) for seq in range(first, first + 12)))
    activity.tick()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("by", ["count:10", "event:1m", "window:5s"])
def test_killed_at_every_step(tmp_path, workers, by, moment):
    """A run for each step of it, killed there; each goes on from what the one before it wrote."""
    plain, killed = Activity(tmp_path / "plain"), Activity(tmp_path / "killed")
    step = kills = 0
    while True:
        step += 1
        if step <= 12:
            fill(plain, step - 1)
            fill(killed, step - 1)
        if not workers.run(killed, "batch", moment=moment, step=step, by=by):
            break
        kills += 1
    # Two batches, their files, what is open, the cut, the manifests.
    assert kills >= 4
    for activity in (plain, killed):
        replay(activity.lake, 1, 0, 145)
        activity.send(row(144))
        make_batches(activity.lake, By.parse(by))
    made = newest_batches(killed.lake, By.parse(by))
    assert files_of(made) == files_of(newest_batches(plain.lake, By.parse(by)))
    assert all_seqs(killed.lake, made) == list(range(145))


def test_a_run_that_slept_while_another_cut_the_stream_says_so(tmp_path, monkeypatch):
    activity, by = Activity(tmp_path), By("count", 10)
    activity.send(*map(row, range(10)))
    commit = cuts.commit

    def late(lake, by, cut):
        monkeypatch.setattr(cuts, "commit", commit)
        activity.send(*map(row, range(10, 20)))
        monkeypatch.setattr(type(lake), "lease", lambda *_: contextlib.nullcontext())
        make_batches(lake, by)
        commit(lake, by, cut)

    monkeypatch.setattr(cuts, "commit", late)
    with pytest.raises(LumbungError, match="another run has cut the stream meanwhile"):
        make_batches(activity.lake, by)
    assert [batch.generation for batch in newest_batches(activity.lake, by)] == [1, 1]


def test_cuts_that_were_deleted_are_made_again_from_what_is_landed(tmp_path):
    activity, by = Activity(tmp_path), By.parse("event:1m")
    activity.send(*map(row, range(40)))
    first = make_batches(activity.lake, by)
    for file in activity.lake.files("cuts"):
        activity.lake.delete(file.path)
    assert make_batches(activity.lake, by) == first


def test_a_cut_reads_what_is_new_and_what_is_open_only(tmp_path, monkeypatch):
    activity, by = Activity(tmp_path), By("count", 10)
    activity.send(*map(row, range(205)), size=5)
    make_batches(activity.lake, by)
    activity.send(*map(row, range(205, 212)))
    rows = []
    place = module.place
    monkeypatch.setattr(module, "place", lambda *given: rows.append(given[3].rows) or place(*given))
    assert len(make_batches(activity.lake, by)) == 21
    assert rows == [12]
    assert len(make_batches(activity.lake, by)) == 21  # nothing new
    assert rows == [12]
