"""The operators of the DAG `tweets`: one a step; heavy imports are inside."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from lumbung_airflow.operators import BuildOperator, PublishOperator, StepOperator

if TYPE_CHECKING:
    from lumbung.pipeline.run import Run, Step
    from lumbung.systems.cilvest.steps import TweetTarget

VERSION = "version"


class CollectOperator(StepOperator):
    """Collect tweets into the spool, from the run's source."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.systems.cilvest import steps as tweets

        return tweets.collect(run, _source(run, context), context["params"].get("path"))


class ShipOperator(StepOperator):
    """Send the spool to Kafka."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.systems.cilvest import steps as tweets

        return tweets.ship(run, _source(run, context))


class LandOperator(StepOperator):
    """Land in the lake what Kafka holds now."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.systems.cilvest import steps as tweets

        return tweets.land(run)


class VersionOperator(StepOperator):
    """Write down what is landed, and decide which days are made anew; skipped where nothing was ever landed."""

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: D102
        from lumbung.systems.cilvest.steps import NOTHING_LANDED

        step = super().execute(context)
        if step["note"] == NOTHING_LANDED:
            raise AirflowSkipException(step["note"])
        return step

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.pipeline.run import Step
        from lumbung.systems.cilvest import steps as tweets

        version = tweets.make_version(run.lake)
        if version is None:
            return Step(table=run.system, note=tweets.NOTHING_LANDED)
        target = tweets.target(run, version)
        told = [target.generation, [f"{day}" for day in target.changed], target.rules]
        context["ti"].xcom_push(key="target", value=told)
        return Step(
            table=run.system,
            rows_in=version.rows_read,
            rows_out=version.rows_kept,
            rows_rejected=version.rows_rejected,
            note=f"generation {version.generation}; {len(target.changed)} of {len(version.days)} days changed",
        )


class TweetRejectedOperator(StepOperator):
    """Rebuild `staging.rejected_row` of the days that have new rejects."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.systems.cilvest import steps as tweets

        return tweets.load_rejected(run)


class CleanOperator(StepOperator):
    """Clean the days that changed, by Sail in this process or on a Spark Connect server."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.systems.cilvest import steps as tweets

        return tweets.clean(run, _target(run, context))


class PlanOperator(StepOperator):
    """Put in the lake what Dataproc needs to clean the days that changed; skipped where there is nothing to clean."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Keep the step, and return `asdict(lumbung.spark.dataproc.Staged)`."""
        step = super().execute(context)
        if self.staged is None:
            raise AirflowSkipException(step["note"])
        return asdict(self.staged)

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.systems.cilvest import steps as tweets

        step, self.staged = tweets.plan(run, _target(run, context))
        return step


class TweetLoadOperator(StepOperator):
    """Load the days that changed into their staging partitions."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.systems.cilvest import steps as tweets

        return tweets.load_days(run, _target(run, context))


class TweetBuildOperator(BuildOperator):
    """Build one table privately and check it."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.pipeline.build import build

        return build(run, run.catalog[self.address], _target(run, context))


class TweetPublishOperator(PublishOperator):
    """Publish all tables of the run at once; skipped where a newer version has replaced them."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.pipeline.publish import publish

        target = _target(run, context)
        return publish(run, target, target)


class IndexOperator(StepOperator):
    """Index in the search server the days that it does not have yet."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.systems.cilvest import steps as tweets

        return tweets.index(run, _target(run, context))


def _source(run: Run, context: Context) -> str:
    return context["params"].get("source") or run.settings.tweet_source


def _target(run: Run, context: Context) -> TweetTarget:
    from lumbung.systems.cilvest import steps as tweets

    told: list[Any] = context["ti"].xcom_pull(task_ids=VERSION, key="target")
    generation, changed, rules = told
    return tweets.target_of(run, generation, [date.fromisoformat(day) for day in changed], rules)
