#!/usr/bin/env bash
# azure-storage-blob repeats a create-if-absent whose answer was lost, and reports that another was first.
#
# Expected: upload_blob(overwrite=False) sends If-None-Match: *, so exactly one of several writers succeeds, and
# ResourceExistsError means that it was another. A request that is not safe to repeat would not be repeated, or its
# repetition would be recognized. What happens: the answer to the first PUT is lost on the way, the client sends the same
# PUT again by itself, the store answers 409 because of the client's own first one, and upload_blob raises
# ResourceExistsError. The blob holds this writer's bytes. The same goes for If-Match, with 412.
# Why it matters: locks, leases and "created only once" are built on this call. The writer that won believes that it lost
# and does not do the work; nobody does. Each write must name its writer in the blob's metadata, and look who is there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q azure-storage-blob==12.31.1
cat >"$folder/try.py" <<'PY'
import http.server, importlib.metadata, sys, threading
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient, LinearRetry

blobs, puts = {}, []


class Store(http.server.BaseHTTPRequestHandler):
    """As much of the Blob API as a conditional PUT and a GET need."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        puts.append(self.headers["If-None-Match"])
        if self.headers["If-None-Match"] == "*" and self.path in blobs:
            return self.answer(409, [("x-ms-error-code", "BlobAlreadyExists")])
        blobs[self.path] = content
        if len(puts) == 1:  # carried out; the answer is lost
            self.close_connection = True
            return None
        return self.answer(201, [("ETag", '"1"'), ("Last-Modified", "Sun, 29 Nov 2026 00:00:00 GMT")])

    def answer(self, status, headers):
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", "0")]:
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
text = f"AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:{server.server_address[1]}/a"
client = BlobServiceClient.from_connection_string(text, retry_policy=LinearRetry(backoff=0, retry_total=3))
try:
    client.get_blob_client("c", "lock").upload_blob(b"mine", overwrite=False)
    outcome = "created"
except ResourceExistsError as error:
    outcome = f"ResourceExistsError ({error.error_code})"
print(f"azure-storage-blob {importlib.metadata.version('azure-storage-blob')}: {len(puts)} PUTs with"
      f" If-None-Match {puts[0]} by one call of one writer; the answer: {outcome}; the blob holds {blobs['/a/c/lock']}")
sys.exit(not (outcome.startswith("ResourceExistsError") and len(puts) == 2 and blobs["/a/c/lock"] == b"mine"))
PY
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "seen: the only writer hears that another was first"
else
  echo "changed: the writer hears that it created the blob"
  exit 1
fi
