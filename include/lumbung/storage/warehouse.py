"""The warehouse: BigQuery through its own client, real or local by address alone.

Every load, query-to-table and copy job carries WRITE_TRUNCATE and CREATE_IF_NEEDED. No DML and no streaming insert.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from lumbung.catalog.contract import Contract
from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.run_name import short as short
from lumbung.core.settings import EMULATOR_VARIABLE, Settings
from lumbung.storage import columns, job_config
from lumbung.storage.client_errors import JobFailedError, MissingError, translated
from lumbung.storage.stamp import Stamp

if TYPE_CHECKING:
    import pyarrow as pa
    from google.auth.credentials import Credentials

BUILD = "build"
BUILD_HOURS = 24
WRITE = bigquery.WriteDisposition.WRITE_TRUNCATE
CREATE = bigquery.CreateDisposition.CREATE_IF_NEEDED
PARTITION_KEY = "%Y%m%d"
PAGE_ROWS = 500_000  # of a result; more than fit into one of BigQuery's answers, which are limited by their size
JOB_WAITS = (1.0, 5.0)  # seconds before another query job is tried, where one failed by BigQuery's own fault


@dataclass(frozen=True)
class Job:
    """A finished job: rows written, bytes processed, seconds."""

    job_id: str
    rows: int
    bytes: int
    seconds: float


class Warehouse:
    """Tables of one project, by `<dataset>.<table>` address.

    Args:
        settings: project, location and prefix.
        credentials: gives what to sign in with; None: Application Default Credentials. A local server asks for none.
    """

    def __init__(self, settings: Settings, credentials: Callable[[], Credentials] | None = None) -> None:
        self.settings = settings
        local = settings.warehouse != "bigquery"
        # A local server that is gone does not come back by waiting; Google's own may.
        self.retry: Retry = DEFAULT_RETRY.with_timeout(60 if local else 300)
        if local:
            from google.auth.credentials import AnonymousCredentials

            if settings.emulator_host is None:
                raise LumbungError("no warehouse", where="LUMBUNG_PROJECT", remedy="set it, or run lumbung up")
            credentials = AnonymousCredentials
        elif os.environ.get(EMULATOR_VARIABLE) == "":
            del os.environ[EMULATOR_VARIABLE]  # the client would take it for an address
        with self.translated("the client"):
            self.client = bigquery.Client(
                project=settings.project_id,
                credentials=credentials() if credentials else None,
                location=settings.location,
                client_options={"api_endpoint": settings.emulator_host} if local else None,
            )

    def translated(self, where: str) -> contextlib.AbstractContextManager[None]:
        """Turn the client's errors into ours; `where` is the table or job they are about."""
        return translated(where, self.settings.emulator_host or "BigQuery")

    def dataset(self, name: str) -> str:
        """`<project>.<prefix><dataset>`."""
        return f"{self.settings.project_id}.{self.settings.dataset_prefix}{name}"

    def table(self, address: str) -> str:
        """`<project>.<prefix><dataset>.<table>` of a `<dataset>.<table>`."""
        dataset, table = address.split(".", 1)
        return f"{self.dataset(dataset)}.{table}"

    def build_table(self, address: str, run_id: str) -> str:
        """The full name of a run's private build of a table."""
        return f"{self.dataset(BUILD)}.{short(run_id)}__{address.replace('.', '__')}"

    def ensure_datasets(self, names: Sequence[str]) -> None:
        """Make the data sets that are missing; the build one's tables expire by themselves."""
        with self.translated(self.settings.project_id):
            existing = {item.dataset_id for item in self.client.list_datasets(retry=self.retry)}
        for name in [*names, BUILD]:
            if f"{self.settings.dataset_prefix}{name}" in existing:
                continue
            dataset = bigquery.Dataset(self.dataset(name))
            dataset.location = self.settings.location
            dataset.labels = {"managed_by": "lumbung"}
            if name == BUILD:
                dataset.default_table_expiration_ms = BUILD_HOURS * 3600 * 1000
            with self.translated(self.dataset(name)):
                self.client.create_dataset(dataset, exists_ok=True, retry=self.retry)

    def identity(self) -> str:
        """Which warehouse this is; another one when the data sets were dropped and made again.

        Raises:
            SettingError: the data sets are in another location than LUMBUNG_LOCATION; BigQuery would not find them.
        """
        name = self.dataset("ops")
        with self.translated(name):
            dataset = self.client.get_dataset(name, retry=self.retry)
        if dataset.location and dataset.location.lower() != self.settings.location.lower():
            raise SettingError(
                f"the data set {name} is in {dataset.location}, not in {self.settings.location}",
                where="LUMBUNG_LOCATION",
                remedy=f"set it to {dataset.location}, or set another LUMBUNG_DATASET_PREFIX",
            )
        return f"{name}@{dataset.created:%Y%m%dT%H%M%S%f}"

    def partition_limit_days(self, names: Sequence[str]) -> int | None:
        """Days after which the data sets' partitions expire, counted from their own date; None: they never do.

        The least of all counts: a day that one table drops is not whole. An expiration of whole tables counts too, as
        it is not documented which of the two the sandbox sets; but not that of the build tables, which is ours.
        """
        limits: list[int | None] = []
        for name in [*names, BUILD]:
            with contextlib.suppress(MissingError), self.translated(self.dataset(name)):
                dataset = self.client.get_dataset(self.dataset(name), retry=self.retry)
                limits.append(dataset.default_partition_expiration_ms)
                if name != BUILD:
                    limits.append(dataset.default_table_expiration_ms)
                    tables = self.client.list_tables(dataset, retry=self.retry)
                    limits += [table.time_partitioning.expiration_ms for table in tables if table.time_partitioning]
        least = min(filter(None, limits), default=None)
        return None if least is None else int(least) // (24 * 3600 * 1000)

    def load(
        self,
        contract: Contract,
        source: Path | Sequence[str],
        day: date | None,
        labels: Mapping[str, str],
        *,
        job_id: str | None = None,
    ) -> Job:
        """Load Parquet into a table, or into one partition of it.

        Args:
            contract: the table.
            source: a local file, or addresses of files that BigQuery reads itself.
            day: the partition to replace; None: the whole table.
            labels: the job's labels.
            job_id: the job's id, where others must know it beforehand.
        """
        target = self.table(contract.address) + (f"${day.strftime(PARTITION_KEY)}" if day else "")
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=columns.bigquery_schema(contract),
            autodetect=False,
            write_disposition=WRITE,
            create_disposition=CREATE,
            labels=job_config.labels(labels),
        )
        columns.partition(config, contract)
        config.parquet_options = job_config.list_inference()
        if day:  # a column that was added to the contract is added to the table; elsewhere the schema is replaced
            config.schema_update_options = [bigquery.SchemaUpdateOption.ALLOW_FIELD_ADDITION]
        job_id = job_id or job_config.new_id("load", contract.address)

        def upload(file: Path) -> Any:
            with file.open("rb") as opened:
                return self.client.load_table_from_file(
                    opened, target, job_id=job_id, job_config=config, rewind=True, num_retries=3
                )

        def start() -> Any:
            if isinstance(source, Path):
                try:
                    return upload(source)
                except api.NotFound as error:
                    if "upload_id=" not in str(error):
                        raise
                    return upload(source)  # the server forgot the upload that was begun, and has no job yet
            return self.client.load_table_from_uri(
                list(source), target, job_id=job_id, job_config=config, retry=self.retry
            )

        job, _, seconds = self._finish(target, job_id, start)
        return Job(job.job_id, int(job.output_rows or 0), int(job.output_bytes or 0), seconds)

    def build(
        self, contract: Contract, sql: str, target: str, parameters: Mapping[str, Any], labels: Mapping[str, str]
    ) -> Job:
        """Write a query's result to a private build table.

        Args:
            contract: the table.
            sql: its query, rendered.
            target: full name of the build table.
            parameters: the query's parameters by name: DATE, STRING, INT64 or ARRAY<DATE>.
            labels: the job's labels.
        """
        config = self._query_config(parameters, labels)
        config.destination = target
        config.write_disposition = WRITE
        config.create_disposition = CREATE
        columns.partition(config, contract)
        job, result, seconds = self._query(target, sql, config)
        return Job(job.job_id, int(result.total_rows or 0), int(job.total_bytes_processed or 0), seconds)

    def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        where: str = "query",
        labels: Mapping[str, str] | None = None,
    ) -> pa.Table:
        """A query's result.

        Args:
            sql: the query.
            parameters: its parameters by name.
            where: what it is about, for errors.
            labels: the job's labels; None: those of a reader.
        """
        _, result, _ = self._query(where, sql, self._query_config(parameters or {}, labels or {"part": "read"}))
        with self.translated(where):
            return result.to_arrow(create_bqstorage_client=False)

    def dry_run(self, sql: str) -> int:
        """Bytes that a query would process."""
        config = self._query_config({}, {"part": "read"})
        config.dry_run, config.use_query_cache = True, False
        with self.translated("query"):
            job = self.client.query(sql, job_config=config, retry=self.retry)
        return int(job.total_bytes_processed or 0)

    def copy(self, pairs: Sequence[tuple[str, str]], labels: Mapping[str, str], job_ids: Sequence[str]) -> list[Job]:
        """Replace tables or partitions by copies, all started together; each one is atomic, all of them are not.

        Args:
            pairs: full names of source and target; a partition as `<table>$YYYYMMDD`.
            labels: the jobs' labels.
            job_ids: an id for each pair.
        """
        labels = job_config.labels(labels)
        config = bigquery.CopyJobConfig(write_disposition=WRITE, create_disposition=CREATE, labels=labels)

        def started(pair: tuple[str, str], job_id: str) -> Any:
            with self.translated(pair[1]):
                start = partial(self.client.copy_table, *pair, job_id=job_id, job_config=config, retry=self.retry)
                return self._started(job_id, start)

        began = time.monotonic()
        with ThreadPoolExecutor(max(1, len(pairs))) as pool:
            started_jobs = list(pool.map(started, pairs, job_ids))
        jobs = []
        for (_, target), job in zip(pairs, started_jobs, strict=True):
            with self.translated(target):
                self._wait(job)
            jobs.append(Job(job.job_id, 0, 0, round(time.monotonic() - began, 3)))
        return jobs

    def settle(self, job_ids: Sequence[str]) -> None:
        """Wait until load or copy jobs of a killed process are over: a late one would undo what is written after it."""
        for job_id in job_ids:
            with contextlib.suppress(MissingError), self.translated(job_id):
                self._until_done(self.client.get_job(job_id, retry=self.retry))

    def ensure_table(self, contract: Contract) -> None:
        """Make a table that is missing, empty and partitioned: a copy job into a partition needs one that is there."""
        name = self.table(contract.address)
        if self.exists(name):
            return
        table = bigquery.Table(name, schema=columns.bigquery_schema(contract))
        columns.partition(table, contract)
        with self.translated(name):
            self.client.create_table(table, exists_ok=True, retry=self.retry)

    def describe(self, contract: Contract, labels: Mapping[str, str]) -> Stamp:
        """Put a table's description, labels and column descriptions (back): truncation drops them.

        Nothing is sent where nothing changes, as BigQuery's quotas count that too.

        Args:
            contract: the table.
            labels: its labels, beside those that every table has.

        Returns:
            The table's times afterwards.
        """
        labels = job_config.labels({"managed_by": "lumbung", "system": contract.system, **labels})
        with self.translated(contract.address):
            existing = self.client.get_table(self.table(contract.address), retry=self.retry)
            if not columns.describe(existing, contract, labels):
                return Stamp.of(existing)
            # Not the table that was read: its etag would refuse the patch when another job wrote it in between.
            table = bigquery.Table(existing.reference, schema=existing.schema)
            table.description, table.labels = existing.description, existing.labels
            return Stamp.of(self.client.update_table(table, ["description", "labels", "schema"], retry=self.retry))

    def stamp(self, name: str) -> Stamp | None:
        """A table's times, by its full name; None: there is none."""
        with contextlib.suppress(MissingError), self.translated(name):
            return Stamp.of(self.client.get_table(name, retry=self.retry))
        return None

    def created(self, name: str) -> datetime | None:
        """When a table was made, by its full name; None: there is none. Its rows and partitions may be newer."""
        return stamp.created if (stamp := self.stamp(name)) else None

    def exists(self, name: str) -> bool:
        """Whether a table of that full name is there."""
        return self.stamp(name) is not None

    def drop(self, name: str) -> None:
        """Delete a table by full name; nothing happens where there is none."""
        with self.translated(name):
            self.client.delete_table(name, not_found_ok=True, retry=self.retry)

    def build_tables(self) -> Iterator[tuple[str, datetime | None]]:
        """Full names of the build tables that are there, and when each was made."""
        with self.translated(self.dataset(BUILD)):
            for item in self.client.list_tables(self.dataset(BUILD), retry=self.retry):
                yield f"{item.project}.{item.dataset_id}.{item.table_id}", item.created

    def _query_config(self, parameters: Mapping[str, Any], labels: Mapping[str, str]) -> bigquery.QueryJobConfig:
        config = bigquery.QueryJobConfig(
            query_parameters=[job_config.parameter(name, value) for name, value in parameters.items()],
            labels=job_config.labels(labels),
        )
        if self.settings.max_bytes_billed:
            config.maximum_bytes_billed = self.settings.max_bytes_billed
        return config

    def _query(self, where: str, sql: str, config: bigquery.QueryJobConfig) -> tuple[Any, Any, float]:
        """Run a query: the job, its result, seconds.

        A job that failed by BigQuery's own fault is tried again under a new id: our queries read, or replace a table of
        the run's own. Load and copy jobs have ids that are written down before, so there the step is tried again.
        """
        for wait in JOB_WAITS:
            with contextlib.suppress(JobFailedError):
                return self._query_once(where, sql, config)
            time.sleep(wait)
        return self._query_once(where, sql, config)

    def _query_once(self, where: str, sql: str, config: bigquery.QueryJobConfig) -> tuple[Any, Any, float]:
        job_id = job_config.new_id("query", where)
        start = partial(self.client.query, sql, job_id=job_id, job_config=config, retry=self.retry, job_retry=None)
        # With a page's size, the answer that the query is done brings the first page; else that is asked for by itself.
        return self._finish(where, job_id, start, **({} if config.destination else {"page_size": PAGE_ROWS}))

    def _finish(self, where: str, job_id: str, start: Callable[[], Any], **options: Any) -> tuple[Any, Any, float]:
        """Start a job and wait for it, with options of its `result`: the job, its result, seconds."""
        began = time.monotonic()
        with self.translated(where):
            job = self._started(job_id, start)
            result = self._wait(job, **options)
        return job, result, round(time.monotonic() - began, 3)

    def _started(self, job_id: str, start: Callable[[], Any]) -> Any:
        """The job. Our ids are unique: one that is there already is ours, and the answer to the first try was lost."""
        try:
            return start()
        except api.Conflict:
            return self.client.get_job(job_id, retry=self.retry)

    def _wait(self, job: Any, **options: Any) -> Any:
        """The job's result. The client's own wait for load and copy jobs sleeps a second before it looks again."""
        if not isinstance(job, bigquery.QueryJob):
            self._until_done(job)
        return job.result(retry=self.retry, **options)

    def _until_done(self, job: Any) -> None:
        pause = 0.02
        while not job.done(retry=self.retry):
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)
