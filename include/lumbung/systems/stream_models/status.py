"""Where activity is on its way to models: batches, and the models that are trained on them."""

from __future__ import annotations

from datetime import date

from lumbung.serving.schema import Accounting, BatchStatus, ModelsStatus, ModelStatus
from lumbung.storage.lake import Lake
from lumbung.stream.landing import landings
from lumbung.systems.stream_models.activity_batch import newest_batches
from lumbung.systems.stream_models.batches import default_by
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.feed import LANDED
from lumbung.systems.stream_models.training import SCHEMES, Trainer
from lumbung.systems.stream_models.version import Plan, newest_version, released


def status(lake: Lake) -> ModelsStatus:
    """The batches and their trained models, cut and trained as in the newest version; before it, as by default."""
    version = newest_version(lake)
    trainer: Trainer = version.plan.trainer if version else "arrow"
    if version is None and not any(True for _ in landings(lake, LANDED)):
        return ModelsStatus([], [])
    by = By.parse(version.plan.by) if version else default_by(lake)
    batches = newest_batches(lake, by)
    models = released(lake, Plan(by=f"{by}", trainer=trainer, schemes=list(SCHEMES), batches=batches))
    return ModelsStatus(
        batches=[
            BatchStatus(batch.number, batch.rows, batch.rejected, batch.first_seq, batch.last_seq) for batch in batches
        ],
        models=[
            ModelStatus(
                id=model.id,
                scheme=model.scheme,
                number=model.number,
                rows=model.file.rows,
                batches=model.batches,
                kinds=model.kinds,
                metrics={name: metric.model_dump() for name, metric in model.metrics.items()},
            )
            for model in models
        ],
    )


def accounting(lake: Lake, day: date) -> Accounting:
    """The activities of the newest version's batches: rows and rejects; `day` is its label."""
    version = newest_version(lake)
    batches = version.plan.batches if version else []
    rows, rejected = sum(batch.rows for batch in batches), sum(batch.rejected for batch in batches)
    return Accounting("activity (Kafka)", day, rows + rejected, rows, rejected)
