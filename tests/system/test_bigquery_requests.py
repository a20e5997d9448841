"""What a run sends to BigQuery, recorded on the wire and held against BigQuery's published rules."""

import io
import os
import shutil
import socket
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest
from google.cloud import bigquery

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import CheckError
from lumbung.pipeline.prune import prune
from lumbung.storage.warehouse import Warehouse
from lumbung.systems import registry
from lumbung.systems.pinter_skuy import answers
from support import bucket_server
from support.bigquery_client import connect, parquet
from support.bigquery_methods import DATA_EDITOR, JOB_USER, method_of, permissions
from support.bigquery_recorder import recording
from support.bigquery_rules import violations
from support.bucket_server import BUCKET
from support.pipeline import SYSTEM
from support.tweet_harness import tweet

FIRST, SECOND, PAST = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 15)
TEAM = {"dataset_prefix": "tim_1_", "location": "asia-southeast2", "max_bytes_billed": 10_000_000_000}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("requests") / "bigquery"


@pytest.fixture(scope="module")
def server(start_bigquery, data_dir):
    """A server of this module: it reads gs:// from its data folder, and no other test takes its data sets' names."""
    return start_bigquery(data_dir)[1]


@pytest.fixture
def harness_at(make_harness):
    """A harness of other settings."""

    def make(url, catalog=None, **settings):
        harness = make_harness(server=url, **({"catalog": catalog} if catalog else {}))
        harness.settings = harness.settings.replace(**settings)
        harness.warehouse = Warehouse(harness.settings)
        return harness

    return make


def jobs(requests, kind):
    """The configurations of the jobs of a kind that were sent."""
    sent = [request.body["configuration"] for request in requests if method_of(request) == "jobs.insert"]
    return [configuration[kind] for configuration in sent if kind in configuration]


@pytest.mark.parametrize("size", [None, "known"], ids=["resumable", "multipart"])
def test_both_kinds_of_upload_are_recorded(server, size):
    content = parquet({"id": ["a"], "tags": [["x"]], "snapshot_date": [FIRST]})
    with recording(server) as (url, recorder):
        client = connect(url)
        client.create_dataset("uploads", exists_ok=True)
        config = bigquery.LoadJobConfig(source_format="PARQUET")
        file = io.BytesIO(content)
        loading = client.load_table_from_file(file, "uploads.t", size=size and len(content), job_config=config)
        assert loading.result().output_rows == 1
    (sent,) = [request for request in recorder.requests if method_of(request) == "jobs.insert"]
    assert (sent.media, sent.status) == (content, 200)
    assert sent.body["configuration"]["load"]["sourceFormat"] == "PARQUET"
    assert "content-type" in sent.headers
    assert sent.query["uploadType"] == ("multipart" if size else "resumable")


def test_days_and_a_backfilled_one_send_only_what_bigquery_takes(server, harness_at, small_catalog):
    with recording(server) as (url, recorder):
        harness = harness_at(url, Catalog(), dataset_prefix="")
        harness.take(FIRST)
        first = len(recorder.requests)
        harness.catalog = small_catalog
        harness.take(SECOND)
        harness.take(PAST)
        answered = answers.answers(harness.warehouse)
        pruned = prune(harness.settings, harness.warehouse, registry.all_systems(), keep=1)
    requests = recorder.requests
    assert violations(requests, "US") == []

    # What was recorded is the whole of it: no rule holds for want of requests.
    assert answered.students_per_city
    assert pruned.partitions
    loaded = {job["destinationTable"]["tableId"] for job in jobs(requests, "load")}
    assert {f"student${day:%Y%m%d}" for day in (FIRST, SECOND, PAST)} | {"freshness"} <= loaded
    copied = {job["destinationTable"]["tableId"] for job in jobs(requests, "copy")}
    assert {f"fact_enrollment_daily${day:%Y%m%d}" for day in (FIRST, SECOND, PAST)} | {"top_mentor"} <= copied
    queries = jobs(requests, "query")
    assert any("destinationTable" in query for query in queries)
    assert len([query for query in queries if query["query"].endswith(") AS scan")]) >= len(copied)
    described = [request.body.keys() for request in requests if method_of(request) == "tables.patch"]
    assert described
    assert all(keys >= {"description", "labels", "schema"} for keys in described)

    # Data Editor on the data sets and Job User suffice; only the first day, which makes the data sets, needs one more.
    assert permissions(requests[:first]) - DATA_EDITOR - JOB_USER == {"bigquery.datasets.create"}
    assert permissions(requests[first:]) <= DATA_EDITOR | JOB_USER


