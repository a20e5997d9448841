"""The client of the X API v2: each request is within the cap and written down before it is sent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from lumbung.core.errors import SettingError, SourceError, SourceUnavailableError
from lumbung.core.settings import Settings
from lumbung.stream import envelope
from lumbung.stream.feed import UnreadableError
from lumbung.stream.x_cost import POST_MILLS, USER_MILLS, CapReachedError, Journal, page_cost

SEARCH, COUNTS = "/2/tweets/search/recent", "/2/tweets/counts/recent"
PAGE, LEAST_PAGE = 100, 10
ATTEMPTS = 3
# A rate limit's window is 15 minutes.
MAX_WAIT_SECONDS = 16 * 60
TIMEOUT = (10, 60)

Sleep = Callable[[float], object]


class Client:
    """Requests to the X API, each within the cap and written down before it is sent.

    Args:
        settings: the process's settings.
        sleep: waits that many seconds.

    Raises:
        SettingError: no bearer token is set.
    """

    def __init__(self, settings: Settings, *, sleep: Sleep = time.sleep) -> None:
        if settings.x.bearer_token is None:
            raise SettingError(
                "the X API needs a bearer token",
                where="LUMBUNG_X_BEARER_TOKEN",
                remedy="set the token of an app with credit, from X's developer console",
            )
        self.settings, self.sleep = settings, sleep
        self.requests = self.mills = 0
        self._token = settings.x.bearer_token.get_secret_value()
        self._free_at = 0.0

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def page(self, params: dict[str, str]) -> dict[str, Any]:
        """A page of the search, as large as the cap allows.

        Raises:
            CapReachedError: it allows not even the smallest page, were each post by another author.
            LumbungError: as `get`.
        """
        left = self._cap() - Journal(self.settings, datetime.now(UTC)).spent()
        posts = max(LEAST_PAGE, min(PAGE, left // (POST_MILLS + USER_MILLS)))
        worst = posts * (POST_MILLS + USER_MILLS)
        return self.get(SEARCH, {**params, "max_results": str(posts)}, worst, page_cost)

    def get(
        self, path: str, params: dict[str, str], worst: int, cost: Callable[[dict[str, Any]], dict[str, int]]
    ) -> dict[str, Any]:
        """An answer, a JSON object with `meta`.

        Args:
            path: the endpoint.
            params: of the query.
            worst: thousandths of a US dollar that the answer may cost.
            cost: what an answer cost (`mills`), and why.

        Raises:
            CapReachedError: the request could cost more than the cap leaves.
            LumbungError: X refuses the token or the account, or answers what cannot be understood.
            SourceUnavailableError: it does not answer, or its rate limit lasts too long.
        """
        attempt = 0
        while True:
            attempt += 1
            self._wait(path)
            journal, request = self._reserve(path, worst)
            try:
                answer = requests.get(
                    self.settings.x.url + path,
                    params=params,
                    auth=self._authorize,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                sent = not _not_sent(error)
                if not sent:
                    self._settle(journal, request, path, worst, mills=0)
                if sent or attempt == ATTEMPTS:
                    raise SourceUnavailableError(
                        f"X does not answer ({type(error).__name__})",
                        where=f"GET {path}",
                        remedy="check the network, then collect again",
                    ) from None
                self.sleep(2**attempt)
                continue
            if answer.status_code == requests.codes.ok:
                body = _body(answer, path)
                self._settle(journal, request, path, worst, **cost(body))
                if answer.headers.get("x-rate-limit-remaining") == "0":
                    self._free_at = _reset(answer)
                return body
            # An answer that is not a success holds no post, and is not billed.
            self._settle(journal, request, path, worst, mills=0, status=answer.status_code)
            self._refused(answer, path, last=attempt == ATTEMPTS)
            if answer.status_code == requests.codes.too_many_requests:
                self._free_at = _reset(answer)
            else:
                self.sleep(2**attempt)

    def _cap(self) -> int:
        return round(self.settings.x.max_usd * 1000)

    def _reserve(self, path: str, worst: int) -> tuple[Journal, str]:
        journal, request = Journal(self.settings, datetime.now(UTC)), uuid.uuid4().hex
        spent = journal.spent()
        if spent + worst > self._cap():
            raise CapReachedError(
                f"the next request could cost ${worst / 1000:.3f}, and ${spent / 1000:.3f} of "
                f"${self._cap() / 1000:.3f} are spent in {journal.month}",
                where=f"GET {path}",
                remedy="raise LUMBUNG_X_MAX_USD, or wait for the next month",
            )
        journal.write(request, path, worst)
        self.requests += 1
        self.mills += worst
        return journal, request

    def _settle(self, journal: Journal, request: str, path: str, worst: int, *, mills: int, **details: int) -> None:
        journal.write(request, path, mills - worst, **details)
        self.mills += mills - worst

    def _wait(self, path: str) -> None:
        """Let a rate limit pass."""
        seconds = self._free_at - time.time()
        if seconds > MAX_WAIT_SECONDS:
            raise SourceUnavailableError(
                f"X's rate limit lasts {seconds:.0f} seconds more", where=f"GET {path}", remedy="collect again later"
            )
        if seconds > 0:
            self.sleep(seconds)

    def _refused(self, answer: requests.Response, path: str, *, last: bool) -> None:
        """Raise what an answer other than 200 means; return if the request may be sent again."""
        code, where, reason = answer.status_code, f"GET {path}", self._reason(answer)
        if code == requests.codes.unauthorized:
            raise SettingError(
                f"X refuses the bearer token{reason}",
                where="LUMBUNG_X_BEARER_TOKEN",
                remedy="set the token of an app from X's developer console",
            )
        if code == requests.codes.payment_required or "credit" in reason.lower():
            raise SourceError(
                f"the account has no credit{reason}", where=where, remedy="buy credit in X's developer console"
            )
        if code == requests.codes.forbidden:
            raise SourceError(
                f"X does not let this app search{reason}",
                where=where,
                remedy="give the app's project access to the v2 endpoints in X's developer console",
            )
        # X has a monthly bound on posts of its own, which no waiting lifts.
        limited = code == requests.codes.too_many_requests and "usagecap" not in reason.lower()
        if not limited and code < requests.codes.internal_server_error:
            raise SourceError(f"X answers {code}{reason}", where=where, remedy="see what it says; nothing was billed")
        if last:
            raise SourceUnavailableError(
                f"X answers {code}, {ATTEMPTS} times{reason}", where=where, remedy="collect again later"
            )

    def _reason(self, answer: requests.Response) -> str:
        """What X says of an error, in brackets."""
        try:
            body = answer.json()
            texts = [body[name] for name in ("title", "detail") if isinstance(body.get(name), str)]
        except (ValueError, AttributeError):
            return ""
        text = ": ".join(texts).replace(self._token, "…")[:300]
        return f" ({text})" if text else ""


def _reset(answer: requests.Response) -> float:
    """When the rate limit ends, in Unix seconds; in a minute where X does not say."""
    text = answer.headers.get("x-rate-limit-reset", "")
    return int(text) + 1.0 if text.isascii() and text.isdigit() else time.time() + 60


def _not_sent(error: requests.RequestException) -> bool:
    """Whether X cannot have seen the request."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _body(answer: requests.Response, path: str) -> dict[str, Any]:
    try:
        body = envelope.loads(answer.content)
    except UnreadableError as error:
        raise malformed(path, str(error)) from error
    if not isinstance(body.get("meta"), dict) or not isinstance(body.get("data", []), list):
        raise malformed(path, "no meta, or data that is not a list")
    return body


def malformed(path: str, why: str) -> SourceError:
    """The error of an answer that cannot be understood."""
    return SourceError(
        f"X's answer cannot be understood: {why}",
        where=f"GET {path}",
        remedy="collect again later; what it may have cost stays counted",
    )
