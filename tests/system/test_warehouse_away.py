"""What BigQuery answers when it is away for a moment, by a proxy in front of the local server that spoils answers."""

import json

import pytest

from lumbung.storage.client_errors import UnavailableError
from support.http_proxy import Proxy


@pytest.fixture
def ready(harness):
    """A harness, a run of it that is ready to load, and a proxy before the warehouse from here on."""
    run = harness.run("2026-11-10")
    for stage in (run.start, run.extract, run.snapshot, run.rejected):
        stage()
    server = harness.settings.emulator_host
    with Proxy(server, product="") as proxy:
        harness.move(proxy.url)
        again = harness.run("2026-11-10")
        for stage in (again.start, again.extract, again.snapshot):
            stage()
        yield again, proxy
    harness.move(server)


def test_a_server_that_stopped_under_a_job_is_unavailable_not_a_data_error(ready):
    run, proxy = ready
    error = {"reason": "stopped", "message": "The server stopped while the job ran; run it again"}

    def stopped(request):
        if request.method != "PUT":
            return None
        status = {"state": "DONE", "errorResult": error, "errors": [error]}
        job = {"jobReference": {"projectId": "local", "jobId": "x"}, "configuration": {"load": {}}, "status": status}
        return 200, json.dumps(job).encode()

    proxy.spoil = stopped
    with pytest.raises(UnavailableError, match=r"stopped while the job ran.*[Rr]un again"):
        run.load("student")
    proxy.spoil = lambda request: None
    run.load("student")


def test_an_upload_that_the_server_has_forgotten_begins_again(ready):
    run, proxy = ready
    forgotten = []

    def forget(request):
        if request.method == "PUT" and "upload_id=" in request.path and not forgotten:
            forgotten.append(request.path)
            return 404, b'{"error": {"code": 404, "message": "Upload not found"}}'
        return None

    proxy.spoil = forget
    (step,) = run.load("student")
    assert (step.rows_out, len(forgotten)) == (3, 1)
