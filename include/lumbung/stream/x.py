"""Tweets from X: recent search and counts, paid for by the post, never above a cap.

A search is answered newest first, in pages. What is known of it is saved page by page, so that one that was cut short
(a kill, the cap, an outage) is finished later at its older end, and no post is paid for twice.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import FolderLake
from lumbung.stream import envelope
from lumbung.stream.items import Checkpoint, Item, unpack
from lumbung.stream.x_api import COUNTS, SEARCH, Client, Sleep, malformed
from lumbung.stream.x_cost import COUNT_MILLS, CapReachedError, Journal

# X matches whole words: the forms that a mention counts in are spelled out. It finds no hashtag of several words, and a
# hyphen is a space to it. Retweets are dropped anyway, and cost as much.
_FORMS = [
    word if " " not in word else f'"{word}"'
    for name in ("saham", "reksadana", "reksa dana", "sukuk")
    for word in (name, *(name + clitic for clitic in ("ku", "mu", "nya", "lah", "kah", "pun")))
]
QUERY = f"({' OR '.join(_FORMS)}) lang:in -is:retweet"
FIELDS = {
    "tweet.fields": "id,text,note_tweet,created_at,lang,author_id,referenced_tweets,edit_history_tweet_ids",
    "expansions": "author_id",
    "user.fields": "username",
    "sort_order": "recency",
}
# The recent endpoints reach back seven days and refuse ids from before; requests take a while.
REACH = timedelta(days=7) - timedelta(minutes=5)

STATE = "x/state.json"


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
        client, stretches = Client(settings, sleep=sleep), list[Count]()
        params = {"query": QUERY, "granularity": granularity}
        while True:
            body = client.get(COUNTS, params, COUNT_MILLS, lambda _: {"mills": COUNT_MILLS})
            try:
                stretches += [
                    Count(
                        datetime.fromisoformat(stretch["start"]),
                        datetime.fromisoformat(stretch["end"]),
                        int(stretch["tweet_count"]),
                    )
                    for stretch in body.get("data", [])
                ]
            except (KeyError, TypeError, ValueError) as error:
                raise malformed(COUNTS, f"{type(error).__name__}: {error}") from error
            if not (following := body["meta"].get("next_token")):
                return sorted(stretches, key=lambda stretch: stretch.start)
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
                    raise malformed(SEARCH, "posts without newest_id and oldest_id") from error
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
