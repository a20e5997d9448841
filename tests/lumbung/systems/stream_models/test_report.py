"""What the report page shows of models: learning curves, drift, a sample; whatever texts are in the data."""

from dataclasses import replace

import pytest

from lumbung.report import render
from lumbung.serving.schema import ModelAnswers, ModelDrift, ModelQuality, Section
from lumbung.systems.stream_models.report import Course, Learning, Sample
from support.report_data import HOSTILE, empty


def quality(name: str, metric: str = "recall_at_20", value: float | None = 0.25, **changes: object) -> ModelQuality:
    scheme, number = name.split("-")
    higher = metric == "recall_at_20"
    row = ModelQuality(
        model_id=name,
        scheme=scheme,
        number=int(number),
        training_count=100,
        kind="recommendation" if higher else "rating",
        metric=metric,
        better="higher" if higher else "lower",
        batch=int(number) + 1,
        measured_count=10,
        value=value,
        baseline=0.2,
        truth=0.5,
        ratio_to_baseline=1.25,
        ratio_to_truth=0.5,
        beats_baseline=True,
        served="als",
    )
    return replace(row, **changes)


def drift(psi: float | None, level: str | None, batch: int = 2) -> ModelDrift:
    return ModelDrift(batch, batch - 1, "minutes", 100, 0, 30.0, 20.0, psi, level)


def page(learning: Learning) -> str:
    section = Section("Stream models", ("Laporan model", "Model report"), "stream_models/report.html.j2", learning)
    return render(replace(empty(), sections=[section]))


def test_a_and_b_of_one_number_stand_side_by_side():
    rows = [quality("a-1"), quality("b-1", value=0.375), quality("b-2", value=0.4375), quality("a-3", value=None)]
    learning = Learning(ModelAnswers([*rows, quality("a-1", "rating_rmse", 0.75, truth=None)], []))
    assert [curve.metric for curve in learning.curves] == ["recall_at_20", "rating_rmse"], "recommendations first"
    recall = learning.curves[0]
    assert [point.number for point in recall.points] == [1, 2]
    assert (recall.points[0].a.value, recall.points[0].b.value, recall.points[1].a) == (0.25, 0.375, None)
    assert (recall.points[1].baseline, recall.points[1].truth, recall.most) == (0.2, 0.5, 0.5)
    shown = page(learning)
    assert "0.438" in shown
    assert "0,438" in shown
    assert "Rekomendasi" in shown


def test_only_what_drifted_is_shown():
    learning = Learning(ModelAnswers([], [drift(None, None, 1), drift(0.05, "stable"), drift(0.3, "drifted", 3)]))
    assert [row.batch for row in learning.drifted] == [3]
    assert "0.300" in page(learning)
    assert "every batch is like the one before it" in page(Learning(ModelAnswers([], [])))


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_the_data_are_shown_and_never_run(text):
    sample = Sample("b-1", "als", text, 3, [Course(text or "c", text)])
    shown = page(Learning(ModelAnswers([quality("b-1")], []), [sample]))
    assert "<script>document" not in shown
    assert 'onerror="' not in shown
    assert 'onload="' not in shown
