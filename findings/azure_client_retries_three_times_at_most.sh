#!/usr/bin/env bash
# azure-storage-blob: retry_total above 3 changes nothing.
#
# Expected: ExponentialRetry(retry_total=10) or LinearRetry(retry_total=10), whose one argument for it is described as
# the maximum number of attempts, repeats a failing request ten times. What happens: four requests are sent. Beside the
# total, each kind of failure (connecting, reading, an answer such as 503) is counted, and its own bound is 3 unless
# retry_connect, retry_read and retry_status are given, which the classes' signatures do not show. Lower totals do work.
# Why it matters: who raises retry_total so that a nightly job outlives a minute of throttling or a restart of a proxy
# gets no more tries than before, and sees it in the outage.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q azure-storage-blob==12.31.1
cat >"$folder/try.py" <<'PY'
import http.server, importlib.metadata, logging, sys, threading
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient, LinearRetry

logging.disable(logging.CRITICAL)
requests = 0


class Busy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global requests
        requests += 1
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
threading.Thread(target=server.serve_forever, daemon=True).start()
text = f"AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:{server.server_address[1]}/a"


def sent(**bounds):
    global requests
    requests = 0
    policy = LinearRetry(backoff=0, random_jitter_range=0, **bounds)
    try:
        BlobServiceClient.from_connection_string(text, retry_policy=policy).get_blob_client("c", "b").download_blob()
    except AzureError:
        pass
    return requests


low, high = sent(retry_total=1), sent(retry_total=10)
every = sent(retry_total=10, retry_connect=10, retry_read=10, retry_status=10)
print(f"azure-storage-blob {importlib.metadata.version('azure-storage-blob')}, answered 503 each time:"
      f" retry_total=1 sends {low} requests, retry_total=10 sends {high}, with retry_status=10 too {every}")
sys.exit((low, high, every) != (2, 4, 11))
PY
"$folder/venv/bin/python" "$folder/try.py"
