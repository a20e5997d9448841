"""BigQuery's errors by their reasons, through Google's own client.

The server is a fake that answers as BigQuery's documentation says, as Google cannot be reached from here: it keeps each
job's id, and spoils the answer that a test is about.
"""

import json
import re

import pytest

from lumbung.core import settings
from lumbung.core.errors import LumbungError
from lumbung.storage import warehouse as warehouses
from lumbung.storage.client_errors import (
    REASONS,
    DeniedError,
    JobFailedError,
    MissingError,
    RefusedError,
    UnavailableError,
)
from lumbung.storage.warehouse import Warehouse
from support.http_proxy import Proxy

# "Error messages" of BigQuery's documentation: each reason with its HTTP status, and what is to be done about it.
PAGE = {
    "accessDenied": (403, DeniedError),
    "attributeError": (400, RefusedError),
    "backendError": (503, UnavailableError),
    "badRequest": (400, RefusedError),
    "billingNotEnabled": (403, DeniedError),
    "billingTierLimitExceeded": (400, RefusedError),
    "blocked": (403, DeniedError),
    "duplicate": (409, RefusedError),
    "internalError": (500, UnavailableError),
    "invalid": (400, RefusedError),
    "invalidQuery": (400, RefusedError),
    "invalidUser": (400, DeniedError),
    "jobBackendError": (400, JobFailedError),
    "jobInternalError": (400, JobFailedError),
    "jobRateLimitExceeded": (400, JobFailedError),
    "notFound": (404, MissingError),
    "notImplemented": (501, RefusedError),
    "proxyAuthenticationRequired": (407, DeniedError),
    "quotaExceeded": (403, UnavailableError),
    "rateLimitExceeded": (403, UnavailableError),
    "resourceInUse": (400, RefusedError),
    "resourcesExceeded": (400, RefusedError),
    "responseTooLarge": (403, RefusedError),
    "tableUnavailable": (400, UnavailableError),
    "timeout": (400, RefusedError),
    # Not on the page: seen by others of a query with maximumBytesBilled.
    "bytesBilledLimitExceeded": (500, RefusedError),
}
OF_A_JOB = {"backendError", "internalError", "rateLimitExceeded", "tableUnavailable"}


class FakeBigQuery:
    """Answers as BigQuery does where a request or a job fails.

    Attributes:
        reason: why.
        at: which answer tells it: to the request that makes the job (`insert`), the job's state (`job`), or the request
            for its results (`results`).
        status: the HTTP status of a request that fails.
        message: what the error says.
        failing: how many jobs fail; those after them give one row.
        ids: the ids of the jobs so far.
    """

    def __init__(self):
        self.ids = []
        self.fail("invalidQuery", "insert")

    def fail(self, reason, at, status=400, message="It is so", failing=1000):
        self.reason, self.at, self.status, self.message, self.failing = reason, at, status, message, failing

    def answer(self, request):
        if request.method == "POST":
            self.ids.append(json.loads(request.body)["jobReference"]["jobId"])
        reference = {"projectId": "local", "jobId": self.ids[-1], "location": "US"}
        at = self.at if len(self.ids) <= self.failing else None
        error = {"reason": self.reason, "message": self.message, "location": "query"}
        if at == "insert" or (at == "results" and "/queries/" in request.path):
            body = {"error": {"code": self.status, "message": self.message, "errors": [{**error, "domain": "global"}]}}
            return self.status, json.dumps(body).encode()
        if "/queries/" in request.path:
            schema = {"fields": [{"name": "n", "type": "INTEGER"}]}
            rows = {"schema": schema, "rows": [{"f": [{"v": "1"}]}], "totalRows": "1"}
            return 200, json.dumps({"jobReference": reference, "jobComplete": True, **rows}).encode()
        status = {"state": "RUNNING" if at == "results" else "DONE"}
        if at == "job":
            status |= {"errorResult": error, "errors": [error, {**error, "message": "And more"}]}
        table = {"projectId": "local", "datasetId": "d", "tableId": "t"}
        configuration = {"query": {"query": "SELECT 1", "destinationTable": table}, "jobType": "QUERY"}
        return 200, json.dumps({"jobReference": reference, "configuration": configuration, "status": status}).encode()


@pytest.fixture
def bigquery(monkeypatch):
    monkeypatch.setattr(warehouses, "JOB_WAITS", (0, 0))
    return FakeBigQuery()


@pytest.fixture
def warehouse(bigquery, monkeypatch, tmp_path):
    with Proxy("", spoil=bigquery.answer) as proxy:
        made = Warehouse(settings.load({"BIGQUERY_EMULATOR_HOST": proxy.url, "LUMBUNG_HOME": str(tmp_path)}))
        # Repeated requests are not what these tests are about.
        monkeypatch.setattr(made, "retry", made.retry.with_timeout(0.1))
        yield made


def refusal(act, *arguments):
    with pytest.raises(LumbungError) as raised:
        act(*arguments)
    return raised.value


@pytest.mark.parametrize("reason", PAGE)
def test_a_request_that_is_refused(bigquery, warehouse, reason):
    status, kind = PAGE[reason]
    bigquery.fail(reason, "insert", status)
    if reason == "duplicate":  # of a job: its id is there, so it is asked for
        bigquery.fail(reason, "job")
    error = refusal(warehouse.rows, "SELECT 1")
    assert type(error) is kind
    assert error.transient == issubclass(kind, UnavailableError)
    assert error.what == "It is so"
    assert error.remedy == REASONS[reason][1]


