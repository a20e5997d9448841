#!/usr/bin/env bash
# Azurite 3.35.0 answers a list of blobs from a start with all of them, and no error.
#
# Expected: list_blobs(start_from="c"), an argument of azure-storage-blob 12.31.1, lists the names from "c" on, or the
# emulator refuses the parameter that it does not know. What happens: Azurite passes over startFrom and lists from the
# first name, also with --skipApiVersionCheck, without which it refuses all that this client sends by default.
# Why it matters: code that goes on from where it was takes the first names as the next ones. Tests on the emulator with
# a few names pass or fail for a reason that the real store does not have. Names before the start must be left out by
# the caller.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q azure-storage-blob==12.31.1
(cd "$folder" && npm install --silent --ignore-scripts --no-audit --no-fund azurite@3.35.0)
node "$folder/node_modules/azurite/dist/src/blob/main.js" --blobPort 0 --inMemoryPersistence --disableTelemetry --silent \
  --skipApiVersionCheck >"$folder/log" 2>&1 &
server=$!
until url=$(grep -o 'http://127.0.0.1:[0-9]*' "$folder/log"); do sleep 0.1; done
cat >"$folder/try.py" <<'PY'
import importlib.metadata, sys
from azure.storage.blob import BlobServiceClient

# The account and key that every Azurite has, by its documentation.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
text = f"AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint={sys.argv[1]}/devstoreaccount1"
container = BlobServiceClient.from_connection_string(text).create_container("ccc")
for name in "abcd":
    container.upload_blob(name, b"")
names = [blob.name for blob in container.list_blobs(start_from="c")]
print(f"azure-storage-blob {importlib.metadata.version('azure-storage-blob')}, Azurite 3.35.0: of a, b, c and d,"
      f" start_from='c' lists {names}")
sys.exit(names != ["a", "b", "c", "d"])
PY
"$folder/venv/bin/python" "$folder/try.py" "$url"
