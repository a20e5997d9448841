"""What a run sends to BigQuery, recorded on the wire and held against BigQuery's published rules."""

import copy
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, storage

from lumbung.catalog.contract import Catalog
from lumbung.core.errors import CheckError
from lumbung.pipeline.prune import prune
from lumbung.storage.warehouse import Warehouse
from lumbung.systems import registry
from lumbung.systems.pinter_skuy import answers
from support.bigquery_recorder import Request, recording
from support.bigquery_rules import DATA_EDITOR, JOB_USER, RULES, method_of, permissions, violations
from support.pipeline import SYSTEM

FIRST, SECOND, PAST = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 15)
BUCKET = "granary"
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
    configurations = [one.body["configuration"] for one in requests if method_of(one) == "jobs.insert"]
    return [one[kind] for one in configurations if kind in one]


@pytest.mark.parametrize("size", [None, "known"], ids=["resumable", "multipart"])
def test_both_kinds_of_upload_are_recorded(server, size):
    content = parquet(**ROWS)
    with recording(server) as (url, recorder):
        client = bigquery.Client("local", AnonymousCredentials(), client_options={"api_endpoint": url})
        client.create_dataset("uploads", exists_ok=True)
        config = bigquery.LoadJobConfig(source_format="PARQUET")
        file = io.BytesIO(content)
        loading = client.load_table_from_file(file, "uploads.t", size=size and len(content), job_config=config)
        assert loading.result().output_rows == 1
    (sent,) = [one for one in recorder.requests if method_of(one) == "jobs.insert"]
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
        found = answers.answers(harness.warehouse)
        pruned = prune(harness.settings, harness.warehouse, registry.all_systems(), keep=1)
    requests = recorder.requests
    assert violations(requests, "US") == []

    # What was recorded is the whole of it: no rule holds for want of requests.
    assert found.students_per_city
    assert pruned.partitions
    loaded = {one["destinationTable"]["tableId"] for one in jobs(requests, "load")}
    assert {f"student${day:%Y%m%d}" for day in (FIRST, SECOND, PAST)} | {"freshness"} <= loaded
    copied = {one["destinationTable"]["tableId"] for one in jobs(requests, "copy")}
    assert {f"fact_enrollment_daily${day:%Y%m%d}" for day in (FIRST, SECOND, PAST)} | {"top_mentor"} <= copied
    asked = jobs(requests, "query")
    assert any("destinationTable" in one for one in asked)
    assert any(one["query"].startswith("ASSERT") for one in asked)
    described = [one.body.keys() for one in requests if method_of(one) == "tables.patch"]
    assert described
    assert all(keys >= {"description", "labels", "schema"} for keys in described)

    # Data Editor on the data sets and Job User suffice; only the first day, which makes the data sets, needs one more.
    assert permissions(requests[:first]) - DATA_EDITOR - JOB_USER == {"bigquery.datasets.create"}
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


class FakeBlob:
    """An object of the bucket, as a file; its modification time stands for the generation."""

    def __init__(self, path):
        self.path, self.name, self.generation = path, None, None

    def _now(self):
        return self.path.stat().st_mtime_ns if self.path.exists() else 0

    def _check(self, wanted):
        if wanted is not None and wanted != self._now():
            raise PreconditionFailed("generation")

    def download_as_bytes(self):
        if not self.path.exists():
            raise NotFound(str(self.path))
        self.generation = self._now()
        return self.path.read_bytes()

    def download_to_filename(self, name):
        Path(name).write_bytes(self.download_as_bytes())

    def upload_from_string(self, content, if_generation_match=None):
        self._check(if_generation_match)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(content)
        self.generation = self._now()

    def upload_from_filename(self, name):
        self.upload_from_string(Path(name).read_bytes())

    def delete(self, if_generation_match=None):
        self._check(if_generation_match)
        if not self.path.exists():
            raise NotFound(str(self.path))
        self.path.unlink()


