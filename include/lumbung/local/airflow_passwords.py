"""Passwords of Airflow's users: generated once, and kept in the home for Airflow to read.

In Docker Compose `python -m lumbung.local.airflow_passwords` writes them before Airflow starts.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from lumbung.core import settings
from lumbung.core.errors import SettingError
from lumbung.core.locks import locked
from lumbung.core.settings import AIRFLOW_ADMIN
from lumbung.local import processes

PASSWORD_VARIABLE = "AIRFLOW_ADMIN_PASSWORD"  # noqa: S105 - the name of one


def file(home: Path) -> Path:
    """Where they are.

    Args:
        home: the folder of all local state.
    """
    return home / "airflow" / "passwords.json"


def write(home: Path, users: Iterable[str], given: Mapping[str, str] | None = None) -> None:
    """Give each user a password; who has one keeps it.

    Args:
        home: the folder of all local state.
        users: their names.
        given: passwords that are set elsewhere, by the user's name; they replace those that are there.
    """
    path = file(home)
    with locked(path.with_suffix(".lock"), fcntl.LOCK_EX):
        kept = processes.read_json(path)
        passwords = {user: secrets.token_urlsafe(12) for user in users} | kept | dict(given or {})
        if passwords != kept:
            processes.write_json(path, passwords)


def passwords(home: Path) -> dict[str, str]:
    """The password of each user, and of those who were users once.

    Args:
        home: the folder of all local state.
    """
    return processes.read_json(file(home))


if __name__ == "__main__":
    try:
        loaded = settings.load()
    except SettingError as error:
        sys.exit(f"{error}")
    write(loaded.home, loaded.airflow_roles, {AIRFLOW_ADMIN: os.environ[PASSWORD_VARIABLE]})
