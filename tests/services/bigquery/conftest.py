import uuid
from collections.abc import Iterator

import pytest
from google.cloud import bigquery

from support.bigquery_client import connect, load


@pytest.fixture(scope="module")
def client(bigquery_server: str) -> bigquery.Client:
    return connect(bigquery_server)


@pytest.fixture
def dataset(client: bigquery.Client) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    client.create_dataset(name)
    yield name
    client.delete_dataset(name, delete_contents=True)


@pytest.fixture
def table(client: bigquery.Client, dataset: str) -> str:
    """A table with the ids a and b on 1 January and c on 2 January."""
    load(client, f"{dataset}.t$20260101", [("a", "2026-01-01"), ("b", "2026-01-01")])
    load(client, f"{dataset}.t$20260102", [("c", "2026-01-02")])
    return f"{dataset}.t"
