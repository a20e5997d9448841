"""What a start sets right after a server that was killed."""

import functools
import shutil

from local_bigquery.catalog import tables
from local_bigquery.engine import database
from local_bigquery.errors import BigQueryError
from local_bigquery.jobs import runner, store
from local_bigquery.models import Job, JobStatistics
from local_bigquery.settings import settings

from bigquery import records


def fail_unfinished_jobs() -> None:
    """End the jobs that were running, as their clients would wait for ever, and delete their uploaded files."""
    stopped = BigQueryError("stopped", "The server stopped while the job ran; run it again")
    for (text,) in records.RECORDS.run("SELECT resource FROM emulator.jobs WHERE state <> 'DONE'"):
        job = Job.model_validate_json(text)
        store.save(runner._done(job, JobStatistics(), stopped))
    shutil.rmtree(settings.data_dir / "uploads", ignore_errors=True)


def forget_missing_tables() -> None:
    """Delete the records of tables that `writes.write` was about to make: they would be listed, but not exist."""
    list_objects = functools.cache(database.objects)
    for reference in records.RECORDS.run("SELECT project_id, dataset_id, table_id FROM emulator.tables"):
        *dataset, table = tables.physical(*reference)
        if table not in [name for name, *_ in list_objects(*dataset)]:
            tables.forget(*reference)
