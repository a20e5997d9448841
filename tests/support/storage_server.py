"""A fake of Cloud Storage's JSON API over HTTP, that records what its client sends.

Google's own server cannot be had here. It knows what a lake does: objects with generations, written, read, listed and
deleted.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import google_crc32c
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from support.bigquery_recorder import Recorder, Request
from support.lakes import ObjectStore

Answer = tuple[int, dict[str, str], bytes]
MISSING: Answer = (404, {}, b'{"error": {"code": 404, "message": "No such object"}}')
OTHER_GENERATION: Answer = (412, {}, b'{"error": {"code": 412, "message": "Precondition failed"}}')


class _Bucket:
    """The bucket `granary`."""

    def __init__(self) -> None:
        self.store = ObjectStore()
        self.uploads: dict[str, tuple[str, str | None]] = {}

    def answer(self, request: Request, url: str, content: bytes) -> Answer:
        """The answer to a request.

        Args:
            request: what was asked.
            url: the server's own address.
            content: the body as it was sent.
        """
        name = unquote(request.path.rpartition("/o/")[2])
        expected = request.query.get("ifGenerationMatch")
        if request.query.get("uploadType") == "resumable" and request.method == "POST":
            upload = f"{len(self.uploads)}"
            self.uploads[upload] = (request.body or {})["name"], expected
            return 200, {"Location": f"{url}{request.path}?uploadType=resumable&upload_id={upload}"}, b""
        if upload := request.query.get("upload_id"):
            return self._write(*self.uploads[upload], content)
        if request.method == "POST":
            return self._write((request.body or {})["name"], expected, request.media or b"")
        if request.method == "DELETE":
            found = self.store.delete(name, expected and int(expected))
            return MISSING if not found else OTHER_GENERATION if expected not in (None, f"{found}") else (204, {}, b"")
        if "alt" in request.query and "/o/" in request.path:
            stored = self.store.read(name)
            return (200, {"X-Goog-Generation": f"{stored[0]}"}, stored[1]) if stored else MISSING
        return self._list(request.query.get("prefix", ""), request.query.get("delimiter"))

    def _write(self, name: str, expected: str | None, content: bytes) -> Answer:
        generation = self.store.write(name, content, expected and int(expected))
        if generation is None:
            return OTHER_GENERATION
        checksum = base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
        stored = {"name": name, "bucket": "granary", "generation": f"{generation}", "crc32c": checksum}
        return 200, {}, json.dumps(stored).encode()

    def _list(self, prefix: str, delimiter: str | None) -> Answer:
        items: list[dict[str, Any]] = []
        prefixes = set()
        for name, size, written in self.store.objects(prefix):
            head, slash, _ = name.removeprefix(prefix).partition("/")
            if delimiter and slash:
                prefixes.add(f"{prefix}{head}/")
            else:
                time = f"{written:%Y-%m-%dT%H:%M:%S.%fZ}"
                items.append({"name": name, "bucket": "granary", "size": f"{size}", "updated": time})
        return 200, {}, json.dumps({"items": items, "prefixes": sorted(prefixes)}).encode()


@contextmanager
def serving() -> Iterator[tuple[storage.Client, Recorder]]:
    """Serve the bucket; gives Google's own client of it, and the record of what is sent."""
    recorder, bucket = Recorder(), _Bucket()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            # A part of an upload is no JSON; the recorder keeps it with the request that began the upload.
            request = recorder.add(self.command, self.path, self.headers, body)
            status, headers, content = bucket.answer(request, url, body)
            recorder.answered(request, status, {name.lower(): value for name, value in headers.items()})
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", f"{len(content)}")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names the base class looks for

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield storage.Client("local", AnonymousCredentials(), client_options={"api_endpoint": url}), recorder
        finally:
            server.shutdown()
            thread.join()
