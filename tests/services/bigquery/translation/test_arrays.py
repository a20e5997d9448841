import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from support.bigquery_client import rows_of


def test_an_index_counts_from_0_and_must_be_in_bounds(client: bigquery.Client) -> None:
    assert rows_of(client.query_and_wait("SELECT [1, 2][1], (SELECT l[0] FROM (SELECT ['a'] AS l))")) == [(2, "a")]
    for index in (2, -1):
        with pytest.raises(BadRequest, match="out of bounds"):
            client.query_and_wait(f"SELECT [1, 2][{index}]")
