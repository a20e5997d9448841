"""A small HTTP proxy in front of a real server, that lets tests look at requests and spoil some."""

import http.client
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


# What the proxy answers itself: status and body. `Drop` cuts the connection.
Answer = tuple[int, bytes]


class Drop(Exception):  # noqa: N818 - an order, not an error
    pass


@dataclass
class Proxy:
    """Forwards to `target`; `spoil` may answer instead, raise Drop, or wait; `loses` an answer of the target."""

    target: str
    context: ssl.SSLContext | None = None
    spoil: Callable[[Request], Answer | None] = lambda request: None
    loses: Callable[[Request], bool] = lambda request: False
    product: str = "Elasticsearch"
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        proxy, to = self, urlsplit(self.target)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, ssl.SSLError):  # the client gave up
                    self.close_connection = True

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                proxy.requests.append(request)
                try:
                    answer = proxy.spoil(request)
                except Drop:
                    self.close_connection = True
                    return
                status, headers, content = (answer[0], {}, answer[1]) if answer else proxy.forward(to.netloc, request)
                if proxy.loses(request):
                    self.close_connection = True
                    return
                headers.setdefault("X-elastic-product", proxy.product)
                headers.setdefault("Content-Type", "application/json")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.context:
            self._server.socket = self.context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_args: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    @staticmethod
    def forward(netloc: str, request: Request) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(netloc, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in HOP}
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, {k: v for k, v in response.getheaders() if k.lower() not in HOP}, content
        finally:
            connection.close()
