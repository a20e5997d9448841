"""Which address the warehouse's client speaks to."""

from google.auth.credentials import AnonymousCredentials

from lumbung.core import settings
from lumbung.storage.warehouse import Warehouse


def test_an_empty_emulator_variable_counts_as_none(monkeypatch):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "")
    plain = settings.load({"LUMBUNG_PROJECT": "my-project", "BIGQUERY_EMULATOR_HOST": ""})
    client = Warehouse(plain, AnonymousCredentials).client
    assert client._connection.API_BASE_URL == "https://bigquery.googleapis.com"
