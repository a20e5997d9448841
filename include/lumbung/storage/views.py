"""Views of the warehouse, read and written through the tables API: no query job and no DDL."""

from __future__ import annotations

from google.api_core import exceptions as api
from google.cloud import bigquery

from lumbung.storage.client_errors import MissingError
from lumbung.storage.warehouse import Warehouse


def query(warehouse: Warehouse, name: str) -> str | None:
    """The query of a view; None: there is no such view.

    Args:
        warehouse: the warehouse.
        name: the view's full name.
    """
    try:
        with warehouse.translated(name):
            text: str | None = warehouse.client.get_table(name, retry=warehouse.retry).view_query
            return text
    except MissingError:
        return None


def write(warehouse: Warehouse, name: str, text: str, description: str) -> None:
    """Make a view, or replace the query of one.

    Args:
        warehouse: the warehouse.
        name: the view's full name.
        text: its GoogleSQL.
        description: what it shows, for people.
    """
    view = bigquery.Table(name)
    view.view_query, view.description, view.labels = text, description, {"managed_by": "lumbung"}
    with warehouse.translated(name):
        try:
            warehouse.client.create_table(view, retry=warehouse.retry)
        except api.Conflict:
            warehouse.client.update_table(view, ["view_query", "description", "labels"], retry=warehouse.retry)
