#!/usr/bin/env bash
# local-bigquery records a view's new query and keeps running the old one.
#
# Expected: after tables.patch of a view with another query, both the view's resource and its rows follow that query, as
# in BigQuery. What happens: the resource shows the new query and the old columns, and a SELECT from the view still gives
# the old query's rows. No error is raised.
# Why it matters: a deployment that changes its views through the API passes against this server whatever the new queries
# are.
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
import json, sys, time, urllib.error, urllib.request
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
def view(query):
    return {"tableReference": {"projectId": "demo", "datasetId": "d", "tableId": "v"}, "view": {"query": query, "useLegacySql": False}}
call("POST", "/datasets/d/tables", view("SELECT 1 AS n"))
patched = call("PATCH", "/datasets/d/tables/v", view("SELECT 2 AS n"))
answer = call("POST", "/queries", {"query": "SELECT n FROM d.v", "useLegacySql": False})
query, value = patched["view"]["query"], answer["rows"][0]["f"][0]["v"]
print(f"the view's query is now: {query}\nSELECT n FROM d.v gives: {value}")
sys.exit(0 if (query, value) == ("SELECT 2 AS n", "1") else "changed: expected the new query and the old row, 1")
PYTHON
env/bin/python try.py "$port"
