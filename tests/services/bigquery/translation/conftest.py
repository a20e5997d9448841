from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from support.bigquery_client import rows_of


@pytest.fixture
def value(client: bigquery.Client) -> Callable[[str], Any]:
    """Return the value of an expression, or of a query with one column and row; the message where it is refused."""

    def ask(expression: str) -> Any:
        sql = expression if expression.startswith("SELECT") else f"SELECT {expression}"
        try:
            ((answer,),) = rows_of(client.query_and_wait(sql))
        except BadRequest as error:
            return str(error.errors[0]["message"]).splitlines()[0]
        return answer

    return ask
