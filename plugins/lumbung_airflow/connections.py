"""What tasks connect to, and with which of Airflow's connections."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from lumbung.core.settings import Settings
    from lumbung.storage.warehouse import Warehouse


def warehouse(settings: Settings) -> Warehouse:
    """The warehouse; in a real project with the credentials of Airflow's connection `google_cloud_default`."""
    from lumbung.storage.warehouse import Warehouse

    return Warehouse(settings, google_credentials if settings.warehouse == "bigquery" else None)


def google_credentials() -> Credentials:
    """Those of the connection `google_cloud_default`."""
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

    return GoogleBaseHook(gcp_conn_id="google_cloud_default").get_credentials()


def dsn(connection: str) -> str | None:
    """A connection's address as it was set, see `lumbung.sources.address`; None: there is none."""
    from airflow.sdk import Connection
    from airflow.sdk.log import mask_secret

    from lumbung.sources.address import parameters, secrets, variable

    address = os.environ.get(variable(connection))
    if not address:
        try:
            address = str(Connection.get(connection).as_json())
        except AirflowNotFoundException:
            return None
    mask_secret(secrets(parameters(connection, address)))
    return address
