"""What a task is given of Airflow's connections."""

import pytest
from airflow.sdk import Connection

from lumbung.sources.address import parameters
from lumbung_airflow.connections import dsn

ADDRESSES = [
    "postgresql://u:secret%40%2F@db.example:5433/shop",
    "postgresql://u:secret@db.example:5433/shop?sslmode=verify-full&options=-csearch_path%3Done%20two",
    "postgresql:///shop?host=/run/pg",
    "postgresql://%2Frun%2Fpg/shop",
    "postgresql://a%20b:c%20d@h/my%20shop",
    "postgresql://[2001:db8::1]:5433/shop",
    "postgresql://a,b/shop?target_session_attrs=any",
    "postgresql://u@/shop",
    "postgresql:///?user=u&password=p&dbname=shop&host=h",
]
ONLY_LIBPQ = [
    "postgresql://a:1,b:2/shop",
    "postgresql://h/shop?application_name=a+b",
    "postgresql://H.Example/shop",
    "host=h dbname=shop",
]


@pytest.mark.parametrize("address", [*ADDRESSES, *ONLY_LIBPQ])
def test_a_connection_reaches_the_reader_whole(monkeypatch, address):
    monkeypatch.setenv("AIRFLOW_CONN_SOME_SHOP", address)
    assert dsn("some_shop") == address


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_connection_that_airflow_keeps_says_the_same_as_its_address(monkeypatch, address):
    kept = Connection(conn_id="some_shop", uri=address)
    monkeypatch.setattr(Connection, "get", classmethod(lambda _, conn_id: {"some_shop": kept}[conn_id]))
    expected = {name: value for name, value in parameters("some_shop", address).items() if value != ","}
    assert parameters("some_shop", dsn("some_shop")) == expected


def test_a_connection_that_is_not_there_is_for_the_reader_to_say():
    assert dsn("no_such_connection") is None
