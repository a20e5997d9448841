"""The environment of Airflow's processes on a laptop, and the secrets in it.

Airflow is never imported in this package: it is run as a subprocess, or called through its REST API.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr

from lumbung.core.locks import locked
from lumbung.core.settings import AIRFLOW_ADMIN, EMULATOR_VARIABLE, LOCAL_PROJECT, NAMES, ROOT, Settings, variable
from lumbung.core.settings import environment as own_environment
from lumbung.local import airflow_passwords, processes
from lumbung.local.services import METADATA_VARIABLE, Services

USER = AIRFLOW_ADMIN
HOST = "127.0.0.1"
PORT = 8080
PORT_VARIABLE = "AIRFLOW__API__PORT"
DAGS_VARIABLE = "AIRFLOW__CORE__DAGS_FOLDER"
SHARED_SETTINGS = ROOT / "infra" / "airflow.env"


def environment(settings: Settings, services: Services, port: int = PORT) -> dict[str, str]:
    """The whole environment of Airflow's processes; they agree with this one on every setting.

    Args:
        settings: this process's settings.
        services: where the services are.
        port: where the API server listens.
    """
    home = settings.home / "airflow"
    keys = airflow_secrets(settings.home)
    airflow_passwords.write(settings.home, settings.airflow_roles)
    address = f"http://{HOST}:{port}"
    # Defaults, which a user's environment may override; what stands in `fixed` would not work with other values.
    shared = {name: value for name, value in dotenv_values(SHARED_SETTINGS).items() if value}
    defaults = {DAGS_VARIABLE: str(ROOT / "dags"), **shared}
    fixed = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{u}:{r}" for u, r in settings.airflow_roles.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow_passwords.file(settings.home)),
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet_key"],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__API__HOST": HOST,
        PORT_VARIABLE: str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__SECRET_KEY": keys["secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt_secret"],
        METADATA_VARIABLE: services.metadata_url,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(settings.home / "logs" / "airflow"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(settings.home / "logs" / "airflow" / "dags"),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        **{f"AIRFLOW_CONN_{name.upper()}": dsn for name, dsn in services.connections.items()},
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "include"), os.environ.get("PYTHONPATH")])),
    }
    for name in ("NO_PROXY", "no_proxy"):  # a proxy cannot reach this machine's own servers
        fixed[name] = ",".join(filter(None, [os.environ.get(name), HOST, "localhost"]))
    for name in NAMES:
        value = settings.value(name)
        # Settings without a value are passed empty, which counts as not set, so that `.env` cannot set them again.
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        fixed[variable(name)] = "" if plain is None else str(plain)
    env = {**defaults, **own_environment(), **fixed}
    if services.emulator_host:
        env[EMULATOR_VARIABLE] = services.emulator_host
        env["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"] = _google_connection({"is_anonymous": True, "project": LOCAL_PROJECT})
    else:
        del env[EMULATOR_VARIABLE]  # the client would take an empty one for an address
        env.setdefault("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", _google_connection({"project": settings.project_id}))
    return env


def program() -> str:
    """Airflow's command line."""
    return str(Path(sys.executable).with_name("airflow"))


def airflow_secrets(home: Path) -> dict[str, Any]:
    """Airflow's keys and the password of its user; they are generated once per home folder.

    Args:
        home: the folder of all local state.

    Returns:
        `fernet_key`, `secret_key`, `jwt_secret` and `password`.
    """
    folder = home / "airflow"
    path = folder / "secrets.json"
    with locked(folder / "secrets.lock", fcntl.LOCK_EX):
        if not path.exists():
            password = secrets.token_urlsafe(12)
            # This file first: once secrets.json exists, nothing here is written again.
            airflow_passwords.write(home, [USER], {USER: password})
            keys = {
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "secret_key": secrets.token_hex(32),
                "jwt_secret": secrets.token_hex(64),
                "password": password,
            }
            processes.write_json(path, keys)
        return processes.read_json(path)


def _google_connection(extra: Mapping[str, Any]) -> str:
    return json.dumps({"conn_type": "google_cloud_platform", "extra": extra})
