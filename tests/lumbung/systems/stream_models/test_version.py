"""Versions: what they say of their models."""

from datetime import UTC, datetime

import pytest

from lumbung.models.release import Metric
from lumbung.storage.lake import FolderLake
from lumbung.storage.manifest import DataFile
from lumbung.systems.stream_models.activity_batch import ActivityBatch
from lumbung.systems.stream_models.training import MODELS, Evaluation, Trained, model_path
from lumbung.systems.stream_models.version import Plan, released

AT = datetime(2026, 11, 29, tzinfo=UTC)


def batch(by: str, number: int, content: str) -> ActivityBatch:
    file = DataFile(path=f"batches/{content}.parquet", rows=5, bytes=7, sha256=content * 64)
    return ActivityBatch(
        generation=1, by=by, number=number, start=None, end=None, first_seq=None, last_seq=None,
        rows=5, rejected=0, file=file, ranges=[], days={},
    )  # fmt: skip


def train(lake: FolderLake, key: str) -> None:
    """Write down that a model is trained."""
    file = DataFile(path=model_path(key), rows=5, bytes=7, sha256="c" * 64)
    training = Trained(
        key=key, file=file, trainer="arrow", engine="sail", rows=5, kinds=["rating"], seconds=1, trained_at=AT
    )
    lake.write(f"{MODELS}/{key}.json", training.model_dump_json().encode())


@pytest.fixture
def lake(tmp_path):
    return FolderLake(tmp_path.as_uri(), tmp_path)


def test_a_metric_names_the_batch_by_the_way_to_cut_that_it_is_shown_for(lake):
    """Two ways to cut may cut the same: then the models and their evaluations are the same files."""
    by_count = [batch("count:5", 1, "a"), batch("count:5", 2, "b")]
    by_window = [batch("event:5m", 20261129080000, "a"), batch("event:5m", 20261129080500, "b")]
    plans = [Plan(by=one[0].by, trainer="arrow", schemes=["a"], batches=one) for one in (by_count, by_window)]
    model, same = (plan.models()[0] for plan in plans)
    assert (model.key, model.evaluation) == (same.key, same.evaluation)
    train(lake, model.key)
    metrics = {"rating_rmse": Metric(value=0.9, baseline=1.0, batch=2, rows=5)}
    document = Evaluation(key=model.key, sha256=by_count[1].file.sha256, metrics=metrics)
    lake.write(model.evaluation, document.model_dump_json().encode())
    shown = [released(lake, plan)[0].metrics["rating_rmse"].batch for plan in plans]
    assert shown == [2, 20261129080500]


def test_a_scheme_that_was_not_asked_for_is_released_when_it_was_trained_before(lake):
    """a-1 and b-1 are the same model: alone it makes no scheme."""
    batches = [batch("count:5", 1, "a"), batch("count:5", 2, "b")]
    plans = {scheme: Plan(by="count:5", trainer="arrow", schemes=[scheme], batches=batches) for scheme in ("a", "b")}
    for model in plans["a"].models():
        train(lake, model.key)
    assert [model.id for model in released(lake, plans["a"])] == ["a-1", "a-2"]
    for model in plans["b"].models():
        train(lake, model.key)
    for plan in plans.values():
        assert [model.id for model in released(lake, plan)] == ["a-1", "a-2", "b-1", "b-2"]
