#!/usr/bin/env bash
# google-cloud-storage asks for the bucket itself after each object that is not there, though nothing is traced.
#
# Expected: reading an object that does not exist is one request, answered 404. What happens: since the client keeps
# bucket metadata for OpenTelemetry spans, the first request of a client is followed by a GET of the bucket, and each
# NotFound by another one, from background threads. Tracing is an option that is off by default, and is off here.
# DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA=true stops both.
# Why it matters: code that looks for an object and expects not to find it (locks, markers, "created only if absent")
# makes twice the billed requests; an account with a role on objects only gets 403s in its audit log; and a test that
# counts requests is off by a race.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q google-cloud-storage==3.17.1
cat >"$folder/try.py" <<'PY'
import collections, http.server, importlib.metadata, os, sys, threading, time
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

asked = collections.Counter()


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        is_object = "/o/" in path
        asked["object" if is_object else "bucket"] += 1
        body = b'{"error": {"code": 404, "message": "no such object"}}' if is_object else b'{"name": "b"}'
        self.send_response(404 if is_object else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {"api_endpoint": f"http://127.0.0.1:{server.server_address[1]}"}
bucket = storage.Client("p", AnonymousCredentials(), client_options=options).bucket("b")
for number in range(5):
    try:
        bucket.blob(f"o{number}").download_as_bytes()
    except NotFound:
        pass
    time.sleep(0.3)  # for the background thread
print(f"google-cloud-storage {importlib.metadata.version('google-cloud-storage')},",
      f"switched off: {'DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA' in os.environ}:",
      f"{asked['object']} reads of objects, {asked['bucket']} of the bucket")
is_seen = asked["bucket"] >= 5 if sys.argv[1] == "asks" else asked["bucket"] == 0
sys.exit(not is_seen or asked["object"] != 5)
PY
verdict=0
"$folder/venv/bin/python" "$folder/try.py" asks || verdict=1
DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA=true "$folder/venv/bin/python" "$folder/try.py" silent || verdict=1
exit $verdict