class FakeStorage:
    """Cloud Storage's client over a folder.

    A fake, as nothing that can be had here speaks Cloud Storage to the local BigQuery server, which reads gs:// from a
    folder of its own; only the lake's side is faked, the loads are real.
    """

    def __init__(self, root):
        self.root, self.client = root, self

    def bucket(self, name):
        assert name == BUCKET
        return self

    def blob(self, name):
        return FakeBlob(self.root / name)

    def list_blobs(self, bucket, prefix, delimiter):
        found = FoundBlobs()
        for path in (self.root / prefix).glob("*"):
            name = str(path.relative_to(self.root))
            if path.is_dir():
                found.prefixes.add(f"{name}/")
            else:
                blob = FakeBlob(path)
                blob.name = name
                found.append(blob)
        return found


class FoundBlobs(list):
    def __init__(self):
        super().__init__()
        self.prefixes = set()


def test_a_lake_in_a_bucket_is_loaded_by_address(server, harness_at, data_dir, monkeypatch):
    monkeypatch.setattr(storage, "Client", lambda: FakeStorage(data_dir / "gcs" / BUCKET))
    with recording(server) as (url, recorder):
        harness = harness_at(url, lake_uri=f"gs://{BUCKET}/lake")
        harness.take(FIRST)

    def read(uri):
        return (data_dir / "gcs" / uri.removeprefix("gs://")).read_bytes()

    assert violations(recorder.requests, "US", read=read) == []
    assert harness.rows("SELECT student_id FROM {dwh.dim_student} ORDER BY 1")[0] == {"student_id": "s1"}
    by_address = [one for one in jobs(recorder.requests, "load") if one.get("sourceUris")]
    assert {one["destinationTable"]["tableId"].partition("$")[0] for one in by_address} == {
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


def parquet(**columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


REFERENCE = {"projectId": "local", "datasetId": "staging", "tableId": "student$20261120"}
PLAIN = {**REFERENCE, "tableId": "student"}
WRITES = {"writeDisposition": "WRITE_TRUNCATE", "createDisposition": "CREATE_IF_NEEDED"}
FIELDS = [
    {"name": "id", "type": "STRING", "mode": "NULLABLE", "description": "An id."},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {"name": "snapshot_date", "type": "DATE"},
]
ROWS = {"id": ["a"], "tags": [["x"]], "snapshot_date": [FIRST]}
LOAD = {
    **WRITES,
    "destinationTable": REFERENCE,
    "sourceFormat": "PARQUET",
    "schema": {"fields": FIELDS},
    "parquetOptions": {"enableListInference": True},
    "timePartitioning": {"type": "DAY", "field": "snapshot_date"},
}
PARAMETER = {"name": "day", "parameterType": {"type": "DATE"}, "parameterValue": {"value": "2026-11-20"}}
QUERY = {
    **WRITES,
    "query": "SELECT id FROM `local.staging.student` WHERE snapshot_date = @day",
    "useLegacySql": False,
    "destinationTable": PLAIN,
    "parameterMode": "NAMED",
    "queryParameters": [PARAMETER],
    "maximumBytesBilled": "1000",
}
SCRIPT = {
    "query": "ASSERT (SELECT COUNT(*) FROM `local.staging.student`) = 0 AS 'a; b'; ASSERT TRUE AS 'c';",
    "useLegacySql": False,
    "maximumBytesBilled": "1000",
}
COPY = {**WRITES, "sourceTables": [REFERENCE], "destinationTable": REFERENCE}
TABLE = {"tableReference": PLAIN, "description": "Students.", "labels": {"layer": "staging"}}
DATA_SET = {"datasetReference": {"datasetId": "staging"}, "location": "US", "defaultTableExpirationMs": "3600000"}
PROJECT = "/bigquery/v2/projects/local"


def job(media=None, **configuration):
    body = {"configuration": {"labels": {"day": "2026-11-20"}, **configuration}}
    body["jobReference"] = {"projectId": "local", "jobId": "lumbung-1", "location": "US"}
    return Request("POST", f"{PROJECT}/jobs", body=body, media=media)


def begin():
    """Requests that are all right, by name."""
    return {
        "data set": Request("POST", f"{PROJECT}/datasets", body=copy.deepcopy(DATA_SET)),
        "load": job(parquet(**ROWS), load=copy.deepcopy(LOAD)),
        "query": job(query=copy.deepcopy(QUERY)),
        "script": job(query=copy.deepcopy(SCRIPT)),
        "copy": job(copy=copy.deepcopy(COPY)),
        "patch": Request(
            "PATCH",
            f"{PROJECT}/datasets/staging/tables/student",
            body=copy.deepcopy({**TABLE, "schema": {"fields": FIELDS}}),
        ),
        "get": Request("GET", f"{PROJECT}/jobs/lumbung-1", {"location": "US"}),
    }


def change(name, path, value):
    """Put a value at a path of a request's JSON; `...` takes the key out."""

    def do(requests):
        where = requests[name].body
        *parents, last = (int(key) if key.isdigit() else key for key in path.split("/"))
        for key in parents:
            where = where[key]
        if value is ...:
            del where[last]
        else:
            where[last] = value

    return do


def load(path, value):
    return change("load", f"configuration/load/{path}", value)


def query(path, value):
    return change("query", f"configuration/query/{path}", value)


def script(path, value):
    return change("script", f"configuration/query/{path}", value)


def media(content):
    return lambda requests: setattr(requests["load"], "media", content)


def add(method, path, **kwargs):
    return lambda requests: requests.update(added=Request(method, f"{PROJECT}{path}", **kwargs))


def late(requests):
    requests["data set"] = requests.pop("data set")


BREAKS = [
    ("method", add("POST", "/datasets/staging/tables/student/insertAll", body={})),
    ("method", add("POST", "/queries", body={"query": "DELETE FROM t WHERE TRUE"})),
    ("method", add("DELETE", "/datasets/staging")),
    ("one kind", change("load", "configuration/query", QUERY)),
    ("one kind", change("script", "configuration", {"extract": {}})),
    ("job id", change("load", "jobReference/jobId", "a.b")),
    ("job id", change("load", "jobReference/jobId", ...)),
    ("job id", change("load", "jobReference/jobId", "a" * 1025)),
    ("job location", change("copy", "jobReference/location", "EU")),
    ("job location", lambda requests: requests["get"].query.clear()),
    ("label", change("load", "configuration/labels/day", "2026.11")),
    ("label", change("copy", "configuration/labels/Day", "x")),
    ("label", change("script", "configuration/labels/day", "x" * 64)),
    ("label", change("query", "configuration/labels", {f"a{n}": "" for n in range(65)})),
    ("label", change("data set", "labels", {"": "x"})),
    ("label", change("patch", "labels/layer", "Staging")),
    ("name", load("destinationTable/datasetId", "stag-ing")),
    ("name", query("destinationTable/tableId", "a.b")),
    ("name", change("data set", "datasetReference/datasetId", "a-b")),
    ("decorator", load("destinationTable/tableId", "student$2026112")),
    ("decorator", load("destinationTable/tableId", "student$20261131")),
    ("disposition", load("writeDisposition", ...)),
    ("disposition", load("createDisposition", "CREATE_NEVER")),
    ("disposition", query("writeDisposition", "WRITE_APPEND")),
    ("disposition", script("writeDisposition", "WRITE_TRUNCATE")),
    ("disposition", change("copy", "configuration/copy/createDisposition", ...)),
    ("source", media(None)),
    ("source", load("sourceUris", ["gs://b/x"])),
    ("source", lambda requests: (media(None)(requests), load("sourceUris", ["file:///x"])(requests))),
    ("source", lambda requests: (media(None)(requests), load("sourceUris", ["gs://b/x#1"])(requests))),
    ("source", lambda requests: (media(None)(requests), load("sourceUris", ["gs://b/*/*"])(requests))),
    ("format", load("sourceFormat", "CSV")),
    ("schema", load("autodetect", True)),
    ("schema", load("schema", ...)),
    ("column", load("schema/fields/0/name", "first name")),
    ("column", load("schema/fields/0/name", "TAGS")),
    ("column", load("schema/fields/0/type", "VARCHAR")),
    ("column", load("schema/fields/0/mode", "OPTIONAL")),
    ("list", load("parquetOptions", ...)),
    ("partitioning", load("timePartitioning", ...)),
    ("partitioning", load("timePartitioning/type", "MONTH")),
    ("partitioning", load("timePartitioning/field", "id")),
    ("partitioning", load("timePartitioning/field", "day")),
    ("file", media(parquet(id=["a"], tags=[["x"]]))),
    ("file", media(parquet(**ROWS, more=["x"]))),
    ("file", media(parquet(**{**ROWS, "id": [1]}))),
    ("file", media(parquet(**{**ROWS, "tags": ["x"]}))),
    ("compression", lambda requests: media(brotli())(requests)),
    ("partition rows", media(parquet(**{**ROWS, "snapshot_date": [SECOND]}))),
    ("partition rows", media(parquet(**{**ROWS, "snapshot_date": pa.array([None], pa.date32())}))),
    ("legacy", query("useLegacySql", ...)),
    ("legacy", script("useLegacySql", True)),
    ("statement", query("query", "SELECT @day; SELECT 1")),
    ("statement", query("query", "INSERT INTO t SELECT @day")),
    ("statement", script("query", "CREATE TABLE t AS SELECT 1 AS n")),
    ("statement", script("query", "ASSERT TRUE AS 'x'; DELETE FROM t WHERE TRUE")),
    ("statement", script("query", "EXECUTE IMMEDIATE 'DROP TABLE t'")),
    ("statement", script("query", "SELECT (")),
    ("sql decorator", script("query", "SELECT 1 FROM `local.staging.student$20261120`")),
    ("length", script("query", f"SELECT '{'x' * 1024 * 1024}'")),
    ("parameter", query("parameterMode", "POSITIONAL")),
    ("parameter", query("queryParameters", [])),
    ("parameter", query("queryParameters/0/parameterType", {})),
    ("parameter", query("queryParameters/0/parameterValue/value", "20261120")),
    ("bytes billed", query("maximumBytesBilled", ...)),
    ("bytes billed", script("maximumBytesBilled", "2000")),
    ("copy partition", change("copy", "configuration/copy/sourceTables/0", PLAIN)),
    ("copy partition", change("copy", "configuration/copy/destinationTable", PLAIN)),
    ("copy target", change("copy", "configuration/copy/destinationTable", {**REFERENCE, "tableId": "new$20261120"})),
    ("data set location", change("data set", "location", "EU")),
    ("data set expiration", change("data set", "defaultTableExpirationMs", "3599999")),
    ("data set early", late),
    ("description", change("patch", "description", "x" * 16_385)),
    ("description", load("schema/fields/0/description", "x" * 1_025)),
    ("patch", change("patch", "expirationTime", "1")),
    ("patch schema", change("patch", "schema/fields", FIELDS[:2])),
    ("patch schema", change("patch", "schema/fields/0/type", "INT64")),
]


def brotli():
    file = io.BytesIO()
    pq.write_table(pa.table(ROWS), file, compression="brotli")
    return file.getvalue()


def broken(requests):
    found = violations(list(requests.values()), "US", max_bytes_billed=1000)
    return {line.partition(":")[0] for line in found}


def test_sound_requests_break_no_rule():
    assert violations(list(begin().values()), "US", max_bytes_billed=1000) == []


@pytest.mark.parametrize(("rule", "breach"), BREAKS, ids=[f"{n} {rule}" for n, (rule, _) in enumerate(BREAKS)])
def test_a_breach_is_reported(rule, breach):
    requests = begin()
    breach(requests)
    assert rule in broken(requests)


def test_every_rule_can_be_broken():
    assert {rule for rule, _ in BREAKS} == RULES.keys()


def test_more_than_an_editor_s_permissions_are_seen():
    assert permissions([Request("DELETE", f"{PROJECT}/datasets/staging")]) - DATA_EDITOR - JOB_USER
