"""A stand-in for the X API v2, as X cannot be had in tests: recorded from its documentation, made-up posts only.

It checks the token, the bounds of ids and pages, and bills what it gives, as X does.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lumbung.core.day import JAKARTA, ends_at

MONTHS_END = timedelta(minutes=3)
"""Longer than a test takes."""
TOKEN = "AAAA%2Fsintetis-token"
FIRST_ID_MS = 1288834974657
SEVEN_DAYS_MS = 7 * 86_400_000
NO_CREDIT = {
    "title": "CreditsDepleted",
    "detail": "Your enrolled account [1] does not have any credits to fulfill this request.",
    "type": "https://api.twitter.com/2/problems/credits",
}


@dataclass
class Fault:
    """One answer given instead of the right one; `body` None cuts the connection."""

    status: int
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    billed: bool = False


@dataclass
class X:
    """What the server holds and has seen.

    `post(ago)` adds a post made that many seconds ago. `faults` are answered first, one a request; None: the right one.
    `headers` go with right answers. `page` is how many posts it gives at most.
    """

    url: str = ""
    posts: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault | None] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    page: int = 100
    requests: list[dict[str, str]] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    mills: int = 0

    def post(self, ago: float, **changes: Any) -> int:
        ms = int((time.time() - ago) * 1000)
        number = (ms - FIRST_ID_MS) << 22 | len(self.posts)
        user = str(len(self.posts) % 3)
        self.posts[number] = {
            "id": str(number),
            "text": "sukuk sintetis",
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(ms / 1000)),
            "lang": "in",
            "author_id": user,
            "edit_history_tweet_ids": [str(number)],
            **changes,
        }
        return number

    def answer(self, path: str, params: dict[str, str], token: str) -> Fault:
        if token != f"Bearer {TOKEN}":
            return Fault(401, {"title": "Unauthorized", "detail": f"Unauthorized {token}"})
        self.requests.append({"path": path, **params})
        fault = self.faults.pop(0) if self.faults else None
        if fault and not fault.billed:
            return fault
        if path == "/2/tweets/counts/recent":
            answer = self._counts()
        elif path == "/2/tweets/search/recent":
            answer = self._search(params)
        else:
            answer = Fault(404, {"title": "Not Found"})
        return fault or answer

    def _search(self, params: dict[str, str]) -> Fault:
        oldest = int(time.time() * 1000) - SEVEN_DAYS_MS
        for name in ("since_id", "until_id"):
            if name in params and (int(params[name]) >> 22) + FIRST_ID_MS < oldest:
                return Fault(400, {"title": "Invalid Request", "detail": f"'{name}' must be a tweet id created after"})
        size = int(params.get("max_results", "10"))
        if not 10 <= size <= 100 or not params.get("query"):
            return Fault(400, {"title": "Invalid Request", "detail": "max_results must be between 10 and 100"})
        below = int(params.get("next_token", "b" + params.get("until_id", str(2**63)))[1:])
        above = max(int(params.get("since_id", "0")), (oldest - FIRST_ID_MS) << 22)
        matching = sorted((number for number in self.posts if above < number < below), reverse=True)
        chosen = matching[: min(size, self.page)]
        if not chosen:
            return Fault(200, {"meta": {"result_count": 0}}, self.headers)
        posts = [self.posts[number] for number in chosen]
        users = sorted({post["author_id"] for post in posts})
        meta = {"newest_id": str(chosen[0]), "oldest_id": str(chosen[-1]), "result_count": len(chosen)}
        if len(matching) > len(chosen):
            meta["next_token"] = f"b{chosen[-1]}"
        self.given += chosen
        self.mills += 5 * len(chosen) + 10 * len(users)
        includes = {"users": [{"id": user, "name": "Sintetis", "username": f"sintetis_{user}"} for user in users]}
        return Fault(200, {"data": posts, "includes": includes, "meta": meta}, self.headers)

    def _counts(self) -> Fault:
        self.mills += 5
        day = {"start": "2026-11-24T00:00:00.000Z", "end": "2026-11-25T00:00:00.000Z", "tweet_count": len(self.posts)}
        before = {"start": "2026-11-23T04:05:06.000Z", "end": "2026-11-24T00:00:00.000Z", "tweet_count": 7}
        return Fault(200, {"data": [day, before], "meta": {"total_tweet_count": 7 + len(self.posts)}}, self.headers)


@contextlib.contextmanager
def running() -> Iterator[X]:
    """The stand-in, at `url`; tests of it compare costs within a month, so one that is about to end is waited out."""
    now = datetime.now(JAKARTA)
    if (now + MONTHS_END).month != now.month:
        time.sleep((ends_at(now.date()) - now).total_seconds())
    x = X()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            params = {name: values[0] for name, values in parse_qs(url.query).items()}
            answer = x.answer(url.path, params, self.headers.get("Authorization", ""))
            if answer.body is None:
                self.close_connection = True
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        x.url = f"http://127.0.0.1:{server.server_port}"
        yield x
        server.shutdown()
