"""Full-text search in what readers see: the tweets behind the alias."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lumbung.core.errors import LumbungError
from lumbung.search.cluster import Cluster

# Around what matched. Cleaned tweets hold no control characters, so that these are the server's own.
START, END = "\x02", "\x03"
MATCH = re.compile(f"{START}(.*?){END}", re.DOTALL)
# Beyond some thousand words the server refuses a query; people stay far below.
LONGEST_QUERY = 1_000


@dataclass(frozen=True)
class Hit:
    """A tweet that was found.

    Attributes:
        tweet_id: its id.
        created_at: when it was written, in UTC.
        user_name: who wrote it.
        tweet: its text.
        instruments: what it names.
        parts: its text in pieces, each with whether it matched.
    """

    tweet_id: int
    created_at: datetime
    user_name: str
    tweet: str
    instruments: list[str]
    parts: list[tuple[str, bool]]


@dataclass(frozen=True)
class Found:
    """All that a search found: how many tweets, and the best of them."""

    total: int
    hits: list[Hit]


def search(cluster: Cluster, query: str, size: int = 20) -> Found:
    """Find tweets by words, the best first, the newer of equals first.

    Args:
        cluster: the server.
        query: words that must all be there; `"…"` a phrase, `|` or, `-` not, `*` the end of a word, `( )` groups. What
            has another syntax counts as words.
        size: tweets to show, at most 10,000.

    Raises:
        LumbungError: the query is too long, nothing is indexed yet, or the server does not answer.
    """
    if len(query) > LONGEST_QUERY:
        raise LumbungError(
            f"the query has {len(query):,} characters", where="search", remedy=f"ask with at most {LONGEST_QUERY:,}"
        )
    answer = cluster.search(
        index=cluster.alias,
        query={"simple_query_string": {"query": query, "fields": ["tweet"], "default_operator": "and"}},
        highlight={"fields": {"tweet": {"number_of_fragments": 0}}, "pre_tags": [START], "post_tags": [END]},
        sort=["_score", {"created_at": "desc"}, {"tweet_id": "desc"}],
        size=size,
        track_total_hits=True,
    )["hits"]
    return Found(total=answer["total"]["value"], hits=[_hit(hit) for hit in answer["hits"]])


def _hit(hit: dict[str, Any]) -> Hit:
    document = hit["_source"]
    marked = hit.get("highlight", {}).get("tweet", [document["tweet"]])[0]
    return Hit(
        tweet_id=int(document["tweet_id"]),
        created_at=datetime.fromisoformat(document["created_at"]),
        user_name=document["user_name"],
        tweet=document["tweet"],
        instruments=document["instruments"],
        # Every second piece is what the brackets of MATCH caught.
        parts=[(text, bool(number % 2)) for number, text in enumerate(MATCH.split(marked)) if text],
    )
