"""Deletes what is only history: results of queries, past states of the lake, old jobs.

local-bigquery and DuckLake keep all of it for ever (a quarter of a megabyte a query, every file and every table that
ever was), and everything becomes slower with it. BigQuery deletes it, too, if later.
"""

import contextlib
import threading
import time
import traceback
from typing import Any

import duckdb
from local_bigquery.catalog import tables
from local_bigquery.engine import database
from local_bigquery.engine.database import quote

from bigquery import originals, records
from bigquery.locks import write_lake
from bigquery.threads import THREADS

EXPIRY_INTERVAL_SECONDS = 60
RESULT_SECONDS, JOB_SECONDS = 600, 24 * 3600


def expire(now: float) -> None:
    """Delete the results and jobs that are too old, and all past states of the lake.

    No past state is kept, for each takes as many steps to delete as there are tables in all of them.

    Args:
        now: the time, in seconds since 1970.
    """
    expire_results(now)
    records.RECORDS.run(
        "DELETE FROM emulator.jobs WHERE state = 'DONE' AND creation_time < ?", [int((now - JOB_SECONDS) * 1000)]
    )
    expire_snapshots(now)


def expire_results(now: float) -> None:
    """Delete the results of jobs that ended over RESULT_SECONDS ago, or of which there is no record.

    Args:
        now: the time, in seconds since 1970.
    """
    # By `database.fetch`, which holds the lake for reading: DuckDB's list of tables reads the lake's, too.
    results = database.fetch(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'emulator' AND schema_name = $1", [tables.RESULTS]
    )
    kept = records.RECORDS.run(
        "SELECT project_id || ':' || job_id FROM emulator.jobs"
        " WHERE coalesce(CAST(json_extract(resource, '$.statistics.endTime') AS INTEGER), ?1) >= ?1",
        [int((now - RESULT_SECONDS) * 1000)],
    )
    for (name,) in {*results} - {*kept}:
        # A result that is being read is deleted the next time.
        with contextlib.suppress(duckdb.TransactionException), originals.open_cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {quote('emulator', tables.RESULTS, name)}")


def expire_snapshots(now: float) -> None:
    """Delete the past states of all lakes, and their files. It holds the lake alone: nobody may read a file that goes.

    Args:
        now: the time, in seconds since 1970.
    """
    with write_lake():
        for project in database.projects():
            for call in (
                f"expire_snapshots($1, older_than => to_timestamp({now}))",
                "cleanup_old_files($1, cleanup_all => true)",
            ):
                # Counted, since their rows hold times with a zone, and reading those takes a package that is not here.
                database.fetch(f"SELECT count(*) FROM ducklake_{call}", [project])


class Expirer:
    """Expires history once in EXPIRY_INTERVAL_SECONDS, in the thread of a job that has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_time = 0.0  # monotonic, in seconds

    def run_job(self, *args: Any) -> None:
        """Run a job, and expire history and look for large tables if that is due. In place of `runner._execute`."""
        originals.run_job(*args)
        with self._lock:
            if time.monotonic() < self._next_time:
                return
            self._next_time = time.monotonic() + EXPIRY_INTERVAL_SECONDS
        try:
            THREADS.fit()
            expire(time.time())
        except duckdb.Error:  # the job itself has ended well, and the next expiry comes soon
            traceback.print_exc()


EXPIRER = Expirer()
