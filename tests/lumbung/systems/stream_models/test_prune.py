"""Models whose file is no longer wanted."""

from datetime import UTC, datetime

from lumbung.models.release import Release, ReleasedModel, activate, newest_release
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import DataFile
from lumbung.systems.stream_models.prune import prune_models

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
