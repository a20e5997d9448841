"""The envelope that carries one tweet, or what was refused as none, from the spool through Kafka to the lake.

An envelope is one JSON object in UTF-8 without a line break:
`{"collected_at": "2026-11-25T03:04:05.678Z", "source": "x", "tweet": {the tweet as it came}}`. The tweet has the shape
of X API v1.1 or v2, with the author of a v2 tweet put in as `tweet.author`.

What a source holds that is not a tweet travels the same way, so that it is counted once like a tweet:
`{"source": "archive", "refused": {"file": …, "line": 8, "reason": …, "raw": …}}`. No time is in it: the same archive,
collected again, gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from lumbung.stream.feed import RefusedError, UnreadableError

MAX_ID = 2**63 - 1
# An id's bits above the lowest 22 count the milliseconds from this Unix time in milliseconds.
FIRST_ID_MS = 1288834974657
# Partitions of BigQuery end in 2159, and no tweet is older than the service.
YEARS = range(2006, 2100)

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_V1_TIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d) (\d{4})", re.ASCII)
_ADDRESS = re.compile(r"https?://(?:www\.|mobile\.)?(?:twitter|x)\.com/(\w{1,20})/status/\d+", re.ASCII)
_OPEN, _COLON, _NEXT = (re.compile(rf"[ \t\r\n]*{mark}[ \t\r\n]*") for mark in (r"\{", ":", "([,}])"))


@dataclass(frozen=True)
class Envelope:
    """One collected tweet.

    Attributes:
        collected_at: when it was collected; for an archive, when the file was last changed.
        source: `synthetic`, `archive` or `x`.
        tweet: the tweet, parsed.
        raw: the tweet's JSON as it came.
    """

    collected_at: datetime
    source: str
    tweet: dict[str, Any]
    raw: str


def wrap(raw: str, *, source: str, collected_at: datetime) -> bytes:
    """Put a tweet's JSON, as it came, in an envelope.

    Args:
        raw: a whole JSON object; `json.dumps(tweet)` where the tweet did not come as a text of its own.
        source: `synthetic`, `archive` or `x`.
        collected_at: aware; kept to the millisecond.
    """
    at = collected_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # In valid JSON a line break can only stand between tokens.
    one_line = raw.strip().replace("\r", " ").replace("\n", " ")
    return f'{{"collected_at": "{at}", "source": {json.dumps(source)}, "tweet": {one_line}}}'.encode()


def refuse(raw: bytes, *, source: str, file: str, line: int, reason: str) -> bytes:
    """Put what is not a tweet in an envelope.

    Args:
        raw: its bytes; the first 10,000 characters are carried.
        source: `archive`, `x` or `spool`.
        file: the file or request it came from.
        line: its line there, from 1.
        reason: why it is not a tweet.
    """
    from lumbung.sources import Reject  # its Arrow is not needed to collect what has no rejects

    # A file's name need not be UTF-8.
    name = os.fsencode(file).decode("utf-8", "backslashreplace")
    refused = {"file": name, "line": line, "reason": reason, "raw": Reject.of(line, raw, reason).raw}
    return json.dumps({"source": source, "refused": refused}).encode()


def parse(line: bytes) -> Envelope:
    """Read an envelope, whatever the order and spacing of its members.

    Raises:
        RefusedError: it carries what was refused.
        UnreadableError: it is none.
    """
    members = _members(_text(line))
    if "refused" in members:
        raise _refused(members["refused"][0])
    absent = [name for name in ("collected_at", "source", "tweet") if name not in members]
    if absent:
        raise UnreadableError(f"the envelope has no {absent[0]}")
    (source, _), (tweet, raw) = members["source"], members["tweet"]
    if not isinstance(source, str):
        raise UnreadableError("the envelope's source is not text")
    if not isinstance(tweet, dict):
        raise UnreadableError("the envelope's tweet is not a JSON object")
    return Envelope(_time(members["collected_at"][0], "collected_at"), source, tweet, raw)


def loads(line: bytes) -> dict[str, Any]:
    """Read one JSON object as RFC 8259 has it: UTF-8, no NaN, no Infinity.

    Raises:
        UnreadableError: it is none.
    """
    text = _text(line).strip()
    try:
        value, end = _decoder.raw_decode(text)
    except RecursionError:
        raise UnreadableError("JSON nested too deeply") from None
    except ValueError as error:
        raise UnreadableError(f"not JSON: {error}") from None
    if end != len(text):
        raise UnreadableError("more than one JSON value")
    if not isinstance(value, dict):
        raise UnreadableError("not a JSON object")
    return value


def tweets(page: Mapping[str, Any]) -> list[object] | None:
    """The tweets of a v2 answer (`data`, `includes.users`), each with its author; None where it is not such an answer.

    What stands in `data` is not judged; a stream's answer holds one tweet, not a list. An answer without `data` has
    none, unless its count says otherwise.
    """
    data = page.get("data")
    if not isinstance(data, list | dict):
        meta = page.get("meta")
        is_empty = isinstance(meta, dict) and not meta.get("result_count") and data is None
        return [] if is_empty and "id" not in page else None
    includes = page.get("includes")
    # Some programs keep the users outside, or write ids as numbers.
    users = includes.get("users") if isinstance(includes, dict) else page.get("users")
    authors = {f"{user['id']}": user for user in users or [] if isinstance(user, dict) and user.get("id")}
    complete: list[object] = []
    for tweet in data if isinstance(data, list) else [data]:
        # One that twarc has flattened without its users has an author without a name.
        author = authors.get(f"{tweet.get('author_id')}") if isinstance(tweet, dict) and not author_of(tweet) else None
        complete.append({**tweet, "author": author} if author else tweet)
    return complete


def author_of(tweet: Mapping[str, Any]) -> str | None:
    """The user name of a tweet's author, wherever its shape has it."""
    for name in ("user", "author"):
        for member in ("screen_name", "username"):
            if found := _member(tweet.get(name), member) or _string(tweet.get(f"{name}.{member}")):
                return found
    # snscrape: older versions have the name alone, some have only the address of the tweet.
    url = tweet.get("url")
    address = _ADDRESS.match(url) if isinstance(url, str) else None
    return _string(tweet.get("username")) or (address[1] if address else None)