def test_tweets_send_only_what_bigquery_takes(make_tweet_harness, bigquery_server):
    with recording(bigquery_server) as (url, recorder):
        harness = make_tweet_harness(Catalog())
        harness.move(url)
        harness.give("first", tweet(1, "saham"), tweet(2, "sukuk", "2026-11-20T12:00"))
        harness.take()
        first = len(recorder.requests)
        harness.give("late", tweet(3, "saham", "2026-11-20T13:00"))
        harness.take()
    requests = recorder.requests
    assert violations(requests, "US") == []

    loaded = [job["destinationTable"]["tableId"] for job in jobs(requests, "load")]
    assert {f"tweet$202611{day}" for day in (20, 21)} <= set(loaded)
    copied = {job["destinationTable"]["tableId"] for job in jobs(requests, "copy")}
    assert {"fact_tweet", "fact_tweet_instrument", "tweet_total", "tweet_hourly_by_instrument"} <= copied
    given = [parameter for query in jobs(requests, "query") for parameter in query.get("queryParameters", [])]
    arrays = [parameter["parameterValue"].get("arrayValues") for parameter in given]
    assert {len(days) for days in arrays if days is not None} == {2}, "the late tweet's day, and the day beside it"
    # What says the same as before is not patched: BigQuery would count it.
    patched = [request.path for request in requests[first:] if method_of(request) == "tables.patch"]
    assert not any(path.endswith("/staging/tables/tweet") for path in patched)
    assert permissions(requests[first:]) <= DATA_EDITOR | JOB_USER


def test_a_team_s_settings_are_in_every_request(server, harness_at):
    with recording(server) as (url, recorder):
        harness_at(url, **TEAM).take(FIRST)
    assert violations(recorder.requests, TEAM["location"], max_bytes_billed=TEAM["max_bytes_billed"]) == []
    targets = [job["destinationTable"] for kind in ("load", "copy") for job in jobs(recorder.requests, kind)]
    assert {target["datasetId"] for target in targets} == {
        TEAM["dataset_prefix"] + name for name in ("staging", "dwh", "datamart", "ops")
    }


def test_a_failed_audit_publishes_nothing_and_breaks_no_rule(server, harness_at, small_catalog, tmp_path):
    root = tmp_path / "sql"
    shutil.copytree(small_catalog.root, root)
    with (root / "dwh" / "dim_student.yaml").open("a") as contract:
        contract.write('  - {expression: "student_id IS NULL"}\n')
    with recording(server) as (url, recorder), pytest.raises(CheckError, match="dim_student"):
        harness_at(url, Catalog(root)).take(FIRST)
    assert violations(recorder.requests, "US") == []
    assert jobs(recorder.requests, "copy") == []
    assert "tables.delete" in map(method_of, recorder.requests)


def test_a_lake_in_a_bucket_is_loaded_by_address(server, harness_at, data_dir, monkeypatch):
    """Cloud Storage is a server of ours, and the local BigQuery server reads gs:// from a folder of its own."""
    with bucket_server.running(data_dir / "gcs" / BUCKET) as bucket, recording(server) as (url, recorder):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.url)
        harness = harness_at(url, lake_uri=f"gs://{BUCKET}/lake")
        harness.take(FIRST)

    def read(uri):
        return (data_dir / "gcs" / uri.removeprefix("gs://")).read_bytes()

    assert violations(recorder.requests, "US", read=read) == []
    assert harness.rows("SELECT student_id FROM {dwh.dim_student} ORDER BY 1")[0] == {"student_id": "s1"}
    by_address = [job for job in jobs(recorder.requests, "load") if job.get("sourceUris")]
    assert {job["destinationTable"]["tableId"].partition("$")[0] for job in by_address} == {
        contract.table for contract in Catalog().sources(SYSTEM)
    }


def silent_server():
    """A socket that takes connections and never answers, and a list that grows with each."""
    listener, connections = socket.create_server(("127.0.0.1", 0)), []

    def accept():
        while True:
            connections.append(listener.accept())

    threading.Thread(target=accept, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}", connections


@pytest.mark.parametrize("missing_file", [False, True])
def test_a_real_project_without_credentials_is_an_error_that_names_it(tmp_path, missing_file):
    # In the metadata server's place stands one that never answers, as on a network that drops what it does not know.
    metadata, connections = silent_server()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_", "LUMBUNG_"))}
    env |= {"HOME": str(tmp_path), "GCE_METADATA_IP": metadata, "GCE_METADATA_HOST": metadata}
    env |= {"LUMBUNG_PROJECT": "granary-123456", "LUMBUNG_HOME": str(tmp_path / "home")}
    if missing_file:
        env["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "none.json")
    lumbung = Path(sys.executable).with_name("lumbung")
    done = subprocess.run([lumbung, "answers"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("LUMBUNG_PROJECT: no Google credentials")
    assert "gcloud auth application-default login" in " ".join(done.stderr.split())
    assert "\n\n" not in done.stderr.strip()
    assert "Traceback" not in done.stderr
    # Each try waits 3 s.
    assert len(connections) == (0 if missing_file else 1)
