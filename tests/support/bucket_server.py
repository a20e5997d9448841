"""Cloud Storage's JSON API on this machine, as far as a lake asks it, for Google's own client.

Google's server cannot be had here. Objects have generations and metadata, requests their preconditions, and lists their
pages. The functions stand here and not in a test, as a spawned process imports them.
"""

from __future__ import annotations

import base64
import email.parser
import email.policy
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

from lumbung.storage.lake import BucketLake

BUCKET = "granary"
PAGE = 1000


@dataclass(frozen=True)
class Stored:
    generation: int
    content: bytes
    metadata: dict[str, str]
    written: datetime


@dataclass
class BucketServer:
    """A bucket, and what is asked of it.

    Attributes:
        url: where it answers.
        broken: answer 503 to everything.
        mirror: folder that objects are also written to, as files, for a server that reads `gs://` from there.
        requests: methods and paths of all requests.
    """

    url: str = ""
    broken: bool = False
    mirror: Path | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    objects: dict[str, Stored] = field(default_factory=dict)
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    uploads: dict[str, tuple[dict[str, Any], str | None]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, address: str, headers: Message, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of an answer.

        Args:
            method: HTTP's.
            address: path and query.
            headers: of the request.
            body: of the request.
        """
        parts = urlsplit(address)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        _, is_of_objects, name = parts.path.partition(f"/b/{BUCKET}/o")
        with self.lock:
            self.requests.append((method, address))
            if self.broken:
                return self._fault(503)
            if not is_of_objects:  # the client asks for the bucket itself, in a thread of its own
                return self._json({"name": BUCKET})
            if "upload_id" in query:
                return self._write(*self.uploads[query["upload_id"]], body)
            if method == "POST" and parts.path.startswith("/upload/"):
                return self._upload(query, headers, body)
            if method == "GET" and not name:
                return self._list(query)
            stored = self.objects.get(name := unquote(name.removeprefix("/")))
            if stored is None:
                return self._fault(404)
            if method == "GET" and query.get("alt") == "media":
                return 200, {"X-Goog-Generation": f"{stored.generation}"}, stored.content
            if method == "GET":
                return self._json(self._resource(name, stored))
            assert method == "DELETE", method
            if query.get("ifGenerationMatch", f"{stored.generation}") != f"{stored.generation}":
                return self._fault(412)
            del self.objects[name]
            return 204, {}, b""

    def _upload(self, query: dict[str, str], headers: Message, body: bytes) -> tuple[int, dict[str, str], bytes]:
        condition = query.get("ifGenerationMatch")
        if query["uploadType"] == "resumable":
            upload = f"{len(self.uploads)}"
            self.uploads[upload] = json.loads(body), condition
            address = f"http://{headers['Host']}/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&upload_id={upload}"
            return 200, {"Location": address}, b""
        boundary = headers["Content-Type"].partition("boundary=")[2].strip('"').strip("'").encode()
        _, head, data, _ = body.split(b"--" + boundary)
        resource = json.loads(
            email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head.lstrip()).get_content()
        )
        return self._write(resource, condition, data.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))

    def _write(
        self, resource: dict[str, Any], condition: str | None, content: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        name, before = resource["name"], self.objects.get(resource["name"])
        present = f"{before.generation if before else 0}"
        if condition not in (None, present):
            return self._fault(412)
        self.objects[name] = Stored(next(self.generations), content, resource.get("metadata", {}), datetime.now(UTC))
        if self.mirror:
            file = self.mirror / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        checksum = base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
        return self._json({**self._resource(name, self.objects[name]), "crc32c": checksum})

    def _list(self, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        found: dict[str, Stored | None] = {}
        for name in sorted(self.objects):
            if name.startswith(prefix) and name >= query.get("startOffset", ""):
                head, slash, _ = name.removeprefix(prefix).partition(delimiter or "\0")
                found[f"{prefix}{head}{slash}"] = None if slash else self.objects[name]
        start = int(query.get("pageToken", "0"))
        page = list(found.items())[start : start + PAGE]
        more = {"nextPageToken": f"{start + PAGE}"} if len(found) > start + PAGE else {}
        items = [self._resource(name, stored) for name, stored in page if stored]
        return self._json({"items": items, "prefixes": [name for name, stored in page if not stored], **more})

    @staticmethod
    def _resource(name: str, stored: Stored) -> dict[str, Any]:
        return {
            "name": name,
            "bucket": BUCKET,
            "generation": f"{stored.generation}",
            "size": f"{len(stored.content)}",
            "metadata": stored.metadata,
            "updated": stored.written.isoformat().replace("+00:00", "Z"),
        }

    @staticmethod
    def _json(content: dict[str, Any], status: int = 200) -> tuple[int, dict[str, str], bytes]:
        return status, {"Content-Type": "application/json"}, json.dumps(content).encode()

    @classmethod
    def _fault(cls, status: int) -> tuple[int, dict[str, str], bytes]:
        return cls._json({"error": {"code": status, "message": f"{status}"}}, status)


@contextmanager
def running(mirror: Path | None = None) -> Iterator[BucketServer]:
    """A server with an empty bucket; `mirror` as `BucketServer`'s."""
    bucket = BucketServer(mirror=mirror)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = bucket.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    bucket.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield bucket
    finally:
        server.shutdown()
        server.server_close()


class ServedLake(BucketLake):
    """A lake in a bucket of a server of this machine; another process that is given it connects by itself."""

    def __init__(self, uri: str, url: str) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        self.url = url
        options = {"api_endpoint": url}
        super().__init__(uri, storage.Client("p", AnonymousCredentials(), client_options=options))

    def __reduce__(self) -> tuple[type[ServedLake], tuple[str, str]]:
        return ServedLake, (self.uri, self.url)