def read(tweet: object) -> dict[str, Any]:
    """The fields of a tweet of any shape: of API v1.1 or v2, flattened, of snscrape or of X's data export.

    Only id, time and text must be readable.

    Returns:
        identity: str, the id of the tweet's first version: one tweet however often it is edited.
        edit_id: int, the highest id among its versions.
        created_at: UTC.
        user_name, lang: str, or None where the tweet has none.
        is_retweet: bool.
        text: str, the longest the tweet carries.

    Raises:
        UnreadableError: it is not a tweet.
    """
    if not isinstance(tweet, Mapping):
        raise UnreadableError("the tweet is not a JSON object")
    identity, edit_id = _ids(tweet)
    created_at = _time(tweet.get("created_at") or tweet.get("date"), "created_at")
    if created_at.year not in YEARS:
        raise UnreadableError(f"created_at is in the year {created_at.year}")
    text = _whole_text(tweet)
    return {
        "identity": str(identity),
        "edit_id": edit_id,
        "created_at": created_at,
        "user_name": author_of(tweet),
        "lang": _string(tweet.get("lang")),
        "is_retweet": _is_retweet(tweet, text),
        "text": text,
    }


def row(line: bytes) -> dict[str, Any]:
    """The row that an envelope becomes in the lake.

    Returns:
        What `read` returns, and collected_at (UTC), sha256 (hex of the envelope's bytes), raw (the tweet's JSON).

    Raises:
        UnreadableError: a poisoned message.
    """
    parsed = parse(line)
    return {
        **read(parsed.tweet),
        "collected_at": parsed.collected_at,
        "sha256": hashlib.sha256(line).hexdigest(),
        "raw": parsed.raw,
    }