@pytest.mark.parametrize("reason", PAGE)
def test_a_job_that_fails(bigquery, warehouse, reason):
    bigquery.fail(reason, "job")
    error = refusal(warehouse.rows, "SELECT 1")
    assert type(error) is (JobFailedError if reason in OF_A_JOB else PAGE[reason][1])
    assert str(error).count("It is so") == 1
    assert "\n" not in str(error)
    assert "And more" not in str(error)


def test_the_table_has_all_reasons_of_the_page_and_of_the_client():
    from google.cloud.bigquery.job.base import _ERROR_REASON_TO_EXCEPTION
    from google.cloud.bigquery.retry import _RETRYABLE_REASONS, job_retry_reasons

    assert {*PAGE, *_ERROR_REASON_TO_EXCEPTION, *_RETRYABLE_REASONS, *job_retry_reasons} <= REASONS.keys()
    assert {reason for reason in REASONS if REASONS[reason][0] is JobFailedError} == {*job_retry_reasons, *OF_A_JOB}


@pytest.mark.parametrize("reason", ["jobBackendError", "jobInternalError", "jobRateLimitExceeded"])
def test_a_job_that_failed_by_bigquery_s_fault_is_tried_again_under_new_ids(bigquery, warehouse, reason):
    bigquery.fail(reason, "results", 400)
    assert refusal(warehouse.rows, "SELECT 1").transient
    assert len(bigquery.ids) == len(set(bigquery.ids)) == 3


def test_the_second_job_may_pass(bigquery, warehouse):
    bigquery.fail("jobInternalError", "results", failing=1)
    assert warehouse.rows("SELECT 1 AS n").to_pylist() == [{"n": 1}]
    assert len(set(bigquery.ids)) == 2


@pytest.mark.parametrize("reason", ["quotaExceeded", "stopped", "invalidQuery", "bytesBilledLimitExceeded"])
def test_no_other_job_is_tried_where_it_would_fail_as_well(bigquery, warehouse, reason):
    bigquery.fail(reason, "job")
    refusal(warehouse.rows, "SELECT 1")
    assert len(bigquery.ids) == 1


@pytest.mark.parametrize("at", ["insert", "job", "results"])
def test_a_query_over_the_byte_bound_is_final_and_names_the_setting(bigquery, warehouse, at):
    bigquery.fail("bytesBilledLimitExceeded", at, 500, "Query exceeded limit for bytes billed: 1. 10485760 required.")
    error = refusal(warehouse.rows, "SELECT 1")
    assert not error.transient
    assert re.fullmatch(
        r"query: Query exceeded limit .* required\. Raise LUMBUNG_MAX_BYTES_BILLED, or .*\.", str(error)
    )


@pytest.mark.parametrize(
    ("reason", "at", "message", "kind"),
    [
        ("invalidQuery", "results", "Unrecognized name: student_idd at [2:9]", RefusedError),
        ("resourcesExceeded", "results", "Resources exceeded during query execution", RefusedError),
        ("jobInternalError", "results", "An internal error occurred", JobFailedError),
        ("jobRateLimitExceeded", "results", "Job exceeded rate limits", JobFailedError),
        ("bytesBilledLimitExceeded", "job", "Query exceeded limit for bytes billed", RefusedError),
    ],
)
def test_checks_that_could_not_be_counted_are_not_failed_checks(bigquery, warehouse, reason, at, message, kind):
    bigquery.fail(reason, at, 400, message)
    with pytest.raises(LumbungError) as refused:
        warehouse.rows("SELECT 1", where="dwh.dim_student, day 2026-11-20")
    assert type(refused.value) is kind
    assert refused.value.what == message
    assert refused.value.where == "dwh.dim_student, day 2026-11-20"


def test_a_load_or_copy_that_failed_is_not_tried_under_an_id_that_nobody_wrote_down(bigquery, warehouse):
    bigquery.fail("backendError", "job")
    pairs = [("local.build.a", "local.dwh.a")]
    assert type(refusal(warehouse.copy, pairs, {}, ["lumbung-publish-1"])) is JobFailedError
    assert bigquery.ids == ["lumbung-publish-1"]


def test_a_table_that_is_not_there_may_be_misspelled_or_not_wanted(bigquery, warehouse):
    for reason in ("notFound", "of tomorrow"):
        bigquery.fail(reason, "insert", 404)
        remedy = refusal(warehouse.rows, "SELECT * FROM consistent.datamart__top_mentors").remedy
        assert remedy.startswith("correct the name, or run a day")
        assert "LUMBUNG_CONSISTENT_VIEWS" in remedy


def test_without_a_reason_the_status_decides(bigquery, warehouse):
    for status, kind in ((401, DeniedError), (403, DeniedError), (404, MissingError), (400, RefusedError)):
        bigquery.fail("of tomorrow", "insert", status)
        assert type(refusal(warehouse.rows, "SELECT 1")) is kind
    bigquery.fail("of tomorrow", "insert", 500)
    assert "does not answer (500" in str(refusal(warehouse.rows, "SELECT 1"))
