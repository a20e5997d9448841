"""Full-text search on a real Elasticsearch."""

from datetime import UTC, datetime

import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.search.cluster import connect
from lumbung.search.index import index_day
from lumbung.search.search import search
from support.search_tweets import DAY, FIRST, batches, tweet

TEXTS = [
    "Sahamku naik terus, alhamdulillah 🚀",
    "lagi pilih reksadana <b>pasar uang</b> & saham",
    "#Saham-saham teknologi anjlok",
    "membeli sukuk ritel",
    "mau beli apa hari ini? suku bunga naik",
]


@pytest.fixture(scope="module")
def find(elasticsearch):
    sign_in = {"search_username": elasticsearch.username, "search_password": elasticsearch.password}
    cluster = connect(Settings.of(search=elasticsearch.url, search_alias="cari", **sign_in), waits=())
    index_day(cluster, DAY, batches(tweet(number, tweet=text) for number, text in enumerate(TEXTS)))
    return lambda query, **options: search(cluster, query, **options)


def numbers(result):
    return {hit.tweet_id - FIRST for hit in result.hits}


def test_hits_have_what_a_reader_wants(find):
    result = find("reksadana")
    assert result.total == 1
    (hit,) = result.hits
    assert (hit.tweet_id, hit.user_name, hit.tweet, hit.instruments) == (
        FIRST + 1,
        "synthetic_1",
        TEXTS[1],
        ["saham"],
    )
    assert hit.created_at == datetime(2026, 11, 25, 3, 0, 0, 1, UTC)
    assert hit.parts == [("lagi pilih ", False), ("reksadana", True), (" <b>pasar uang</b> & saham", False)]


def test_words_are_found_in_their_indonesian_forms(find):
    assert numbers(find("saham")) == {0, 1, 2}
    assert numbers(find("beli")) == {3, 4}
    (hit,) = find("saham naik").hits
    assert [text for text, matched in hit.parts if matched] == ["Sahamku", "naik"]
    assert "".join(text for text, _ in hit.parts) == TEXTS[0]


def test_syntax(find):
    assert numbers(find("saham -naik")) == {1, 2}
    assert numbers(find("sukuk | reksadana")) == {1, 3}
    assert numbers(find('"pasar uang"')) == {1}
    assert numbers(find('"uang pasar"')) == set()
    assert numbers(find("tekno*")) == {2}


def test_size_and_order(find):
    result = find("naik | saham | beli | sukuk", size=2)
    assert (result.total, len(result.hits)) == (5, 2)
    hits = find("*").hits
    assert [hit.tweet_id - FIRST for hit in hits] == [4, 3, 2, 1, 0]  # all match alike: the newest first
    assert [hit.parts for hit in hits] == [[(text, False)] for text in reversed(TEXTS)]


def test_odd_input_is_not_an_error(find):
    odd = ['"saham', "saham AND (", "(" * 1000, "*", "~2", "-", "", " ", "\x00", "\\", "a:b:c", "😀", "x~99", "yang"]
    for query in [*odd, "a|" * 500, "a* " * 333]:
        find(query)
    assert numbers(find("saham naik (")) == {0}


def test_a_query_that_is_too_long_is_refused(find):
    with pytest.raises(LumbungError, match="1,001 characters"):
        find("a" * 1001)


def test_nothing_is_indexed_yet(cluster):
    with pytest.raises(LumbungError, match="index a day first"):
        search(cluster, "saham")
