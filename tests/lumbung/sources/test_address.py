"""Addresses of PostgreSQL as libpq takes them, and Airflow's forms of a connection."""

import json
import traceback

import pytest

from lumbung.core.errors import SourceError
from lumbung.core.settings import Settings
from lumbung.sources.address import configured, parameters, secrets
from support.sources import Content, make_contract

# Address, and what libpq takes out of it: its documentation's "Connection URIs" and "Keyword/Value Strings".
FORMS = {
    "postgresql://": {},
    "postgresql://localhost": {"host": "localhost"},
    "postgres://localhost:5433": {"host": "localhost", "port": "5433"},
    "postgresql://localhost/shop": {"host": "localhost", "dbname": "shop"},
    "postgresql://ann@localhost": {"user": "ann", "host": "localhost"},
    "postgresql://ann:p@localhost": {"user": "ann", "password": "p", "host": "localhost"},
    "postgresql://ann@/shop": {"user": "ann", "dbname": "shop"},
    "postgresql:///shop": {"dbname": "shop"},
    "postgresql:///shop?host=/run/pg": {"dbname": "shop", "host": "/run/pg"},
    "postgresql:///shop?host=/run/pg&port=5433": {"dbname": "shop", "host": "/run/pg", "port": "5433"},
    "postgresql://%2Frun%2Fpg/shop": {"host": "/run/pg", "dbname": "shop"},
    "postgresql://ann:p@%2Frun%2Fpg:5433/shop": {
        "user": "ann",
        "password": "p",
        "host": "/run/pg",
        "port": "5433",
        "dbname": "shop",
    },
    "postgresql:///?host=h&user=ann&password=p%20w&dbname=my%20shop": {
        "host": "h",
        "user": "ann",
        "password": "p w",
        "dbname": "my shop",
    },
    "postgresql://ann%20marie:a%20b@h/my%20shop": {
        "user": "ann marie",
        "password": "a b",
        "host": "h",
        "dbname": "my shop",
    },
    "postgresql://a%40b:%40%3A%2F%3F%23%25%5B+%27%5C@h/a%2Fb": {
        "user": "a@b",
        "password": "@:/?#%[+'\\",
        "host": "h",
        "dbname": "a/b",
    },
    "postgresql://[2001:db8::1234]:5433/shop": {"host": "2001:db8::1234", "port": "5433", "dbname": "shop"},
    "postgresql://[::1]/shop": {"host": "::1", "dbname": "shop"},
    "postgresql://a:1,b:2/shop": {"host": "a,b", "port": "1,2", "dbname": "shop"},
    "postgresql://a,b,c/shop?target_session_attrs=standby": {
        "host": "a,b,c",
        "port": ",,",
        "dbname": "shop",
        "target_session_attrs": "standby",
    },
    "postgresql://[::1]:1,%2Frun:2/shop": {"host": "::1,/run", "port": "1,2", "dbname": "shop"},
    "postgresql://h/shop?sslmode=verify-full&sslrootcert=/etc/ca%201.pem": {
        "host": "h",
        "dbname": "shop",
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ca 1.pem",
    },
    "postgresql://h/shop?ssl=true": {"host": "h", "dbname": "shop", "sslmode": "require"},
    "postgresql://h/shop?options=-csearch_path%3Done%20-c%20geqo%3Doff&application_name=a+b": {
        "host": "h",
        "dbname": "shop",
        "options": "-csearch_path=one -c geqo=off",
        "application_name": "a+b",
    },
    "postgresql:///shop?host=/run/pg@18,@abstract": {"host": "/run/pg@18,@abstract", "dbname": "shop"},
    "postgresql://H.example/Shop?connect_timeout=3": {"host": "H.example", "dbname": "Shop", "connect_timeout": "3"},
    "postgresql://h?hostaddr=10.0.0.1&service=shop": {"host": "h", "hostaddr": "10.0.0.1", "service": "shop"},
    "host=h dbname='my shop' password='it\\'s'": {"host": "h", "dbname": "my shop", "password": "it's"},
    # Airflow's own: what `airflow connections export` writes, and JSON.
    "postgres://ann:p@h/shop?__extra__=%7B%22sslmode%22%3A+%22require%22%2C+%22keepalives%22%3A5%7D&cursor=dict": {
        "user": "ann",
        "password": "p",
        "host": "h",
        "dbname": "shop",
        "sslmode": "require",
        "keepalives": "5",
    },
    json.dumps({"conn_type": "postgres", "host": "/run/pg", "schema": "my shop"}): {
        "host": "/run/pg",
        "dbname": "my shop",
    },
    json.dumps({"conn_type": "postgres", "login": "a b", "password": "p@/", "host": "a,b", "port": 5433}): {
        "user": "a b",
        "password": "p@/",
        "host": "a,b",
        "port": "5433",
    },
    json.dumps({"conn_type": "postgresql", "extra": {"host": "/run", "keepalives": True, "iam": False}}): {
        "host": "/run",
        "keepalives": "1",
    },
    json.dumps({"conn_type": "postgres", "host": "h", "port": None, "extra": '{"options": "-c geqo=off"}'}): {
        "host": "h",
        "options": "-c geqo=off",
    },
}
REFUSED = {
    "hush": "its address cannot be understood",
    "mysql://u:hush@h/shop": "its address cannot be understood",
    "postgresql://u:hush@h/shop?colour=blue": "its address cannot be understood",
    "postgresql://u:a hush@h/shop": "its address cannot be understood",
    "postgresql://u:%zzhush@h/shop": "its address cannot be understood",
    "postgresql://u:p@hush@h/shop": "its address cannot be understood",  # libpq: the host is hush@h
    "postgresql://u:p@hush@a:1,b:2/shop": "its address cannot be understood",
    "postgresql://u:hush@h/shop?iam=true": "it asks for a token (iam)",
    '{"conn_type": "postgres", "password": "hush"': "its JSON cannot be understood",
    '{"conn_type": "mysql", "password": "hush"}': "it is of the type mysql, not postgres",
    '{"conn_type": "postgres", "password": "hush", "extra": {"colour": 1}}': "one of its parameters is none",
    '{"conn_type": "postgres", "password": "hush", "extra": ["hush"]}': "its extra field is not a JSON object",
    '{"conn_type": "postgres", "password": "hush", "extra": "null"}': "its extra field is not a JSON object",
    "postgresql://u:hush@h/shop?__extra__=%5B1%5D": "its extra field is not a JSON object",
    '{"conn_type": "postgres", "password": "hush", "extra": "{hush"}': "its JSON cannot be understood",
}


