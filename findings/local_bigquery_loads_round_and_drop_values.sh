#!/usr/bin/env bash
# local-bigquery rounds and drops values that a load's schema does not fit, where BigQuery fails the job.
#
# Expected: as in BigQuery, a load of the number 1.5 into an INT64 column fails, from Parquet ("has type DOUBLE which does
# not match the target cpp_type INT64") and from JSON; a JSON field `A` fills the column `a`, as names do not depend on
# case; a field that the schema lacks fails the job unless ignoreUnknownValues is set. What happens: the jobs succeed. 1.5
# becomes 2, `A` becomes NULL, the unknown field is left out.
# Why it matters: a test of a pipeline against this server passes with wrong and missing values where BigQuery would have
# stopped it.
set -euo pipefail
folder=$(mktemp -d)
server=""
trap 'kill $server 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip -q install local-bigquery==0.3.2 duckdb==1.5.5 duckdb-extensions==1.5.5 \
  duckdb-extension-ducklake==1.5.5 duckdb-extension-icu==1.5.5 duckdb-extension-spatial==1.5.5
env/bin/pip list 2>/dev/null | grep -E '^(local-bigquery|duckdb) '
cat >serve.py <<'PYTHON'
import importlib.resources, pathlib, sys
import duckdb, uvicorn
from local_bigquery import app
from local_bigquery.settings import settings
port, data = int(sys.argv[1]), pathlib.Path("data").resolve()
settings.data_dir, settings.default_project_id = data, "demo"
(platform,) = duckdb.sql("PRAGMA platform").fetchone()
target = pathlib.Path.home() / ".duckdb/extensions" / f"v{duckdb.__version__}" / platform
target.mkdir(parents=True)
for name in ("ducklake", "icu", "spatial"):
    file = f"{name}.duckdb_extension"
    package = importlib.resources.files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}" / file
    (target / file).symlink_to(str(package))
uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
PYTHON
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
HOME=$folder env/bin/python serve.py "$port" &
server=$!
cat >try.py <<'PYTHON'
import io, json, sys, time, urllib.error, urllib.request
import pyarrow as pa, pyarrow.parquet as pq
base = f"http://127.0.0.1:{sys.argv[1]}/bigquery/v2/projects/demo"
def call(method, path, body=None):
    request = urllib.request.Request(base + path, json.dumps(body).encode() if body else None, method=method)
    request.add_header("Content-Type", "application/json")
    return json.load(urllib.request.urlopen(request))
for _ in range(600):
    try:
        call("GET", "/datasets")
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(0.1)
call("POST", "/datasets", {"datasetReference": {"projectId": "demo", "datasetId": "d"}})
def load(content, kind, name):
    target = {"projectId": "demo", "datasetId": "d", "tableId": name}
    config = {"destinationTable": target, "sourceFormat": kind, "schema": {"fields": [{"name": "a", "type": "INT64"}]}}
    parts = (
        b"--x\r\nContent-Type: application/json\r\n\r\n" + json.dumps({"configuration": {"load": config}}).encode(),
        b"\r\n--x\r\nContent-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--x--\r\n",
    )
    address = f"http://127.0.0.1:{sys.argv[1]}/upload/bigquery/v2/projects/demo/jobs?uploadType=multipart"
    request = urllib.request.Request(address, b"".join(parts), method="POST")
    request.add_header("Content-Type", "multipart/related; boundary=x")
    job = json.load(urllib.request.urlopen(request))["jobReference"]["jobId"]
    while (status := call("GET", f"/jobs/{job}")["status"])["state"] != "DONE":
        time.sleep(0.1)
    if "errorResult" in status:
        return status["errorResult"]["message"]
    rows = call("POST", "/queries", {"query": f"SELECT a FROM d.{name}", "useLegacySql": False})["rows"]
    return [row["f"][0]["v"] for row in rows]
file = io.BytesIO()
pq.write_table(pa.table({"a": [1.5]}), file)
results = {
    "Parquet DOUBLE 1.5": load(file.getvalue(), "PARQUET", "t1"),
    'JSON {"a": 1.5}': load(b'{"a": 1.5}\n', "NEWLINE_DELIMITED_JSON", "t2"),
    'JSON {"A": 1}': load(b'{"A": 1}\n', "NEWLINE_DELIMITED_JSON", "t3"),
    'JSON {"a": 1, "b": 2}': load(b'{"a": 1, "b": 2}\n', "NEWLINE_DELIMITED_JSON", "t4"),
}
for name, values in results.items():
    print(f"{name} into the column a INT64 gives {values}")
expected = [["2"], ["2"], [None], ["1"]]
sys.exit(0 if list(results.values()) == expected else f"changed: expected {expected}")
PYTHON
env/bin/python try.py "$port"
