"""What the objects of an archive are: tweets, answers that hold tweets, notices of a stream.

Sources: X API v1.1 (https://developer.x.com/en/docs/x-api/v1) and v2, the streaming message types of v1.1, twarc's and
snscrape's output, X's data export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lumbung.stream import envelope
from lumbung.stream.feed import UnreadableError

# Messages of a v1.1 stream that are not tweets, each an object with this member.
NOTICES = frozenset(
    {
        *("delete", "scrub_geo", "limit", "status_withheld", "user_withheld", "disconnect", "warning"),
        *("friends", "friends_str", "event", "control", "direct_message"),
    }
)
# Members that hold tweets in answers other than v2's: v1.1's search, its premium search, and files people make.
_LISTS = ("statuses", "results", "tweets")
# X's data export, by the variable of the file: `window.YTD.tweets.part0 = [{"tweet": {…}}]`.
EXPORTED_TWEETS = frozenset({"tweet", "tweets", "community_tweet", "community_tweets"})
EXPORTED_DELETED = frozenset({"deleted_tweet", "deleted_tweets"})
EXPORTED = EXPORTED_TWEETS | EXPORTED_DELETED


@dataclass(frozen=True)
class Missing:
    """A tweet that was asked for and not given, with X's reason."""

    reason: str
    error: Mapping[str, Any]


def notice(value: Mapping[str, Any]) -> str | None:
    """The kind of a stream's notice; None where it is none, as what holds tweets may have such a member too."""
    if "id" in value or "id_str" in value:
        return None
    kind = next((name for name in value if name in NOTICES), None)
    return kind if kind and not contained(value) else None


def contained(value: Mapping[str, Any]) -> tuple[str, list[object]] | None:
    """The tweets that an object holds, each with its author, and the member that holds them; None: it is one itself."""
    if "id" in value or "id_str" in value:
        return None
    if (page := envelope.tweets(value)) is not None:
        return "data", page
    if any(missing(value)):
        return "data", []
    for name in _LISTS:
        if isinstance(found := value.get(name), list):
            page = envelope.tweets({**value, "data": [_unwrapped(each) for each in found]})
            return name, page or []
    if isinstance(inner := value.get("tweet"), dict):
        page = envelope.tweets({**value, "data": inner}) or []
        return "tweet", [with_author(tweet, envelope.author_of(value)) for tweet in page]
    return None


def missing(value: Mapping[str, Any]) -> Iterator[Missing]:
    """The tweets that a v2 answer was asked for by id and does not have."""
    errors = value.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict) and error.get("parameter") in ("id", "ids"):
            yield Missing(f"X did not give it: {error.get('detail') or error.get('title')}", error)


def with_author(tweet: object, author: str | None) -> object:
    """The tweet with the author's user name, where it has none itself."""
    if author is None or not isinstance(tweet, dict) or envelope.author_of(tweet):
        return tweet
    return {**tweet, "author": {"username": author}}


def is_tweet_or_page(value: dict[str, Any]) -> bool:
    """Whether an object is a tweet or holds some."""
    holder = contained(value)
    try:
        for tweet in holder[1] if holder else [value]:
            envelope.read(tweet)
    except UnreadableError:
        return False
    return True


def _unwrapped(value: object) -> object:
    inner = value.get("tweet") if isinstance(value, dict) and "id" not in value and "id_str" not in value else None
    return inner if isinstance(inner, dict) else value
