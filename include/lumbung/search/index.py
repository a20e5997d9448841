"""The index: one document a tweet, one index a month and mapping version, all behind one alias.

A day is indexed by writing all of its tweets over what is there, and only then deleting what is no longer among them:
readers never see a gap, and a run that was killed is completed by the next one. A change of MAPPING
raises MAPPING_VERSION: `reindex` fills the new indices while readers still use the old ones, and `move_alias` switches
all readers at once. One run at a time writes to a cluster: it holds LEASE in the lake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lumbung.core.day import JAKARTA
from lumbung.core.errors import LumbungError
from lumbung.search.cluster import Action, Cluster

if TYPE_CHECKING:
    import pyarrow as pa

MAPPING_VERSION = 1
# The lease of the run that writes to the index.
LEASE = "search"
MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        # As text: JavaScript, and so Kibana, rounds numbers of this size.
        "tweet_id": {"type": "keyword"},
        "created_at": {"type": "date"},
        # The Jakarta day and hour, whatever the reader's time zone.
        "tweet_date": {"type": "keyword"},
        "hour": {"type": "byte"},
        "user_name": {"type": "keyword"},
        "tweet": {"type": "text", "analyzer": "indonesian"},
        "language": {"type": "keyword"},
        "instruments": {"type": "keyword"},
    },
}
# Replicas where there are nodes for them.
INDEX_SETTINGS = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
BULK_ROWS = 2_000
PAGE = 10_000


@dataclass(frozen=True)
class Month:
    """An index.

    Attributes:
        index: its name.
        month: the first day of its month.
        version: its mapping's version.
        live: whether it is behind the alias.
    """

    index: str
    month: date
    version: int
    live: bool


@dataclass(frozen=True)
class Indexed:
    """What indexing a day did.

    Attributes:
        day: the day.
        rows: rows given; as many documents of the day are in the index now, but for the superseded ones.
        deleted: documents that were no longer among the rows.
        superseded: rows whose tweet was edited later and stands, newer, on another day.
        live: whether readers see it; not while the alias is on another mapping version.
    """

    day: date
    rows: int
    deleted: int
    superseded: int
    live: bool


def index_day(cluster: Cluster, day: date, rows: Iterable[pa.RecordBatch]) -> Indexed:
    """Make the index hold exactly these tweets for the day, in the indices of MAPPING_VERSION.

    A tweet has one document, wherever its versions lie: of two days that both have it, the one with the later
    `created_at` keeps it, whichever is indexed first.

    Args:
        cluster: the server.
        day: the Jakarta day.
        rows: all cleaned tweets of the day, with the columns of `staging.tweet`.

    Raises:
        LumbungError: a row is of another day or comes twice, a document is refused, an index has another mapping, or
            the index does not hold the rows at the end.
    """
    return _index_day(cluster, day, (row for batch in rows for row in batch.to_pylist()))


def months(cluster: Cluster) -> list[Month]:
    """All indices of tweets, the oldest first."""
    indices = cluster.ask(cluster.client.indices.get_alias, index=f"{cluster.alias}-*").body
    name = re.compile(rf"{re.escape(cluster.alias)}-(\d{{4}}-\d{{2}})-v(\d+)")
    matches = [(match, content["aliases"]) for index, content in indices.items() if (match := name.fullmatch(index))]
    return sorted(
        (
            Month(match[0], date.fromisoformat(f"{match[1]}-01"), int(match[2]), cluster.alias in aliases)
            for match, aliases in matches
        ),
        key=lambda month: (month.month, month.version),
    )


def count_by_day(cluster: Cluster, version: int | None = None) -> dict[date, int]:
    """Tweets in the index by Jakarta day: those that readers see, or those of a mapping version."""
    indices = [
        month.index for month in months(cluster) if (month.live if version is None else month.version == version)
    ]
    return _count_by_day(cluster, indices) if indices else {}


def reindex(cluster: Cluster, read: Callable[[date], Iterable[pa.RecordBatch] | None]) -> Iterator[Indexed]:
    """Fill the indices of MAPPING_VERSION with every day that readers see now; the alias stays where it is.

    Args:
        cluster: the server.
        read: a day's cleaned tweets, or None where the lake has no such day any more: then its documents are copied.

    Yields:
        What was done, day by day; nothing if readers use MAPPING_VERSION already.
    """
    live = [month.index for month in months(cluster) if month.live and month.version != MAPPING_VERSION]
    for day in sorted(_count_by_day(cluster, live) if live else ()):
        batches = read(day)
        if batches is None:
            yield _index_day(cluster, day, _stored(cluster, live, day))
        else:
            yield index_day(cluster, day, batches)


def move_alias(cluster: Cluster, version: int = MAPPING_VERSION) -> int | None:
    """Let readers use the indices of another mapping version, all at once.

    Roll-back is the same call with the version that this one gives back.

    Returns:
        The version that readers used before; None if none.

    Raises:
        LumbungError: there is no index of that version, or a newer one lacks days that readers see now.
    """
    existing = months(cluster)
    new, old = [month for month in existing if month.version == version], [month for month in existing if month.live]
    where = f"{cluster.address}, alias {cluster.alias}"
    if not new:
        raise LumbungError(f"there is no index of mapping version {version}", where=where, remedy="re-index first")
    before = max((month.version for month in old), default=None)
    if before is not None and version > before:
        lacking = sorted(count_by_day(cluster).keys() - count_by_day(cluster, version).keys())
        if lacking:
            raise LumbungError(
                f"mapping version {version} lacks {len(lacking)} days that readers see, the first is {lacking[0]}",
                where=where,
                remedy="re-index first",
            )
    actions = [_alias_action(cluster, "remove", month.index) for month in old if month.version != version]
    actions += [_alias_action(cluster, "add", month.index) for month in new]
    cluster.ask(cluster.client.indices.update_aliases, actions=actions)
    return before


def _alias_action(cluster: Cluster, verb: str, index: str) -> dict[str, Any]:
    return {verb: {"index": index, "alias": cluster.alias}}


def _index_day(cluster: Cluster, day: date, rows: Iterable[dict[str, Any]]) -> Indexed:
    index, indices = _name(cluster, day), cluster.client.indices
    # An edit comes within the hour: it moves a tweet into the next month at most.
    first = day.replace(day=1)
    near = {index, _name(cluster, first - timedelta(days=1)), _name(cluster, first + timedelta(days=31))}
    places = sorted(near & {month.index for month in months(cluster)})
    if places:  # what a killed run wrote may not be visible yet
        cluster.ask(indices.refresh, index=places)
    given: set[str] = set()
    superseded: set[str] = set()
    for chunk in _chunks(_documents(day, rows, where=f"{cluster.address}, {index}")):
        if not given:
            _ensure(cluster, index)
            places = sorted({*places, index})
        if twice := given & chunk.keys():
            raise LumbungError(f"the tweet {min(twice)} comes twice", where=f"day {day}", remedy="clean the day again")
        given.update(chunk)
        elsewhere = _elsewhere(cluster, places, day, list(chunk))
        newer = {tweet_id for tweet_id, _, created_at in elsewhere if created_at > _time(chunk[tweet_id])}
        superseded |= newer
        write: list[Action] = [
            ({"index": {"_index": index, "_id": tweet_id}}, chunk[tweet_id])
            for tweet_id in chunk
            if tweet_id not in newer
        ]
        # A document of this index is written over; one of another month goes in the same request.
        gone = [(place, tweet_id) for tweet_id, place, _ in elsewhere if tweet_id not in newer and place != index]
        cluster.bulk([*write, *_deletions(gone)])
    stale: list[str] = []
    if index in places:
        cluster.ask(indices.refresh, index=places)
        here = given - superseded
        stale = [hit["_id"] for hit in _scan(cluster, [index], day, source=False) if hit["_id"] not in here]
        for start in range(0, len(stale), BULK_ROWS):
            cluster.bulk(_deletions((index, tweet_id) for tweet_id in stale[start : start + BULK_ROWS]))
        cluster.ask(indices.refresh, index=places)
        _check_count(cluster, index, day, len(here))
    return Indexed(day, len(given), deleted=len(stale), superseded=len(superseded), live=_join(cluster, index))


def _documents(day: date, rows: Iterable[dict[str, Any]], where: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["tweet_date"] != day:
            raise LumbungError(
                f"the tweet {row['tweet_id']} is of {row['tweet_date']}, not of {day}",
                where=where,
                remedy="give the rows of one day",
            )
        created_at: datetime = row["created_at"].astimezone(UTC)
        yield {
            "tweet_id": str(row["tweet_id"]),
            "created_at": created_at.isoformat().replace("+00:00", "Z"),
            "tweet_date": day.isoformat(),
            "hour": created_at.astimezone(JAKARTA).hour,
            "user_name": row["user_name"],
            "tweet": row["tweet"],
            "language": row["language"],
            "instruments": row["instruments"],
        }


def _chunks(documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """Documents by id, BULK_ROWS at a time."""
    chunk: dict[str, dict[str, Any]] = {}
    for document in documents:
        if document["tweet_id"] in chunk or len(chunk) == BULK_ROWS:
            yield chunk
            chunk = {}
        chunk[document["tweet_id"]] = document
    if chunk:
        yield chunk


def _time(document: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(document["created_at"])


def _elsewhere(cluster: Cluster, places: list[str], day: date, ids: list[str]) -> list[tuple[str, str, datetime]]:
    """Those of these tweets that stand on another day: id, index and time."""
    query = {"bool": {"filter": {"ids": {"values": ids}}, "must_not": {"term": {"tweet_date": f"{day}"}}}}
    answer = cluster.search(index=places, query=query, size=PAGE, source=["created_at"])
    return [(hit["_id"], hit["_index"], _time(hit["_source"])) for hit in answer["hits"]["hits"]]


def _deletions(documents: Iterable[tuple[str, str]]) -> list[Action]:
    return [({"delete": {"_index": index, "_id": tweet_id}}, None) for index, tweet_id in documents]


def _stored(cluster: Cluster, indices: list[str], day: date) -> Iterator[dict[str, Any]]:
    """A day's rows as they were indexed."""
    for hit in _scan(cluster, indices, day, source=True):
        document = hit["_source"]
        yield {**document, "tweet_date": day, "created_at": _time(document)}


