"""Where a PostgreSQL is: from a setting or an Airflow connection to libpq's parameters, for DAGs and the doctor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from psycopg import ProgrammingError, conninfo

from lumbung.core.errors import SourceError
from lumbung.core.settings import Settings, environment
from lumbung.core.settings import variable as setting

# What Airflow keeps in a connection beside libpq's parameters, and those for tokens of a cloud instead of a password.
_OF_AIRFLOW = {"__extra__", "cursor", "sqlalchemy_scheme", "sqlalchemy_query", "aws_conn_id"}
_TOKENS = {"iam", "redshift", "redshift-serverless", "azure_conn_id"}
_FIELDS = {"host": "host", "port": "port", "login": "user", "password": "password", "schema": "dbname"}
_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


def variable(connection: str) -> str:
    """The environment variable of an Airflow connection."""
    return f"AIRFLOW_CONN_{connection.upper()}"


def configured(connection: str, settings: Settings) -> tuple[str, str] | None:
    """The variable that says where a connection's PostgreSQL is, and its value; None: the embedded one.

    Args:
        connection: the Airflow connection.
        settings: LUMBUNG_SOURCE_DSN counts for all connections that have no variable of their own.
    """
    if address := environment().get(variable(connection)):
        return variable(connection), address
    if settings.source_dsn:
        return setting("source_dsn"), settings.source_dsn.get_secret_value()
    return None


def parameters(connection: str | None, address: str) -> dict[str, str]:
    """The parameters that libpq takes out of an address.

    Args:
        connection: the Airflow connection, for errors.
        address: what libpq reads, postgresql://… or key=value pairs; or an Airflow connection as JSON. Airflow's own
            reading of an address would change some: hosts with a port each, `+` in a parameter.

    Raises:
        SourceError: it is none of them; the message quotes nothing of it, as it may hold a password.
    """
    try:
        return _of_json(address) if address.lstrip().startswith("{") else _of_address(address)
    except ValueError as error:
        reason = str(error)
    # Outside of `except`, so that the traceback does not show what libpq or the JSON reader quote.
    raise SourceError(
        f"no connection, {reason}",
        where=f"connection {connection}",
        remedy="write it as postgresql://user:password@host:5432/database, with special characters percent-encoded",
    )


def secrets(parameters: Mapping[str, str]) -> list[str]:
    """The values that nobody may see."""
    return [parameters[name] for name in _SECRETS if parameters.get(name)]


def _of_address(address: str) -> dict[str, str]:
    own: dict[str, str] = {}
    if address.startswith(("postgresql://", "postgres://")):
        place, _, query = address.partition("?")
        pairs = [(pair.partition("=")[0], pair) for pair in query.split("&") if pair]
        own = {name: unquote_plus(pair.partition("=")[2]) for name, pair in pairs if name in _OF_AIRFLOW | _TOKENS}
        address = f"{place}?{'&'.join(pair for name, pair in pairs if name not in own)}"
    try:
        given = conninfo.conninfo_to_dict(address)
    except ProgrammingError:
        raise ValueError("its address cannot be understood") from None
    if any("@" in host and host[0] not in "/@" for host in str(given.get("host", "")).split(",")):
        raise ValueError("its address cannot be understood")  # what precedes is the rest of a password with an @
    return {**{name: str(value) for name, value in given.items()}, **_extra(own.pop("__extra__", None)), **_extra(own)}


def _of_json(text: str) -> dict[str, str]:
    try:
        connection = json.loads(text)
        extra = _extra(connection.get("extra"))
    except json.JSONDecodeError:
        raise ValueError("its JSON cannot be understood") from None
    kind = connection.get("conn_type") or "postgres"
    if kind not in ("postgres", "postgresql"):
        raise ValueError(f"it is of the type {kind}, not postgres")
    fields = {ours: str(connection[name]) for name, ours in _FIELDS.items() if connection.get(name)}
    given = {**fields, **extra}
    try:
        conninfo.make_conninfo(**given)
    except ProgrammingError:
        raise ValueError("one of its parameters is none of PostgreSQL's") from None
    return given


def _extra(extra: str | Mapping[str, Any] | None) -> dict[str, str]:
    """The parameters of libpq among the extra ones of an Airflow connection."""
    values = json.loads(extra) if isinstance(extra, str) and extra else extra or {}
    if not isinstance(values, Mapping):
        raise ValueError("its extra field is not a JSON object")  # noqa: TRY004 - a wrong value, of a text
    for name in _TOKENS & values.keys():
        if str(values[name]).lower() not in ("", "0", "false", "none"):
            raise ValueError(f"it asks for a token ({name}), where a user and a password are needed")
    return {
        name: str(int(value) if isinstance(value, bool) else value)
        for name, value in values.items()
        if name not in _OF_AIRFLOW | _TOKENS and value is not None
    }
