#!/usr/bin/env bash
# azure-storage-blob with Azurite: of two overwrites of one blob at the same time one fails, if they are large.
#
# Expected: upload_blob(overwrite=True) without any condition replaces the blob; of two at once the last one wins and both
# end well, as they do for small blobs, and as in other stores. What happens: above max_single_put_size (64 MiB) the
# client stages blocks, named by their place (so alike in every upload), and commits them. Uncommitted blocks belong to
# the blob, not to an upload, and after a commit those of the other are gone: its commit is answered InvalidBlockList.
# Why it matters: jobs that write the same file twice (retries that overlap, two runs of a day) work in every test with
# small files and fail in production with large ones. Blocks need names of their own, and the loser must start again.
# Here the limit is lowered to 1 MiB, so that the files need not be large.
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
import importlib.metadata, sys, threading
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

MIB = 1 << 20
# The account and key that every Azurite has, by its documentation.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
text = f"AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint={sys.argv[1]}/devstoreaccount1"
service = BlobServiceClient.from_connection_string(text, max_single_put_size=MIB, max_block_size=MIB)
container = service.create_container("ccc")


class Content:
    """A stream that waits after half of it until the other upload is as far."""

    def __init__(self, letter, mib):
        self.letter, self.left, self.half = letter, mib, mib / 2

    def read(self, _size=-1):
        if not self.left:
            return b""
        self.left -= 1
        if self.left < self.half:
            both.wait(30)
            self.half = -1
        return self.letter * MIB


def outcomes(mib):
    ended = []

    def upload(letter):
        try:
            container.upload_blob("blob", Content(letter, mib), length=mib * MIB, overwrite=True)
            ended.append("ok")
        except HttpResponseError as error:
            ended.append(str(getattr(error.error_code, "value", error.error_code)))

    threads = [threading.Thread(target=upload, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(ended)


both = threading.Barrier(2)
small, large = outcomes(1), outcomes(4)
print(f"azure-storage-blob {importlib.metadata.version('azure-storage-blob')}, Azurite 3.35.0, two overwrites at once:"
      f" of 1 MiB, one request each: {small}; of 4 MiB, in blocks: {large}")
sys.exit((small, large) != (["ok", "ok"], ["InvalidBlockList", "ok"]))
PY
"$folder/venv/bin/python" "$folder/try.py" "$url"