def _scan(cluster: Cluster, indices: list[str], day: date, *, source: bool) -> Iterator[dict[str, Any]]:
    # By the key, not by a point in time: nobody else writes, and a killed run leaves nothing open.
    query, sort = {"term": {"tweet_date": f"{day}"}}, [{"tweet_id": "asc"}]
    after: list[Any] | None = None
    while True:
        answer = cluster.search(index=indices, query=query, sort=sort, size=PAGE, source=source, search_after=after)
        page = answer["hits"]["hits"]
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1]["sort"]


def _count_by_day(cluster: Cluster, indices: list[str]) -> dict[date, int]:
    days: dict[date, int] = {}
    composite: dict[str, Any] = {"size": PAGE, "sources": [{"day": {"terms": {"field": "tweet_date"}}}]}
    while True:
        aggregations = {"days": {"composite": composite}}
        buckets = cluster.search(index=indices, size=0, aggregations=aggregations)["aggregations"]["days"]
        days |= {date.fromisoformat(bucket["key"]["day"]): bucket["doc_count"] for bucket in buckets["buckets"]}
        if "after_key" not in buckets:
            return days
        composite["after"] = buckets["after_key"]


def _check_count(cluster: Cluster, index: str, day: date, expected: int) -> None:
    count = cluster.ask(cluster.client.count, index=index, query={"term": {"tweet_date": f"{day}"}})["count"]
    if count != expected:
        raise LumbungError(
            f"the index has {count} tweets of {day}, and should have {expected}",
            where=f"{cluster.address}, {index}",
            remedy="see that nobody else writes to it, then run again",
        )


def _ensure(cluster: Cluster, index: str) -> None:
    """Make an index that is not there; one that is must have the mapping of its version."""
    indices = cluster.client.indices
    if not cluster.ask(indices.exists, index=index):
        cluster.ask(indices.create, index=index, mappings=MAPPING, settings=INDEX_SETTINGS)
    if cluster.ask(indices.get_mapping, index=index)[index]["mappings"] != MAPPING:
        raise LumbungError(
            f"the index has another mapping than version {MAPPING_VERSION}",
            where=f"{cluster.address}, {index}",
            remedy="raise MAPPING_VERSION with each change of MAPPING; an index that was made by mistake, delete",
        )


def _join(cluster: Cluster, index: str) -> bool:
    """Put an index behind the alias, unless readers use another mapping version."""
    existing = months(cluster)
    if any(month.live and month.version != MAPPING_VERSION for month in existing):
        return False
    if any(month.index == index and not month.live for month in existing):
        actions = [_alias_action(cluster, "add", index)]
        cluster.ask(cluster.client.indices.update_aliases, actions=actions)
    return True


def _name(cluster: Cluster, day: date) -> str:
    return f"{cluster.alias}-{day:%Y-%m}-v{MAPPING_VERSION}"