def key(line: bytes) -> bytes:
    """An envelope's key in Kafka: the digits of the tweet's identity, so that its versions share a partition.

    Raises:
        UnreadableError: as `row`.
    """
    identity: str = read(parse(line).tweet)["identity"]
    return identity.encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8: byte {line[error.start]:#04x} at {error.start}") from None


def _members(text: str) -> dict[str, tuple[Any, str]]:
    """Each member of a JSON object with its value and its JSON as it came."""
    members: dict[str, tuple[Any, str]] = {}
    more = _OPEN.match(text)
    try:
        while more:
            name, end = _decoder.raw_decode(text, more.end())
            colon = _COLON.match(text, end)
            if not isinstance(name, str) or not colon:
                break
            value, end = _decoder.raw_decode(text, colon.end())
            members[name] = value, text[colon.end() : end]
            more = _NEXT.match(text, end)
            if more and more[1] == "}" and more.end() == len(text):
                return members
            if more and more[1] == "}":
                break
    except RecursionError:
        raise UnreadableError("JSON nested too deeply") from None
    except ValueError as error:
        raise UnreadableError(f"not JSON: {error}") from None
    raise UnreadableError("not a JSON object")


def _refused(value: object) -> UnreadableError:
    texts = [_member(value, name) for name in ("file", "reason", "raw")]
    line = value.get("line") if isinstance(value, Mapping) else None
    if None in texts or not isinstance(line, int) or not 0 <= line <= MAX_ID:
        return UnreadableError("the envelope's refused line is incomplete")
    file, reason, raw = (text or "" for text in texts)
    return RefusedError(f"{file}: {reason}", line, raw)


def _id(value: object, name: str) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= MAX_ID:
        raise UnreadableError(f"{name} is not a tweet id" if value is not None else f"the tweet has no {name}")
    return number


def _ids(tweet: Mapping[str, Any]) -> tuple[int, int]:
    """The id of the first version and the highest id."""
    # A number may have been rounded on its way; the digits beside it were not.
    own = _id(tweet["id_str"], "id_str") if tweet.get("id_str") else _id(tweet.get("id"), "id")
    history = tweet.get("edit_history")
    if history is not None and not isinstance(history, dict):
        raise UnreadableError("edit_history is not a JSON object")
    history = history or {}
    listed = tweet.get("edit_history_tweet_ids") or history.get("edit_tweet_ids") or []
    if not isinstance(listed, list):
        raise UnreadableError("the edit history is not a list")
    versions = [_id(version, "an id of the edit history") for version in [*listed, *_exported_versions(tweet)]]
    if history.get("initial_tweet_id"):
        versions.append(_id(history["initial_tweet_id"], "edit_history.initial_tweet_id"))
    return min(versions, default=own), max([own, *versions])


def _exported_versions(tweet: Mapping[str, Any]) -> list[object]:
    """The ids of a tweet's versions as X's data export has them."""
    info = tweet.get("edit_info")
    edit = info.get("edit") if isinstance(info, dict) else None
    first = edit.get("initialTweetId") if isinstance(edit, dict) else None
    holders = [info.get("initial") if isinstance(info, dict) else None]
    holders.append(edit.get("editControlInitial") if isinstance(edit, dict) else None)
    lists = [holder.get("editTweetIds") for holder in holders if isinstance(holder, dict)]
    return [*([first] if first else []), *(version for ids in lists if isinstance(ids, list) for version in ids)]


def _time(value: object, name: str) -> datetime:
    if not isinstance(value, str):
        raise UnreadableError(f"{name} is not a time" if value is not None else f"the tweet has no {name}")
    text = value
    if (v1 := _V1_TIME.fullmatch(text)) and v1[1] in _MONTHS:
        text = f"{v1[6]}-{_MONTHS.index(v1[1]) + 1:02}-{v1[2]}T{v1[3]}{v1[4]}:{v1[5]}"
    try:
        at = datetime.fromisoformat(text)
        utc = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableError(f"{name} is not a time") from None
    if at.tzinfo is None:
        raise UnreadableError(f"{name} has no time zone")
    return utc


def _string(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        # Half of a pair, escaped in the JSON: no file of UTF-8 can hold it; the raw JSON keeps it.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _member(holder: object, name: str) -> str | None:
    return _string(holder.get(name)) if isinstance(holder, Mapping) else None


def _whole_text(tweet: Mapping[str, Any]) -> str:
    for holder, name in (
        (tweet.get("extended_tweet"), "full_text"),
        (tweet.get("note_tweet"), "text"),
        (tweet, "full_text"),
        (tweet, "text"),
        (tweet, "rawContent"),
        (tweet, "content"),
    ):
        if (text := _member(holder, name)) is not None:
            return text
    raise UnreadableError("the tweet has no text")


def _is_retweet(tweet: Mapping[str, Any], text: str) -> bool:
    referenced = tweet.get("referenced_tweets")
    return (
        isinstance(tweet.get("retweeted_status"), dict)
        or isinstance(tweet.get("retweetedTweet"), dict)
        or text.startswith("RT @")
        or (
            isinstance(referenced, list)
            and any(isinstance(reference, dict) and reference.get("type") == "retweeted" for reference in referenced)
        )
    )
