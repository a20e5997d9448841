"""Releases: what is served, switched to, rolled back and pruned."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from lumbung.core.errors import LumbungError
from lumbung.models import release as releases
from lumbung.models.release import (
    RELEASES,
    Metric,
    Release,
    ReleasedModel,
    activate,
    basis,
    find,
    mark_pruned,
    newest_release,
    rollback,
    with_basis,
)
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import DataFile

AT = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path):
    return FolderLake(tmp_path.as_uri(), tmp_path)


def recall(value, baseline):
    return {"recall_at_20": Metric(value=value, baseline=baseline, batch=2, rows=10)}


def model(model_id, key=None, metrics=None, **values):
    scheme, number = model_id.split("-")
    key = key or f"key of {model_id}"
    return ReleasedModel(
        id=model_id,
        scheme=scheme,
        number=int(number),
        key=key,
        file=DataFile(path=f"models/stream_models/{key}.npz", rows=5, bytes=7, sha256="0a"),
        batches=[1],
        kinds=["recommendation"],
        metrics=metrics or {},
        basis="popularity",
        **values,
    )


def release(*models, version=1, by="count:5000", **values):
    return Release(generation=0, by=by, models=models, latest={}, version=version, created_at=AT, **values)


def test_the_newest_model_of_each_scheme_is_the_latest(lake):
    assert newest_release(lake) is None
    served = activate(lake, release(*map(model, ["b-2", "a-10", "a-9", "b-1"])))
    assert newest_release(lake) == served
    assert [one.id for one in served.models] == ["a-9", "a-10", "b-1", "b-2"]
    assert (served.generation, served.latest) == (1, {"a": "a-10", "b": "b-2"})


def test_a_model_is_found_by_its_id_or_as_the_latest(lake):
    served = activate(lake, release(*map(model, ["a-1", "a-2"])))
    assert find(served, "a-1").id == "a-1"
    assert find(served, "a-latest").id == "a-2"
    for unknown in ("b-latest", "a-3", "latest", "-latest", "", "a-", "a-latest-latest", "A-1"):
        assert find(served, unknown) is None


def test_the_same_again_makes_no_new_release(lake):
    served = activate(lake, release(model("a-1")))
    assert activate(lake, release(model("a-1"), version=2)) == served
    assert activate(lake, release(model("a-1", "another key"), version=2)).generation == 2
    assert lake.names(RELEASES) == ["manifest-000001.json", "manifest-000002.json"]


def test_an_older_version_does_not_replace_a_newer_one(lake):
    newer = activate(lake, release(*map(model, ["a-1", "a-2"]), version=2))
    assert activate(lake, release(model("a-1"), version=1)) == newer
    assert newest_release(lake) == newer


def test_factors_are_the_basis_where_they_beat_popularity():
    assert basis(recall(0.2, 0.1)) == "als"
    assert basis(recall(0.1, 0.1)) == basis(recall(0.1, 0.2)) == "popularity"
    assert basis({}) is None


def test_a_model_without_metrics_has_the_basis_of_the_one_before_it():
    models = with_basis(
        [
            model("b-1"),
            model("a-3"),
            model("a-1", metrics=recall(0.2, 0.1)),
            model("a-2"),
            model("a-4", metrics=recall(0.1, 0.2)),
            model("a-5"),
        ]
    )
    assert {one.id: one.basis for one in models} == {
        "a-1": "als",
        "a-2": "als",
        "a-3": "als",
        "a-4": "popularity",
        "a-5": "popularity",
        "b-1": "popularity",
    }


def test_a_rollback_holds_until_there_is_a_model_with_a_new_key(lake):
    three = [model("b-1"), model("b-2"), model("b-3"), model("a-3")]
    activate(lake, release(*three))
    rolled_back = rollback(lake, "b-1", AT)
    assert rolled_back.latest == {"a": "a-3", "b": "b-1"}
    assert rolled_back.rolled_back == ["key of b-2", "key of b-3"]
    # The next run has the same models: nothing changes.
    assert activate(lake, release(*three, version=2)) == rolled_back
    # A new number, or a new generation of its batches, is a model with a new key.
    assert activate(lake, release(*three, model("b-4"), version=3)).latest["b"] == "b-4"
    rollback(lake, "b-1", AT)
    assert activate(lake, release(*three[:2], model("b-3", "new"), version=4)).latest["b"] == "b-3"


def test_a_rollback_is_taken_back_by_one_to_a_newer_model(lake):
    three = [model("b-1"), model("b-2"), model("b-3")]
    activate(lake, release(*three))
    rollback(lake, "b-1", AT)
    assert rollback(lake, "b-2", AT).rolled_back == ["key of b-3"]
    served = rollback(lake, "b-3", AT)
    assert (served.latest, served.rolled_back) == ({"b": "b-3"}, [])
    assert activate(lake, release(*three, model("b-4"), version=2)).latest == {"b": "b-4"}


def test_a_rollback_of_one_scheme_leaves_the_other_one(lake):
    # The first models of both schemes are made of the same batch: they have the same key.
    activate(lake, release(model("a-1", "same"), model("a-2"), model("b-1", "same"), model("b-2")))
    rollback(lake, "a-1", AT)
    served = rollback(lake, "b-1", AT)
    assert served.latest == {"a": "a-1", "b": "b-1"}
    assert rollback(lake, "b-2", AT).latest == {"a": "a-1", "b": "b-2"}
    assert newest_release(lake).rolled_back == ["key of a-2"]


def test_a_rollback_that_cannot_be_is_refused(lake):
    with pytest.raises(LumbungError, match="nothing is served yet"):
        rollback(lake, "a-1", AT)
    activate(lake, release(model("a-1", pruned=True), model("a-2")))
    with pytest.raises(LumbungError, match=r"a-7: there is no such model\. Choose one of these: a-1, a-2"):
        rollback(lake, "a-7", AT)
    with pytest.raises(LumbungError, match=r"a-1: the file of this model was pruned"):
        rollback(lake, "a-1", AT)
    assert lake.names(RELEASES) == ["manifest-000001.json"]


def test_pruned_models_are_still_told_of_but_never_the_latest(lake):
    activate(lake, release(*map(model, ["a-1", "a-2", "b-1"])))
    served = mark_pruned(lake, ["a-1", "a-2", "none"], AT)
    assert [one.id for one in served.models if one.pruned] == ["a-1"]
    assert served.latest == {"a": "a-2", "b": "b-1"}
    assert mark_pruned(lake, ["a-1"], AT) == served
    # A run that lacks the file names the model no longer.
    served = activate(lake, release(*map(model, ["a-2", "a-3"]), version=2))
    assert [(one.id, one.pruned) for one in served.models] == [("a-1", True), ("a-2", False), ("a-3", False)]
    # Where it was trained again it is served again.
    served = activate(lake, release(*map(model, ["a-1", "a-2", "a-3"]), version=3))
    assert not any(one.pruned for one in served.models)
    # Of a stream that is cut otherwise nothing earlier is said.
    mark_pruned(lake, ["a-1"], AT)
    served = activate(lake, release(model("a-2"), version=4, by="count:10"))
    assert [one.id for one in served.models] == ["a-2"]


def test_nothing_can_be_pruned_where_nothing_is_served(lake):
    with pytest.raises(LumbungError, match="nothing is served yet"):
        mark_pruned(lake, ["a-1"], AT)


def test_a_change_in_between_is_not_lost(lake, monkeypatch):
    """A rollback reads what is served; before it writes, a run activates another release."""
    activate(lake, release(model("b-1"), model("b-2")))
    read = releases.newest_release

    def read_then_activate(of):
        monkeypatch.setattr(releases, "newest_release", read)
        served = read(of)
        activate(lake, release(model("b-1"), model("b-2"), model("b-3"), version=2))
        return served

    monkeypatch.setattr(releases, "newest_release", read_then_activate)
    served = rollback(lake, "b-1", AT)
    assert served.generation == 3
    assert served.latest == {"b": "b-1"}
    assert served.rolled_back == ["key of b-2", "key of b-3"]


def test_many_at_once_each_take_a_generation(lake):
    numbers = range(1, 13)
    every = [model(f"b-{number}") for number in numbers]
    activate(lake, release(*every))

    def change(number):
        return rollback(lake, f"b-{number}", AT).generation

    with ThreadPoolExecutor(6) as threads:
        generations = list(threads.map(change, numbers))
    assert sorted(generations) == list(range(2, 14))
    served = newest_release(lake)
    last = int(served.latest["b"].removeprefix("b-"))
    assert generations[last - 1] == 13
    assert served.rolled_back == sorted(f"key of b-{number}" for number in numbers if number > last)


def test_whatever_happens_there_is_a_latest_model_that_is_served(lake):
    """Rollbacks, prunes and activations in every order."""
    steps = {
        "run": lambda turn: activate(lake, release(*(model(f"b-{n}") for n in range(1, turn + 3)), version=turn)),
        "back": lambda _: rollback(lake, newest_release(lake).models[-2].id, AT),
        "prune": lambda _: mark_pruned(lake, ["b-1", "b-2"], AT),
    }
    activate(lake, release(model("b-1"), model("b-2"), version=0))
    turn = 0
    for order in itertools.product(steps, repeat=4):
        for step in order:
            turn += 1
            try:
                steps[step](min(turn // 20 + 1, 4))
            except LumbungError as error:
                assert "pruned" in str(error)
            served = newest_release(lake)
            assert not find(served, "b-latest").pruned
            assert find(served, "b-latest").key not in served.rolled_back


def test_documents_of_earlier_releases_are_read(lake):
    lake.write(
        f"{RELEASES}/manifest-000001.json",
        b'{"generation": 1, "by": "count:5", "models": [], "latest": {}, "created_at": "2026-11-29T01:00:00Z"}',
    )
    assert (newest_release(lake).version, newest_release(lake).rolled_back) == (0, [])
