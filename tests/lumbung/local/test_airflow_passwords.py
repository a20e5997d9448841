"""Passwords of Airflow's users are generated once; those that are set replace them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from lumbung.core.settings import ROOT, Settings
from lumbung.local import airflow_passwords
from lumbung.local.airflow_environment import airflow_secrets, environment
from lumbung.local.services import Services

SERVICES = Services({}, "http://127.0.0.1:1", "sqlite:///airflow.db")


def test_who_has_a_password_keeps_it(tmp_path: Path) -> None:
    settings = Settings.of(home=tmp_path, emulator_host="http://127.0.0.1:1")
    assert environment(settings, SERVICES)["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "admin:admin"
    first = airflow_passwords.passwords(tmp_path)
    assert first == {"admin": airflow_secrets(tmp_path)["password"]}
    more = settings.replace(airflow_users="rani:viewer, budi:admin")
    users = environment(more, SERVICES)["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert users == "admin:admin,rani:viewer,budi:admin"
    all_three = airflow_passwords.passwords(tmp_path)
    assert all_three["admin"] == first["admin"]
    assert len(set(all_three.values())) == 3
    environment(more, SERVICES)
    assert airflow_passwords.passwords(tmp_path) == all_three
    assert airflow_passwords.file(tmp_path).stat().st_mode & 0o777 == 0o600


def compose(home: Path, users: str, password: str) -> subprocess.CompletedProcess[str]:
    """What Docker Compose runs before Airflow starts."""
    env = {"LUMBUNG_HOME": str(home), "LUMBUNG_AIRFLOW_USERS": users, "AIRFLOW_ADMIN_PASSWORD": password}
    command = [sys.executable, "-m", "lumbung.local.airflow_passwords"]
    env |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "include")}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_in_compose_the_admin_s_password_is_set_and_others_stay(tmp_path: Path) -> None:
    assert compose(tmp_path, "rani:viewer", "one").returncode == 0
    before = json.loads(airflow_passwords.file(tmp_path).read_text())
    assert before["admin"] == "one"
    assert compose(tmp_path, "rani:viewer", "two").returncode == 0
    assert json.loads(airflow_passwords.file(tmp_path).read_text()) == {**before, "admin": "two"}
    refused = compose(tmp_path, "rani:boss", "two")
    assert refused.returncode == 1
    assert refused.stderr.startswith("LUMBUNG_AIRFLOW_USERS: 'rani:boss' is not name:role; roles are admin and viewer.")
