"""Activate: the API serves the models of a published version from one compare-and-swap on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lumbung.models.release import RELEASES, Release, ReleasedModel, Scheme, newest_release
from lumbung.pipeline.publish import SUPERSEDED
from lumbung.pipeline.run import Run, Step
from lumbung.pipeline.target import Target
from lumbung.serving import published
from lumbung.storage.manifest import commit
from lumbung.systems.stream_models.titles import put_titles
from lumbung.systems.stream_models.version import SYSTEM, version_of

LEASE = f"release/{SYSTEM}"


def activate(run: Run, target: Target) -> Step:
    """Release the models of the version that the run has published; never over those of a newer one.

    Models that a rollback put aside stay so. Nothing is released where nothing is different.
    """
    version = version_of(run, target)
    with run.lake.lease(LEASE):
        before = newest_release(run.lake)
        if before and before.version > version.generation:
            return Step(table=RELEASES, note=SUPERSEDED, skipped=True)
        rolled_back = before.rolled_back if before else []
        release = Release(
            generation=0,
            version=version.generation,
            by=version.plan.by,
            models=version.models,
            latest=latest(version.models, rolled_back),
            rolled_back=[key for key in rolled_back if key in {model.key for model in version.models}],
            titles=put_titles(run.lake, run.catalog, run.settings.data_source),
            drift=_drift(run),
            created_at=datetime.now(UTC),
        )
        if before and _content(before) == _content(release):
            return Step(table=RELEASES, rows_out=0, note=f"release {before.generation} has them already")
        made = commit(run.lake, RELEASES, lambda generation: release.model_copy(update={"generation": generation}))
    names = ", ".join(made.latest.values())
    return Step(table=RELEASES, rows_out=len(made.models), note=f"release {made.generation}; latest: {names}")


def latest(models: list[ReleasedModel], rolled_back: list[str]) -> dict[Scheme, str]:
    """The id of each scheme's last model that was not rolled back and whose file is there.

    Args:
        models: by scheme and number.
        rolled_back: keys of models that do not become the latest.
    """
    return {model.scheme: model.id for model in models if model.key not in rolled_back and not model.pruned}


def _drift(run: Run) -> list[dict[str, Any]]:
    sql = "SELECT * FROM {0} ORDER BY batch, feature"
    return published.rows(run.warehouse, sql, "datamart.model_drift", command="lumbung models run")


def _content(release: Release) -> dict[str, Any]:
    return release.model_dump(exclude={"generation", "created_at", "version"})
