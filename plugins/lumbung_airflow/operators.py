"""One operator a step of a run; heavy imports are inside, as LocalExecutor parses the DAG file for each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from lumbung.core.errors import LumbungError, SourceUnavailableError
from lumbung_airflow.day import run_day

if TYPE_CHECKING:
    from lumbung.core.settings import Settings
    from lumbung.pipeline.run import Run, Step
    from lumbung.storage.warehouse import Warehouse

START, SNAPSHOT = "start", "snapshot"


class StepOperator(BaseOperator):
    """A step of a run; what it did is kept in the lake and returned.

    Args:
        system: whose tables the run makes.

    Raises:
        AirflowFailException: the step cannot succeed by being tried again.
        AirflowException: the warehouse did not answer; Airflow tries again.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, *, system: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.system = system

    def step(self, run: Run, context: Context) -> Step:
        """Do the work."""
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, Any]:
        """Do the step and keep what it did."""
        from lumbung.pipeline import run as runs

        began = datetime.now(UTC)
        try:
            run = self._run(context)
            try:
                step = self.step(run, context)
            except LumbungError as error:
                runs.record(run, self.task_id, began, runs.Step(table=self.table, note=f"failed: {error}"))
                raise
            runs.record(run, self.task_id, began, step)
        except LumbungError as error:  # also of a setting, the credentials, or a lake that cannot be written
            raise _airflow_error(error) from None
        self.log.info("%s", _sentence(step))
        return asdict(step)

    @property
    def table(self) -> str:
        """What the step is about, as `ops.run_audit` names it."""
        return self.task_id

    def _run(self, context: Context) -> Run:
        from lumbung.core import settings
        from lumbung.pipeline.run import Run

        started = context["ti"].xcom_pull(task_ids=START)
        if started is None:
            raise AirflowSkipException(f"nothing to do: the task {START} failed, its log says why")
        loaded, first = settings.load(), started["refresh_from"]
        return Run(
            settings=loaded,
            warehouse=_warehouse(loaded),
            system=self.system,
            run_id=context["dag_run"].run_id,
            day=date.fromisoformat(started["day"]),
            started_at=datetime.fromisoformat(started["started_at"]),
            refresh=started["refresh"],
            refresh_from=first and date.fromisoformat(first),
            identity=started["identity"],
        )


