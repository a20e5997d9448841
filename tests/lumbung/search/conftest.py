"""A real Elasticsearch, with an alias of each test's own."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lumbung.core.settings import Settings
from lumbung.search.cluster import Cluster, connect
from lumbung.search.index import PAGE
from support.elasticsearch_server import Server
from support.http_proxy import Proxy

Connect = Callable[..., Cluster]


@pytest.fixture
def search_settings(elasticsearch: Server) -> Callable[..., Settings]:
    """Settings that name the server and this test's alias."""
    alias = f"t{uuid.uuid4().hex}"

    def settings(**fields: Any) -> Settings:
        sign_in = {"search_username": elasticsearch.username, "search_password": elasticsearch.password}
        return Settings.of(**{"search": elasticsearch.url, "search_alias": alias, **sign_in, **fields})

    return settings


@pytest.fixture
def cluster(search_settings: Callable[..., Settings]) -> Cluster:
    """The server, asked only once."""
    return connect(search_settings(), waits=())


@pytest.fixture
def proxy(elasticsearch: Server) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with Proxy(elasticsearch.url) as running:
        yield running


@pytest.fixture
def documents(cluster: Cluster) -> Callable[..., dict[int, dict[str, Any]]]:
    """What is in the index: by tweet id, the documents; a tweet with two of them fails the test."""

    def read(index: str | None = None) -> dict[int, dict[str, Any]]:
        where = index or f"{cluster.alias}-*"
        cluster.client.indices.refresh(index=where)
        hits = cluster.client.search(index=where, size=PAGE)["hits"]["hits"]
        by_id = {int(hit["_id"]): hit["_source"] | {"month": hit["_index"][-10:-3]} for hit in hits}
        assert len(by_id) == len(hits)
        assert all(int(document["tweet_id"]) == key for key, document in by_id.items())
        return by_id

    return read
