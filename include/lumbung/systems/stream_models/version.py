"""Versions of the models: which batches make one, its models and how good they are, and which days changed.

Batches are only added or get a newer generation, so what two runs of one way to cut have seen is ordered. A run writes
down what it saw before it trains; the version is made of that, or of what a faster run has put into a version since.
Generations order the versions; no clock decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError
from lumbung.models.release import ReleasedModel, Scheme, with_basis
from lumbung.pipeline import incremental, snapshot
from lumbung.pipeline.run import Run
from lumbung.pipeline.target import Partition, Target
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import Document, Manifest, commit, newest
from lumbung.storage.warehouse import short
from lumbung.stream.landing import landings
from lumbung.systems.stream_models.activity_batch import ActivityBatch
from lumbung.systems.stream_models.feed import LANDED
from lumbung.systems.stream_models.training import (
    SCHEMES,
    Candidate,
    Trainer,
    candidates,
    evaluation,
    keys,
    trained,
)

SYSTEM, ENTITY = "stream_models", "activity"
TABLE = f"staging.{ENTITY}"
MODEL_TABLES = ("model", "model_metric")
VERSIONS = f"{snapshot.version_folder(SYSTEM)}/all"
PLANS = f"plans/{SYSTEM}"
NO_ROWS = "empty"
"""The key of a day that had rows in an earlier version, and has none now."""


class Plan(Document):
    """What a run saw when it began to train.

    Attributes:
        by: how the stream is cut into batches.
        trainer: what trains.
        schemes: which models are trained.
        batches: the newest generation of each, in order.
    """

    by: str
    trainer: Trainer
    schemes: list[Scheme]
    batches: list[ActivityBatch]

    @property
    def generations(self) -> dict[int, int]:
        """Each batch's generation, by number."""
        return {batch.number: batch.generation for batch in self.batches}

    def models(self, schemes: Sequence[Scheme] | None = None) -> list[Candidate]:
        """The models that its batches call for; by default of its schemes."""
        return candidates(self.batches, schemes or self.schemes, self.trainer)


class DayBatches(Document):
    """What a day of activities is loaded from.

    Attributes:
        key: names it: 12 hex digits of the batches' numbers and checksums.
        batches: their numbers.
        rows: activities of the day.
    """

    key: str
    batches: list[int]
    rows: int


class ModelVersion(Manifest):
    """The batches of one way to cut, their models, and how good these are.

    Attributes:
        name: names all that is in it.
        plan: the batches.
        models: all that are trained, by scheme and number.
        day: the last Jakarta day that has an activity in this version or in one before, so that it never gets earlier;
            not later than the last landing.
        landed_at: when the last activity was landed.
        days: what each Jakarta day of activities is loaded from.
    """

    name: str
    plan: Plan
    models: list[ReleasedModel]
    day: date
    landed_at: datetime
    days: dict[date, DayBatches]


def write_plan(run: Run, plan: Plan) -> None:
    """Keep what the run saw, for its later tasks."""
    run.lake.write(_plan_path(run), plan.model_dump_json(indent=2).encode())


def plan_of(run: Run) -> Plan:
    """What the run saw when it began to train.

    Raises:
        LumbungError: it was pruned since.
    """
    content = run.lake.read(_plan_path(run))
    if content is None:
        raise LumbungError(
            "the run's plan is gone", where=run.lake.address(_plan_path(run)), remedy="run the day again"
        )
    return Plan.model_validate_json(content)


def make_version(run: Run) -> ModelVersion | None:
    """Write down the run's batches with all their models; an existing version is reused when nothing came.

    Returns:
        The version; None: there is no activity yet.
    """
    lake = run.lake
    with lake.lease(f"version/{SYSTEM}"):
        plan, previous = plan_of(run), newest_version(lake)
        of_same = newest(lake, VERSIONS, ModelVersion, lambda version: version.plan.by == plan.by)
        if of_same and is_ahead(of_same.plan, plan):
            plan = of_same.plan
        if not any(batch.rows for batch in plan.batches):
            return None
        models, days = released(lake, plan), _days(plan.batches)
        landed_at = max(landing.landed_at for landing in landings(lake, LANDED))
        # An event may say that it is of a far day to come.
        newest_day = min(max(days), business_day.today(landed_at))
        last = max([newest_day, *([previous.day] if previous else [])])
        parts = [plan.by, *(f"{batch.number} {batch.generation}" for batch in plan.batches)]
        parts += [model.model_dump_json() for model in models]
        name = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        if previous and previous.name == name:
            return previous
        return commit(
            lake,
            VERSIONS,
            lambda generation: ModelVersion(
                generation=generation,
                name=name,
                plan=plan,
                models=models,
                day=last,
                landed_at=landed_at,
                days=days,
            ),
        )