class StartOperator(BaseOperator):
    """Resolve the run's day, once for all its tasks, and see that the warehouse is there."""

    def __init__(self, *, system: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.system = system

    def execute(self, context: Context) -> dict[str, Any]:
        """Return day, start of the run, whether to refresh and from which day on, and the warehouse's identity."""
        from lumbung.core import settings
        from lumbung.pipeline import run as runs

        day = run_day(context)
        started_at = datetime.now(UTC)
        refresh, first = bool(context["params"].get("refresh")), context["params"].get("refresh_from")
        try:
            loaded = settings.load()
            run = runs.Run(
                settings=loaded,
                warehouse=_warehouse(loaded),
                system=self.system,
                run_id=context["dag_run"].run_id,
                day=day,
                started_at=started_at,
                refresh=refresh,
            )
            identity = runs.start(run)
        except LumbungError as error:
            raise _airflow_error(error) from None
        self.log.info("The run is for %s.", day)
        return {
            "day": f"{day}",
            "started_at": started_at.isoformat(),
            "refresh": refresh,
            "refresh_from": first,
            "identity": identity,
        }


class SourceOperator(StepOperator):
    """A step of one source.

    Args:
        entity: the source's staging table, without its data set.
    """

    def __init__(self, *, entity: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.entity = entity

    @property
    def table(self) -> str:  # noqa: D102
        return f"staging.{self.entity}"


class ExtractOperator(SourceOperator):
    """Take one source for the day, or reuse its snapshot."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.extract import extract
        from lumbung.pipeline.run import Step

        contract = run.catalog[self.table]
        source = contract.source
        assert source
        snapshot, taken = extract(
            contract,
            run.day,
            lake=run.lake,
            data_source=run.settings.data_source,
            dsn=_dsn(source.connection) if source.connection else None,
            started_at=run.started_at,
            refresh=run.refresh,
        )
        return Step(
            table=self.table,
            rows_in=snapshot.rows_read,
            rows_out=snapshot.rows_kept,
            rows_rejected=snapshot.rows_rejected,
            bytes=snapshot.file.bytes if snapshot.file else 0,
            note="; ".join(
                filter(None, [f"generation {snapshot.generation}" + ("" if taken else ", reused"), snapshot.note])
            ),
        )


class SnapshotOperator(StepOperator):
    """Check references between the day's snapshots and decide which version the tables are built from."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.pipeline.references import make_version
        from lumbung.pipeline.run import Step
        from lumbung.pipeline.snapshot import newest_version

        own = make_version(run.sources, run.system, run.day, run.lake)
        target = newest_version(run.lake, run.system) or own
        for name, version in (("own", own), ("target", target)):
            context["ti"].xcom_push(key=name, value=[f"{version.day}", version.generation])
        members = own.members.values()
        return Step(
            table=run.system,
            rows_in=sum(one.rows_read for one in members),
            rows_out=sum(one.file.rows for one in members),
            rows_rejected=sum(one.rows_rejected for one in members),
            note=f"version {own.day} generation {own.generation}; dwh from {target.day} generation {target.generation}",
        )


class LoadOperator(SourceOperator):
    """Load one source's rows of the day into its staging partition."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.pipeline.load import load

        return load(run, run.catalog[self.table], run.version(_version(context, "target")))


class BuildOperator(StepOperator):
    """Build one table privately and check it."""

    def __init__(self, *, address: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.address = address

    @property
    def table(self) -> str:  # noqa: D102
        return self.address

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.pipeline.build import build

        return build(run, run.catalog[self.address], run.version(_version(context, "target")))


class PublishOperator(StepOperator):
    """Publish all tables of the run at once; skipped where a newer version has replaced all of them."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: D102
        from lumbung.pipeline.publish import publish

        return publish(run, run.version(_version(context, "own")), run.version(_version(context, "target")))

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish; skip when nothing was to be published."""
        step = super().execute(context)
        if not step["rows_out"]:
            raise AirflowSkipException(step["note"])
        return step


class RejectedOperator(StepOperator):
    """Rebuild the day's `staging.rejected_row`; it runs whatever became of the extracts."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.operations import load_rejected

        return load_rejected(run)


class AuditOperator(StepOperator):
    """Drop the run's build tables and rebuild the day's `ops.run_audit`; it runs whatever became of the others."""

    def step(self, run: Run, context: Context) -> Step:  # noqa: ARG002, D102
        from lumbung.pipeline.operations import load_audit
        from lumbung.pipeline.publish import drop_builds

        drop_builds(run)
        return load_audit(run)


def _warehouse(settings: Settings) -> Warehouse:
    from lumbung.storage.warehouse import Warehouse

    if settings.warehouse != "bigquery":
        return Warehouse(settings)
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

    return Warehouse(settings, lambda: GoogleBaseHook(gcp_conn_id="google_cloud_default").get_credentials())


def _dsn(connection: str) -> str | None:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    hook = PostgresHook(postgres_conn_id=connection)
    try:
        extra = hook.get_connection(connection).extra_dejson
    except AirflowNotFoundException:
        return None
    # The hook's address names SQLAlchemy's driver, which PostgreSQL's own library does not know, and lacks what
    # follows the `?` of the connection's, such as sslmode.
    address = urlsplit(hook.get_uri())
    options = {name: value for name, value in extra.items() if name not in hook.ignored_extra_options}
    return address._replace(scheme="postgresql", query=urlencode(options, quote_via=quote)).geturl()


def _version(context: Context, name: str) -> tuple[str, int]:
    day, generation = context["ti"].xcom_pull(task_ids=SNAPSHOT, key=name)
    return day, generation


def _airflow_error(error: LumbungError) -> AirflowException:
    from lumbung.search.cluster import UnavailableError as SearchUnavailableError
    from lumbung.storage.warehouse import UnavailableError
    from lumbung.stream.kafka import KafkaUnavailableError

    passing = (UnavailableError, SourceUnavailableError, KafkaUnavailableError, SearchUnavailableError)
    retried = isinstance(error, passing)
    return AirflowException(str(error)) if retried else AirflowFailException(str(error))


def _sentence(step: Step) -> str:
    counts = [
        f"{value:,} {name}"
        for name, value in (("rows in", step.rows_in), ("rows out", step.rows_out), ("rejected", step.rows_rejected))
        if value is not None
    ]
    return f"{step.table}: {', '.join(counts) or 'done'}{f' ({step.note})' if step.note else ''}"
