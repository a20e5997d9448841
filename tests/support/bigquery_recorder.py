"""A proxy between the BigQuery client and a server that keeps what was asked and what was answered.

It stands on the wire, so what it keeps is what BigQuery itself would get: after the client's own defaults and retries.
"""

import email
import email.policy
import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass
class Request:
    """A request, and how it was answered.

    Attributes:
        method: the HTTP method.
        path: the path without the query.
        query: the query's parameters.
        headers: names of the headers, lower case.
        body: the JSON sent; of an upload the job resource.
        media: the file sent with an upload; of a resumable one it is kept with the request that began it.
        status: the HTTP status of the answer.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: list[str] = field(default_factory=list)
    body: dict[str, Any] | None = None
    media: bytes | None = None
    status: int = 200


class Recorder:
    """The requests so far, in the order of their arrival."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._uploads: dict[str, Request] = {}

    def add(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        request = Request(method, url.path, query, sorted({name.lower() for name in headers}))
        self.requests.append(request)
        content_type = headers.get("content-type", "")
        if "upload_id" in query:
            begun = self._uploads[query["upload_id"]]
            begun.media = (begun.media or b"") + body
        elif content_type.startswith("multipart/related"):
            head = f"Content-Type: {content_type}\r\n\r\n".encode()
            message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
            resource, media = (part.get_payload(decode=True) for part in message.iter_parts())
            request.body, request.media = json.loads(resource), media
        elif body:
            request.body = json.loads(body)
        return request

    def answered(self, request: Request, status: int, headers: Mapping[str, str]) -> None:
        request.status = status
        if upload := re.search(r"[?&]upload_id=([^&]+)", headers.get("location", "")):
            self._uploads[upload[1]] = request


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    recorder: Recorder
    server_address: str

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        request = self.recorder.add(self.command, self.path, self.headers, body)
        # The Host header goes along, so an upload's Location leads back through here.
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        upstream = http.client.HTTPConnection(self.server_address, timeout=120)
        try:
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        self.recorder.answered(request, answer.status, answer.headers)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - the names the base class looks for

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def recording(url: str) -> Iterator[tuple[str, Recorder]]:
    """Record what goes to the server at `url`; gives the address to use in its stead, and the record."""
    recorder = Recorder()
    handler = type("Handler", (_Handler,), {"recorder": recorder, "server_address": urlsplit(url).netloc})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", recorder
        finally:
            server.shutdown()
            thread.join()