@pytest.mark.parametrize("address", FORMS)
def test_what_libpq_takes_is_taken(address):
    assert parameters("shop", address) == FORMS[address]


@pytest.mark.parametrize("address", REFUSED)
def test_what_it_does_not_take_is_refused_without_a_secret(address):
    with pytest.raises(SourceError) as refused:
        parameters("shop", address)
    assert str(refused.value).startswith(f"connection shop: no connection, {REFUSED[address]}")
    assert "hush" not in "".join(traceback.format_exception(refused.value))


def test_the_secrets_of_an_address():
    assert secrets(parameters("shop", "postgresql://u:p%20w@h/d?sslpassword=s")) == ["p w", "s"]


def test_a_connection_s_own_variable_goes_before_the_common_setting(monkeypatch):
    settings = Settings.of(source_dsn="postgresql://all/db")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgresql://own/db")
    assert configured("shop", settings) == ("AIRFLOW_CONN_SHOP", "postgresql://own/db")
    assert configured("school", settings) == ("LUMBUNG_SOURCE_DSN", "postgresql://all/db")
    assert configured("school", Settings.of()) is None


@pytest.fixture(scope="module")
def marie(postgres):
    """A role and a database whose names have a blank, with a password of all that addresses give a meaning to."""
    postgres.sql("""CREATE ROLE "ann marie" LOGIN PASSWORD '@:/?#%[+ "\\'; CREATE DATABASE "my shop" """)
    postgres.sql(
        "CREATE TABLE member (id int, name text, city text); INSERT INTO member VALUES (1, 'a'); GRANT SELECT"
        ' ON member TO "ann marie"',
        "my%20shop",
    )
    yield postgres
    postgres.sql('DROP DATABASE "my shop" WITH (FORCE); DROP ROLE "ann marie"')


LOGIN = "ann%20marie:%40%3A%2F%3F%23%25%5B+%20%22%5C"
PASSWORD = '@:/?#%[+ "\\'


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://{LOGIN}@/my%20shop?host={{folder}}",
        f"postgresql://{LOGIN}@%2F{{encoded}}/my%20shop",
        f"postgresql://{LOGIN}@%2Fnowhere:1,%2F{{encoded}}:5432/my%20shop?application_name=a+b",
        "host={folder} dbname='my shop' user='ann marie' password='@:/?#%[+ \"\\\\'",
        json.dumps(
            {
                "conn_type": "postgres",
                "host": "{folder}",
                "schema": "my shop",
                "login": "ann marie",
                "password": PASSWORD,
            }
        ),
    ],
)
def test_the_driver_is_given_what_the_address_says(marie, address):
    folder = str(marie.server.pgdata)
    given = address.replace("{folder}", folder).replace("{encoded}", folder[1:].replace("/", "%2F"))
    assert Content(make_contract("postgres"), dsn=given).rows == [["1", "a", None]]
