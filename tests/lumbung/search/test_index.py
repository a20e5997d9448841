"""Indexing days of tweets on a real Elasticsearch."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from lumbung.core.errors import LumbungError
from lumbung.search import index as index_module
from lumbung.search.cluster import connect
from lumbung.search.index import MAPPING, count_by_day, index_day, months, move_alias, reindex
from lumbung.search.retention import drop_version, prune
from lumbung.search.search import search
from support.http_proxy import Drop
from support.search_tweets import DAY, FIRST, batches, tweet

NEXT = DAY + timedelta(days=1)
WRITES = ("/_bulk", "/_aliases")


def ids(numbers):
    return {FIRST + number for number in numbers}


def seen(cluster):
    return {hit.tweet_id for hit in search(cluster, "saham", size=1000).hits}


def test_a_day_becomes_documents_with_ids_behind_the_alias(cluster, documents):
    late = tweet(2, hour=0, tweet="Sahamku &amp; reksadana 🚀", instruments=["reksadana", "saham"], user_name="Budi_7")
    done = index_day(cluster, DAY, batches([tweet(1), late, tweet(3, hour=23, instruments=[])]))
    assert (done.day, done.rows, done.deleted, done.superseded, done.live) == (DAY, 3, 0, 0, True)
    indexed = documents(cluster.alias)
    assert indexed.keys() == ids([1, 2, 3])
    assert indexed[FIRST + 2] == {
        "tweet_id": str(FIRST + 2),
        "created_at": "2026-11-24T17:00:00.000002Z",
        "tweet_date": "2026-11-25",
        "hour": 0,
        "user_name": "Budi_7",
        "tweet": "Sahamku &amp; reksadana 🚀",
        "language": "in",
        "instruments": ["reksadana", "saham"],
        "month": "2026-11",
    }
    assert [indexed[FIRST + number]["hour"] for number in (1, 3)] == [10, 23]
    (month,) = months(cluster)
    assert (month.index, month.month, month.version, month.live) == (
        f"{cluster.alias}-2026-11-v1",
        date(2026, 11, 1),
        1,
        True,
    )
    settings = cluster.client.indices.get(index=month.index)[month.index]
    assert settings["mappings"] == MAPPING
    assert MAPPING["dynamic"] == "strict"
    assert count_by_day(cluster) == {DAY: 3}


def test_a_day_again_changes_and_deletes_and_leaves_other_days_alone(cluster, documents, monkeypatch):
    monkeypatch.setattr(index_module, "BULK_ROWS", 3)
    monkeypatch.setattr(index_module, "PAGE", 30)
    index_day(cluster, DAY, batches((tweet(number) for number in range(40)), size=7))
    index_day(cluster, NEXT, batches(tweet(100 + number, NEXT) for number in range(5)))
    again = [tweet(number) for number in range(2, 9)] + [tweet(9, tweet="diubah")] + [tweet(50), tweet(51)]
    done = index_day(cluster, DAY, batches(again))
    assert (done.rows, done.deleted) == (10, 32)
    indexed = documents(cluster.alias)
    assert indexed.keys() == ids([*range(2, 10), 50, 51, *range(100, 105)])
    assert indexed[FIRST + 9]["tweet"] == "diubah"
    assert count_by_day(cluster) == {DAY: 10, NEXT: 5}
    done = index_day(cluster, DAY, batches(again))
    assert (done.rows, done.deleted) == (10, 0)
    assert documents(cluster.alias) == indexed


def test_readers_never_see_a_gap_while_a_day_is_indexed_again(cluster, monkeypatch):
    monkeypatch.setattr(index_module, "BULK_ROWS", 200)
    rows = [tweet(number) for number in range(3000)]
    index_day(cluster, DAY, batches(rows))
    counts, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            cluster.client.indices.refresh(index=cluster.alias)
            counts.append(cluster.client.count(index=cluster.alias)["count"])

    reader = threading.Thread(target=read)
    reader.start()
    index_day(cluster, DAY, batches(rows))
    done = index_day(cluster, DAY, batches(rows[:2500]))
    stop.set()
    reader.join()
    assert done.deleted == 500
    assert len(counts) > 5
    assert counts == sorted(counts, reverse=True)
    assert 2500 <= min(counts) <= max(counts) == 3000


def test_a_day_without_tweets(cluster, documents):
    done = index_day(cluster, DAY, [])
    assert (done.rows, done.deleted) == (0, 0)
    assert months(cluster) == []
    assert count_by_day(cluster) == {}
    index_day(cluster, DAY, batches([tweet(1)]))
    index_day(cluster, NEXT, batches([tweet(2, NEXT)]))
    assert index_day(cluster, DAY, []).deleted == 1
    assert documents().keys() == ids([2])


def test_rows_that_cannot_be_of_the_day_are_refused(cluster):
    with pytest.raises(LumbungError, match=rf"{FIRST + 1} is of 2026-11-26, not of 2026-11-25"):
        index_day(cluster, DAY, batches([tweet(1, NEXT)]))
    with pytest.raises(LumbungError, match=rf"{FIRST + 1} comes twice"):
        index_day(cluster, DAY, batches([tweet(1), tweet(2), tweet(1)]))


def test_documents_that_the_server_refuses_are_named(cluster):
    # Lucene takes no term above 32,766 bytes.
    rows = [tweet(number, user_name="x" * 40_000) for number in range(1, 6)] + [tweet(6)]
    with pytest.raises(LumbungError) as raised:
        index_day(cluster, DAY, batches(rows))
    assert raised.match(r"5 of 6 documents were refused")
    assert [str(FIRST + number) in str(raised.value) for number in range(1, 7)] == [True] * 3 + [False] * 3
    assert not any(month.live for month in months(cluster))


def test_a_count_that_is_wrong_at_the_end_is_an_error(cluster, search_settings, proxy):
    seen_bulk = []

    def lose(request):
        """A server that says yes to the first bulk, and keeps nothing."""
        if request.path == "/_bulk" and not seen_bulk:
            seen_bulk.append(request)
            return 200, b'{"errors": false, "items": [{"index": {"status": 201}}, {"index": {"status": 201}}]}'
        return None

    proxy.spoil = lose
    with pytest.raises(LumbungError, match="has 0 tweets of 2026-11-25, and should have 2"):
        index_day(connect(search_settings(search=proxy.url), waits=()), DAY, batches([tweet(1), tweet(2)]))
    assert seen_bulk


@pytest.mark.parametrize(
    ("before", "order"),
    [
        (date(2026, 11, 25), "as they come"),
        (date(2026, 11, 25), "late first"),
        (date(2026, 12, 31), "as they come"),
        (date(2027, 1, 31), "late first"),
        (date(2026, 11, 30), "late again"),
    ],
)
def test_a_tweet_that_an_edit_moved_to_the_next_day_stands_there_only(cluster, documents, before, order):
    after = before + timedelta(days=1)
    early = [tweet(1, before, hour=23, tweet="lama saham"), tweet(2, before)]
    late = [tweet(1, after, hour=0, tweet="baru saham"), tweet(3, after)]
    calls = {
        "as they come": [(before, early), (after, late)],
        "late first": [(after, late), (before, early)],
        "late again": [(before, early), (after, late), (before, early), (after, late)],
    }[order]
    for day, rows in calls:
        done = index_day(cluster, day, batches(rows))
        assert done.rows == 2
    assert done.superseded == (1 if order == "late first" else 0)
    indexed = documents()
    assert {key - FIRST: (document["tweet_date"], document["tweet"]) for key, document in indexed.items()} == {
        1: (f"{after}", "baru saham"),
        2: (f"{before}", "tweet sintetis 2 tentang saham"),
        3: (f"{after}", "tweet sintetis 3 tentang saham"),
    }
    assert indexed[FIRST + 1]["month"] == f"{after:%Y-%m}"
    assert count_by_day(cluster) == {before: 1, after: 2}


def test_cut_off_before_any_write_and_run_again_it_ends_the_same(
    cluster, documents, proxy, search_settings, monkeypatch
):
    monkeypatch.setattr(index_module, "BULK_ROWS", 4)
    first = date(2026, 12, 1)
    last = first - timedelta(days=1)
    moved = [tweet(number, first, hour=0, tweet="pindah") for number in (8, 9)]
    rows = [*moved, *(tweet(number, first) for number in range(20, 27))]
    through = connect(search_settings(search=proxy.url), waits=())

    def start_again():
        index_day(cluster, first, batches(tweet(number, first) for number in range(24, 33)))
        index_day(cluster, last, batches(tweet(number, last, hour=23) for number in range(10)))

    start_again()
    index_day(through, first, batches(rows))
    expected, writes = documents(), sum(request.path in WRITES for request in proxy.requests)
    assert expected.keys() == ids([*range(10), *range(20, 27)])
    assert writes == 5
    for last_write in range(writes):
        start_again()
        proxy.requests.clear()

        def cut(request, last_write=last_write):
            if request.path in WRITES and sum(sent.path in WRITES for sent in proxy.requests) > last_write:
                raise Drop

        proxy.spoil = cut
        with pytest.raises(LumbungError):
            index_day(through, first, batches(rows))
        assert documents().keys() >= ids([*range(10), 24, 25, 26])  # what stays was never away
        index_day(cluster, first, batches(rows))
        assert documents() == expected


def test_what_a_killed_run_wrote_counts_before_searches_see_it(cluster, documents, proxy, search_settings):
    index_day(cluster, NEXT, batches([tweet(2, NEXT)]))

    def cut(request):
        if request.path.endswith("/_refresh") and any(sent.path == "/_bulk" for sent in proxy.requests):
            raise Drop

    proxy.spoil = cut
    with pytest.raises(LumbungError):
        index_day(connect(search_settings(search=proxy.url), waits=()), NEXT, batches([tweet(1, NEXT), tweet(2, NEXT)]))
    assert index_day(cluster, DAY, batches([tweet(1), tweet(3)])).superseded == 1
    assert {key: document["tweet_date"] for key, document in documents().items()} == {
        FIRST + 1: f"{NEXT}",
        FIRST + 2: f"{NEXT}",
        FIRST + 3: f"{DAY}",
    }


def test_killed_in_the_middle_of_a_bulk_and_run_again(cluster, documents, proxy, search_settings):
    rows = [tweet(number) for number in range(5000)]
    index_day(cluster, DAY, batches(tweet(number) for number in range(4990, 5010)))
    code = """
