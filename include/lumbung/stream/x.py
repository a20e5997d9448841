"""The X API v2: recent search and counts, paid for by the post, never above a cap.

A search is answered newest first, in pages. What is known of it is saved page by page, so that one that was cut short
(a kill, the cap, an outage) is finished later at its older end, and no post is paid for twice.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

import requests
from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3.exceptions import NewConnectionError

from lumbung.core import day as business_day
from lumbung.core.errors import LumbungError, SettingError, SourceError, SourceUnavailableError
from lumbung.core.settings import Settings
from lumbung.storage.lake import FolderLake
from lumbung.stream import envelope
from lumbung.stream.feed import UnreadableError
from lumbung.stream.items import Checkpoint, Item, sync, unpack

# X matches whole words: the forms that a mention counts in are spelled out. It finds no hashtag of several words, and a
# hyphen is a space to it. Retweets are dropped anyway, and cost as much.
_FORMS = [
    word if " " not in word else f'"{word}"'
    for name in ("saham", "reksadana", "reksa dana", "sukuk")
    for word in (name, *(name + clitic for clitic in ("ku", "mu", "nya", "lah", "kah", "pun")))
]
QUERY = f"({' OR '.join(_FORMS)}) lang:in -is:retweet"
SEARCH, COUNTS = "/2/tweets/search/recent", "/2/tweets/counts/recent"
FIELDS = {
    "tweet.fields": "id,text,note_tweet,created_at,lang,author_id,referenced_tweets,edit_history_tweet_ids",
    "expansions": "author_id",
    "user.fields": "username",
    "sort_order": "recency",
}
PAGE, LEAST_PAGE = 100, 10
# Thousandths of a US dollar: https://docs.x.com/x-api/getting-started/pricing, read in November 2026.
POST_MILLS, USER_MILLS, COUNT_MILLS = 5, 10, 5
# The recent endpoints reach back seven days and refuse ids from before; requests take a while.
REACH = timedelta(days=7) - timedelta(minutes=5)

ATTEMPTS = 3
# A rate limit's window is 15 minutes.
MAX_WAIT_SECONDS = 16 * 60
TIMEOUT = (10, 60)

STATE = "x/state.json"

Sleep = Callable[[float], object]


class State(BaseModel):
    """How far the search has come.

    Attributes:
        since_id: every post up to it is in the spool.
        newest_id: the newest post of a search that was cut short; None where none was.
        until_id: the oldest post of it in the spool; those between since_id and it are missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    since_id: int | None = None
    newest_id: int | None = None
    until_id: int | None = None


@dataclass(frozen=True)
class Count:
    """Posts of a stretch of time that match the query.

    Attributes:
        start: UTC, included.
        end: UTC, not included; the newest stretch ends now.
        tweets: their number.
    """

    start: datetime
    end: datetime
    tweets: int


@dataclass(frozen=True)
class Status:
    """What is known of X.

    Attributes:
        since_id: every post up to it is in the spool.
        unfinished: whether a search was cut short.
        month: the calendar month in Jakarta, YYYY-MM.
        usd: spent in it, or held by requests whose answer never came.
        max_usd: the cap.
    """

    since_id: int | None
    unfinished: bool
    month: str
    usd: float
    max_usd: float


class CapReachedError(LumbungError):
    """The next request could cost more than the cap leaves."""


def status(settings: Settings, *, now: datetime | None = None) -> Status:
    """How far the search has come, and what this month cost."""
    state, journal = _state(_folder(settings)), Journal(settings, now or datetime.now(UTC))
    return Status(state.since_id, state.until_id is not None, journal.month, journal.spent() / 1000, settings.x.max_usd)


def counts(
    settings: Settings, *, granularity: Literal["day", "hour"] = "day", sleep: Sleep = time.sleep
) -> list[Count]:
    """How many posts of the last seven days match, for the price of one.

    Args:
        settings: the process's settings.
        granularity: days are of UTC.
        sleep: waits that many seconds.

    Raises:
        LumbungError: as `Search.items`, or the cap is reached.
    """
    with _folder(settings).lease("x"):
        client, found = Client(settings, sleep=sleep), list[Count]()
        params = {"query": QUERY, "granularity": granularity}
        while True:
            body = client.get(COUNTS, params, COUNT_MILLS, lambda _: {"mills": COUNT_MILLS})
            try:
                found += [
                    Count(
                        datetime.fromisoformat(one["start"]),
                        datetime.fromisoformat(one["end"]),
                        int(one["tweet_count"]),
                    )
                    for one in body.get("data", [])
                ]
            except (KeyError, TypeError, ValueError) as error:
                raise _malformed(COUNTS, f"{type(error).__name__}: {error}") from error
            if not (following := body["meta"].get("next_token")):
                return sorted(found, key=lambda one: one.start)
            params["next_token"] = following


