"""Models whose file is no longer wanted."""

from datetime import UTC, datetime, timedelta

from lumbung.models.release import Release, ReleasedModel, activate, newest_release
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import DataFile
from lumbung.systems.stream_models.batches import make_batches, newest_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.prune import plan, prune_models
from support.activity import Activity, row

AT = datetime(2026, 11, 29, tzinfo=UTC)


def model(name: str, key: str) -> ReleasedModel:
    scheme, number = name.split("-")
    file = DataFile(path=f"models/stream_models/{key}.npz", rows=5, bytes=7, sha256="0a")
    return ReleasedModel(
        id=name, scheme=scheme, number=int(number), key=key, file=file, batches=[1], kinds=[], basis="popularity"
    )


def test_a_model_whose_file_another_one_needs_stays(tmp_path):
    """With scheme a alone b-1, which is a-1, is the latest of scheme b."""
    lake = FolderLake(tmp_path.as_uri(), tmp_path)
    models = [model("a-1", "k1"), model("a-2", "k2"), model("a-3", "k3"), model("b-1", "k1")]
    for each in models:
        lake.write(each.file.path, b"content")
    activate(lake, Release(generation=0, by="count:5", models=models, latest={}, created_at=AT))
    assert [gone.id for gone in prune_models(lake, keep=1, dry_run=False)] == ["a-2"]
    assert [each.id for each in newest_release(lake).models if each.pruned] == ["a-2"]
    assert {each.id for each in models if lake.read(each.file.path)} == {"a-1", "a-3", "b-1"}


def test_what_only_the_cut_of_a_killed_run_names_stays(tmp_path):
    """A run that was killed behind its cut has written no manifest of its batches: the next run does."""
    activity, by = Activity(tmp_path), By("count", 10)
    for first in (0, 15):
        activity.send(*map(row, range(first, first + 15)))
        made = make_batches(activity.lake, by)
    older = [file.path for file in activity.lake.files("cuts") if file.path.endswith("manifest-000001.json")]
    last = made[-1]
    activity.lake.delete(f"{last.folder}/manifest-{last.generation:06}.json")

    pruned = plan(activity.lake, datetime.now(UTC) + timedelta(hours=1))
    gone = [stored.path for stored in (*pruned.records, *pruned.data)]
    assert gone == older
    for path in gone:
        activity.lake.delete(path)
    assert make_batches(activity.lake, by) == made == newest_batches(activity.lake, by)
    assert activity.lake.read(last.file.path)
