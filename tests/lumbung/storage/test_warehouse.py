"""The warehouse's client: which address it speaks to, and a job that is sent twice."""

from datetime import date

from google.auth.credentials import AnonymousCredentials

from lumbung.core import settings
from lumbung.storage import job_config
from lumbung.storage.warehouse import Warehouse


def test_an_empty_emulator_variable_counts_as_none(monkeypatch):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "")
    plain = settings.load({"LUMBUNG_PROJECT": "my-project", "BIGQUERY_EMULATOR_HOST": ""})
    client = Warehouse(plain, AnonymousCredentials).client
    assert client._connection.API_BASE_URL == "https://bigquery.googleapis.com"


def test_a_job_whose_first_answer_was_lost_is_not_run_twice(harness):
    """The client then asks again with the same id, and BigQuery answers that the job is there already."""
    harness.take(date(2026, 11, 10))
    pairs = [(harness.warehouse.table("dwh.dim_student"), harness.warehouse.table("dwh.dim_student"))]
    job_id = job_config.new_id("publish", "dwh.dim_student")
    (first,), (again,) = (harness.warehouse.copy(pairs, {}, [job_id]) for _ in range(2))
    assert first.job_id == again.job_id == job_id