import os
from support.search_tweets import DAY, batches, tweet
from lumbung.search.cluster import connect
from lumbung.search.index import index_day
from lumbung.core.settings import load
index_day(connect(load()), DAY, batches(tweet(one) for one in range(5000)))
"""
    settings = search_settings(search=proxy.url)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "LUMBUNG_SEARCH": settings.search.url,
        "LUMBUNG_SEARCH_ALIAS": settings.search.alias,
        "LUMBUNG_SEARCH_USERNAME": settings.search.username,
        "LUMBUNG_SEARCH_PASSWORD": settings.search.password.get_secret_value(),
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)

    def kill(request):
        if sum(sent.path == "/_bulk" for sent in proxy.requests) == 2:
            process.send_signal(signal.SIGKILL)
            process.wait()

    proxy.spoil = kill
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert len(documents()) >= 2000
    done = index_day(cluster, DAY, batches(rows))
    assert (done.rows, done.deleted) == (5000, 10)
    assert documents(cluster.alias).keys() <= ids(range(5000))
    assert count_by_day(cluster) == {DAY: 5000}


@pytest.fixture
def next_version(monkeypatch):
    """A mapping that changed, with the next version."""

    def change():
        properties = {**MAPPING["properties"], "language": {"type": "keyword", "index": False}}
        monkeypatch.setattr(index_module, "MAPPING", {**MAPPING, "properties": properties})
        monkeypatch.setattr(index_module, "MAPPING_VERSION", 2)

    return change


def test_a_new_mapping_is_filled_beside_the_old_one_and_the_alias_moves_and_moves_back(
    cluster, documents, next_version
):
    days = {
        DAY + timedelta(days=number): [tweet(10 * number + minute, DAY + timedelta(days=number)) for minute in range(4)]
        for number in range(7)
    }
    for day, rows in days.items():
        index_day(cluster, day, batches(rows))
    before = documents(cluster.alias)
    next_version()
    # A daily run with the new code: readers do not see it, nor twice.
    assert not index_day(cluster, DAY, batches(days[DAY])).live
    assert documents(cluster.alias) == before
    with pytest.raises(LumbungError, match="version 2 lacks 6 days that readers see, the first is 2026-11-26"):
        move_alias(cluster, 2)
    # The lake has a newer third day, and no fourth any more.
    third, fourth = list(days)[2:4]
    lake = {**days, third: [tweet(500, third)]}
    del lake[fourth]
    done = list(reindex(cluster, lambda day: batches(lake[day]) if day in lake else None))
    assert [(step.day, step.rows, step.live) for step in done] == [
        (day, 1 if day == third else 4, False) for day in days
    ]
    assert documents(cluster.alias) == before
    assert move_alias(cluster, 2) == 1
    after = documents(cluster.alias)
    expected = {key: document for key, document in before.items() if document["tweet_date"] != f"{third}"}
    assert after == expected | {FIRST + 500: after[FIRST + 500]}
    assert {month.version for month in months(cluster) if month.live} == {2}
    assert index_day(cluster, DAY + timedelta(days=40), batches([tweet(900, DAY + timedelta(days=40))])).live
    assert list(reindex(cluster, lambda day: None)) == []
    # Back in one step, though version 1 does not have the newest day.
    assert move_alias(cluster, 1) == 2
    assert documents(cluster.alias) == before
    with pytest.raises(LumbungError, match="readers use mapping version 1"):
        drop_version(cluster, 1)
    assert move_alias(cluster, 2) == 1
    assert len(drop_version(cluster, 1, dry_run=True)) == 2
    assert len(drop_version(cluster, 1)) == 2
    assert {month.version for month in months(cluster)} == {2}
    with pytest.raises(LumbungError, match="no index of mapping version 1"):
        move_alias(cluster, 1)


def test_a_mapping_that_changed_without_a_new_version_is_refused(cluster, next_version, monkeypatch):
    index_day(cluster, DAY, batches([tweet(1)]))
    next_version()
    monkeypatch.setattr(index_module, "MAPPING_VERSION", 1)
    with pytest.raises(LumbungError, match="another mapping than version 1"):
        index_day(cluster, DAY, batches([tweet(1)]))


def test_prune_keeps_the_newest_months_as_whole_indices(cluster, documents, next_version):
    months_ = [date(2026, 8, 31), date(2026, 10, 1), date(2026, 11, 25), date(2027, 1, 1)]
    for number, day in enumerate(months_):
        index_day(cluster, day, batches([tweet(number, day)]))
    neighbour = replace(cluster, alias=f"{cluster.alias}-2")
    index_day(neighbour, months_[0], batches([tweet(9, months_[0])]))
    next_version()
    index_day(cluster, months_[1], batches([tweet(1, months_[1])]))
    gone = [f"{cluster.alias}-2026-08-v1", f"{cluster.alias}-2026-10-v1", f"{cluster.alias}-2026-10-v2"]
    assert prune(cluster, keep=2, dry_run=True) == gone
    assert count_by_day(cluster).keys() == set(months_)
    assert prune(cluster, keep=2) == gone
    assert prune(cluster, keep=2) == []
    assert count_by_day(cluster).keys() == {*months_[2:]}
    assert seen(cluster) == ids([2, 3])
    assert count_by_day(neighbour) == {months_[0]: 1}
    with pytest.raises(LumbungError, match="Keep at least 1"):
        prune(cluster, keep=0)