class Search:
    """Recent posts that match the query, each once.

    Args:
        settings: the process's settings.
        sleep: waits that many seconds.

    Raises:
        SettingError: no bearer token is set.
    """

    name = "x"

    def __init__(self, settings: Settings, *, sleep: Sleep = time.sleep) -> None:
        self.client = Client(settings, sleep=sleep)
        self.folder = _folder(settings)
        self.notes: list[str] = []

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self.client.requests

    @property
    def mills(self) -> int:
        """What they cost."""
        return self.client.mills

    def items(self) -> Generator[Item]:
        """First what an earlier search left out, then what is new; ends early, with a note, at the cap.

        Raises:
            LumbungError: X refuses the token or the account, or answers what cannot be understood.
            SourceUnavailableError: it does not answer, or its rate limit lasts too long.
        """
        with self.folder.lease("x"):
            state = self._within_reach(_state(self.folder))
            try:
                if state.until_id:
                    yield from self._search(state)
                    state = State(since_id=state.newest_id)
                yield from self._search(state)
            except CapReachedError as reached:
                self.notes.append(str(reached))

    def _search(self, state: State) -> Generator[Item]:
        newest, oldest, token = state.newest_id, state.until_id, None
        bounds = {"since_id": state.since_id, "until_id": state.until_id}
        params = {"query": QUERY, **FIELDS, **{name: str(value) for name, value in bounds.items() if value}}
        page = 0
        while True:
            page += 1
            body = self.client.page({**params, **({"next_token": token} if token else {})})
            tweets, meta, now = envelope.tweets(body) or [], body["meta"], datetime.now(UTC)
            yield from unpack(tweets, source="x", collected_at=now, file=f"GET {SEARCH}", line=page)
            if tweets:
                try:
                    newest, oldest = newest or int(meta["newest_id"]), int(meta["oldest_id"])
                except (KeyError, TypeError, ValueError) as error:
                    raise _malformed(SEARCH, "posts without newest_id and oldest_id") from error
            token = meta.get("next_token")
            if not token:
                yield Checkpoint(partial(self._save, State(since_id=newest or state.since_id)))
                return
            if oldest:
                yield Checkpoint(partial(self._save, State(since_id=state.since_id, newest_id=newest, until_id=oldest)))

    def _save(self, state: State) -> None:
        self.folder.write(STATE, state.model_dump_json(exclude_none=True).encode())

    def _within_reach(self, state: State) -> State:
        """Leave out ids that X refuses as too old, and say which posts that loses."""
        reach = datetime.now(UTC) - REACH
        if state.until_id and _time(state.until_id) < reach:
            self.notes.append(f"posts before {_time(state.until_id):%Y-%m-%d %H:%M} UTC are missing: {_TOO_OLD}")
            state = State(since_id=state.newest_id)
        if state.since_id and _time(state.since_id) < reach:
            since = f"{_time(state.since_id):%Y-%m-%d %H:%M} and {reach:%Y-%m-%d %H:%M} UTC"
            self.notes.append(f"posts between {since} are missing: {_TOO_OLD}")
            state = state.model_copy(update={"since_id": None})
        return state


