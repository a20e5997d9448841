"""Activate: the API serves the models of a published version from one compare-and-swap on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lumbung.models import release as releases
from lumbung.models.release import RELEASES, Release, newest_release
from lumbung.pipeline.publish import SUPERSEDED
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.serving import published
from lumbung.systems.stream_models.titles import put_titles
from lumbung.systems.stream_models.version import SYSTEM, version_of

LEASE = f"release/{SYSTEM}"


def activate(run: Run, target: Target) -> Step:
    """Release the models of the version that the run has published; never over those of a newer one.

    Models that a rollback put aside stay so. Nothing is released where nothing is different.
    """
    version = version_of(run, target)
    skipped = Step(table=RELEASES, note=SUPERSEDED, skipped=True)
    with run.lake.lease(LEASE):
        shown = run.state.published()
        if shown and shown.order > target.order:  # between this run's publish and now
            return skipped
        before = newest_release(run.lake)
        release = Release(
            generation=0,
            version=version.generation,
            by=version.plan.by,
            models=version.models,
            latest={},
            titles=put_titles(run.lake, run.catalog, run.settings.data_source),
            drift=_drift(run),
            created_at=datetime.now(UTC),
        )
        served = releases.activate(run.lake, release)
    if served.version > version.generation:
        return skipped
    is_new = before is None or served.generation > before.generation
    note = f"release {served.generation}{'' if is_new else ', which has them already'}"
    return Step(
        table=RELEASES,
        rows_out=len(served.models) if is_new else 0,
        note=f"{note}; latest: {', '.join(served.latest.values())}",
    )


def _drift(run: Run) -> list[dict[str, Any]]:
    sql = "SELECT * FROM {0} ORDER BY batch, feature"
    return published.rows(run.warehouse, sql, "datamart.model_drift", command="lumbung models run")
