#!/usr/bin/env bash
# google-cloud-bigquery raises InternalServerError (500) for a job that failed of a reason that the client does not list.
#
# Expected: a job that used up the caller's own limit, or ran into its timeout, is the caller's error (4xx), and what is
# raised says once what happened. What happens: the client has a table of some 20 reasons, and every other one, such as
# `bytesBilledLimitExceeded` and `timeout`, becomes `InternalServerError`, though the answer was HTTP 200. Its message
# has the fault twice, as all of the job's errors are appended to the first one. `errors[0]["reason"]` is right.
# Why it matters: code that tries again on 5xx runs a query over its byte bound again and again, and tells people that
# BigQuery is down.
#
# Needs Python 3.10 or later. The server is a fake that answers one finished job.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install google-cloud-bigquery==3.47.0
cat >finding.py <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

REASONS = ("invalidQuery", "bytesBilledLimitExceeded", "timeout")
reason = REASONS[0]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        error = {"reason": reason, "message": "the fault"}
        status = {"state": "DONE", "errorResult": error, "errors": [error]}
        job = {"jobReference": {"projectId": "p", "jobId": "j"}, "configuration": {"query": {"query": "SELECT 1"}}}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({**job, "status": status}).encode())

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
client = bigquery.Client("p", AnonymousCredentials(), client_options={"api_endpoint": address})
print(f"Python {sys.version.split()[0]}, google-cloud-bigquery {bigquery.__version__}")
seen = {}
for reason in REASONS:
    try:
        client.query("SELECT 1", job_id="j", job_retry=None).result()
    except GoogleAPICallError as error:
        seen[reason] = error.code, error.message.count("the fault")
        print(f"{reason}: {type(error).__name__}, {error.errors[0]['reason']}: {error.message.splitlines()[0]}")
expected = {"invalidQuery": (400, 2), "bytesBilledLimitExceeded": (500, 2), "timeout": (500, 2)}
sys.exit(f"changed: {seen}" if seen != expected else 0)
PYTHON
venv/bin/python finding.py