def is_ahead(plan: Plan, other: Plan) -> bool:
    """Whether a plan has seen all batches of another one and more."""
    seen, others = plan.generations, other.generations
    return seen != others and all(seen.get(number, 0) >= generation for number, generation in others.items())


def released(lake: Lake, plan: Plan) -> list[ReleasedModel]:
    """The models of a plan's batches that are trained, of any scheme, with their metrics."""
    ended, with_file = keys(lake)
    models: list[ReleasedModel] = []
    for scheme in SCHEMES:
        for candidate in plan.models([scheme]):
            training = trained(lake, candidate.key) if candidate.key in ended else None
            if training is None:
                continue
            measured = evaluation(lake, candidate)
            models.append(
                ReleasedModel(
                    id=candidate.id,
                    scheme=scheme,
                    number=candidate.number,
                    key=candidate.key,
                    file=training.file,
                    batches=[batch.number for batch in candidate.batches],
                    kinds=training.kinds,
                    metrics=measured.metrics if measured else {},
                    basis="popularity",
                    pruned=candidate.key not in with_file,
                )
            )
    return with_basis(_of_schemes(models, plan.schemes))


def _of_schemes(models: Sequence[ReleasedModel], schemes: Sequence[Scheme]) -> list[ReleasedModel]:
    """Those of the schemes, and of another one that has been trained, too: a-1 and b-1 are one and the same file."""
    asked = {model.key for model in models if model.scheme in schemes}
    own = {model.scheme for model in models if model.key not in asked}
    return [model for model in models if model.scheme in schemes or model.scheme in own]


def newest_version(lake: Lake) -> ModelVersion | None:
    """The version with the highest generation."""
    return newest(lake, VERSIONS, ModelVersion, lambda _: True)


def version_of(run: Run, target: Target) -> ModelVersion:
    """The version that a target stands for.

    Raises:
        LumbungError: there is no such version.
    """
    version = newest(run.lake, VERSIONS, ModelVersion, lambda version: version.generation == target.generation)
    if version is None:
        raise LumbungError("no such version", where=run.lake.address(VERSIONS), remedy="run the day again")
    return version


def make_target(run: Run, version: ModelVersion) -> Target | None:
    """The version with the days that a run has to rebuild: those that are published otherwise, or not at all.

    Days that the warehouse would drop at once, as the BigQuery sandbox does, are left out; None: there are no others.
    Days that have no rows any more, as another way to cut leaves the last ones to a window that is open, are emptied.
    """
    days = incremental.keep(run, ENTITY, {day: batches.key for day, batches in version.days.items()})
    if not days:
        return None
    published = run.state.published()
    before = {*run.state.days(ENTITY), *(published.days if published else ())} - days.keys()
    days |= dict.fromkeys(incremental.unexpired(run, sorted(before)), NO_ROWS)
    changed, rules = incremental.changes(run, days)
    tables = [Partition(table=table, day=version.day, holds=version.generation) for table in MODEL_TABLES]
    return Target(
        system=SYSTEM,
        day=version.day,
        generation=version.generation,
        extracted_at=version.landed_at,
        provisional=version.landed_at < business_day.ends_at(version.day),
        partitions=[*(Partition(table=ENTITY, day=day, holds=days[day]) for day in changed), *tables],
        manifest=f"{VERSIONS}/manifest-{version.generation:06}.json",
        changed=changed,
        days=days,
        rules=rules,
    )


def _plan_path(run: Run) -> str:
    return f"{PLANS}/{short(run.run_id)}.json"


def _days(batches: Sequence[ActivityBatch]) -> dict[date, DayBatches]:
    batches_of: dict[date, list[ActivityBatch]] = {}
    for batch in batches:
        for day in batch.days:
            batches_of.setdefault(day, []).append(batch)
    days = {}
    for day in sorted(batches_of):
        names = "\n".join(f"{batch.number} {batch.file.sha256}" for batch in batches_of[day])
        days[day] = DayBatches(
            key=hashlib.sha256(names.encode()).hexdigest()[:12],
            batches=[batch.number for batch in batches_of[day]],
            rows=sum(batch.days[day] for batch in batches_of[day]),
        )
    return days