class Journal:
    """What requests cost in one calendar month of Jakarta: a line before each is sent, and one after.

    A request whose answer never came keeps its worst cost.
    """

    def __init__(self, settings: Settings, at: datetime) -> None:
        self.month = f"{business_day.today(at):%Y-%m}"
        self.path = settings.spool / "x" / f"journal-{self.month}.jsonl"

    def spent(self) -> int:
        """Thousandths of a US dollar.

        Raises:
            LumbungError: a line of the journal is broken.
        """
        return sum(self._mills(number, line) for number, line in enumerate(self._whole().splitlines(), 1))

    def _whole(self) -> bytes:
        """The lines without one that was cut off: its request was not sent, or keeps its worst cost."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        return content[: content.rfind(b"\n") + 1]

    def _mills(self, number: int, line: bytes) -> int:
        try:
            return int(json.loads(line)["mills"])
        except (ValueError, KeyError, TypeError) as error:
            raise LumbungError(
                "the journal of what X cost is broken",
                where=f"{self.path}, line {number}",
                remedy='mend the line; its "mills" are thousandths of a US dollar',
            ) from error

    def write(self, request: str, what: str, mills: int, **facts: object) -> None:
        """Put a line on disk.

        Args:
            request: an id that a request's lines share.
            what: the endpoint's path.
            mills: to add to what was spent.
            facts: what else is known.
        """
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"request": request, "at": at, "what": what, "mills": mills, **facts}) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = len(self._whole())
        with self.path.open("ab") as file:
            file.truncate(whole)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        sync(self.path.parent)


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
        return self.get(SEARCH, {**params, "max_results": str(posts)}, worst, _page_cost)

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
            # An answer that is no success holds no post, and is not billed.
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

    def _settle(self, journal: Journal, request: str, path: str, worst: int, *, mills: int, **facts: int) -> None:
        journal.write(request, path, mills - worst, **facts)
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
        code, where, told = answer.status_code, f"GET {path}", self._told(answer)
        if code == requests.codes.unauthorized:
            raise SettingError(
                f"X refuses the bearer token{told}",
                where="LUMBUNG_X_BEARER_TOKEN",
                remedy="set the token of an app from X's developer console",
            )
        if code == requests.codes.payment_required or "credit" in told.lower():
            raise SourceError(
                f"the account has no credit{told}", where=where, remedy="buy credit in X's developer console"
            )
        if code == requests.codes.forbidden:
            raise SourceError(
                f"X does not let this app search{told}",
                where=where,
                remedy="give the app's project access to the v2 endpoints in X's developer console",
            )
        # X has a monthly bound on posts of its own, which no waiting lifts.
        limited = code == requests.codes.too_many_requests and "usagecap" not in told.lower()
        if not limited and code < requests.codes.internal_server_error:
            raise SourceError(f"X answers {code}{told}", where=where, remedy="see what it says; nothing was billed")
        if last:
            raise SourceUnavailableError(
                f"X answers {code}, {ATTEMPTS} times{told}", where=where, remedy="collect again later"
            )

    def _told(self, answer: requests.Response) -> str:
        """What X says of an error, in brackets."""
        try:
            body = answer.json()
            texts = [body[name] for name in ("title", "detail") if isinstance(body.get(name), str)]
        except (ValueError, AttributeError):
            return ""
        text = ": ".join(texts).replace(self._token, "…")[:300]
        return f" ({text})" if text else ""


_TOO_OLD = "X's recent search reaches back seven days"


def _folder(settings: Settings) -> FolderLake:
    return FolderLake(settings.spool.as_uri(), settings.spool)


def _state(folder: FolderLake) -> State:
    content = folder.read(STATE)
    try:
        return State() if content is None else State.model_validate_json(content)
    except ValidationError as error:
        raise LumbungError(
            "the file is broken",
            where=str(folder.folder / STATE),
            remedy="delete it to collect the last seven days again; they are billed again",
        ) from error


def _time(post: int) -> datetime:
    """When a post was made, by its id."""
    return datetime.fromtimestamp(((post >> 22) + envelope.FIRST_ID_MS) / 1000, UTC)


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
        raise _malformed(path, str(error)) from error
    if not isinstance(body.get("meta"), dict) or not isinstance(body.get("data", []), list):
        raise _malformed(path, "no meta, or data that is no list")
    return body


def _malformed(path: str, why: str) -> SourceError:
    return SourceError(
        f"X's answer cannot be understood: {why}",
        where=f"GET {path}",
        remedy="collect again later; what it may have cost stays counted",
    )


def _page_cost(body: dict[str, Any]) -> dict[str, int]:
    includes = body.get("includes")
    users = includes.get("users") if isinstance(includes, dict) else None
    posts, authors = len(body.get("data", [])), len(users) if isinstance(users, list) else 0
    return {"mills": posts * POST_MILLS + authors * USER_MILLS, "posts": posts, "users": authors}
