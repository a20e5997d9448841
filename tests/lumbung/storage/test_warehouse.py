"""The warehouse's client: which address it speaks to, and a job that is sent twice."""

from datetime import date

from google.auth.credentials import AnonymousCredentials

from lumbung.core import settings
from lumbung.storage import job_config, warehouse
from lumbung.storage.warehouse import Warehouse
from support.bigquery_methods import method_of
from support.bigquery_recorder import recording


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


def test_the_first_page_of_a_result_comes_with_the_answer_that_the_query_is_done(harness, monkeypatch):
    with recording(harness.settings.emulator_host) as (url, recorder):
        reader = Warehouse(harness.settings.replace(emulator_host=url))
        assert reader.rows("SELECT 1 AS n").to_pylist() == [{"n": 1}]
        assert [method_of(request) for request in recorder.requests] == ["jobs.insert", "jobs.getQueryResults"]
        monkeypatch.setattr(warehouse, "PAGE_ROWS", 2)
        rows = reader.rows("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 5)) AS n ORDER BY n").to_pylist()
    assert rows == [{"n": n} for n in range(1, 6)]
    assert [method_of(request) for request in recorder.requests[2:]].count("jobs.getQueryResults") == 3
