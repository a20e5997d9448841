import json
from pathlib import Path

from lumbung.core import settings as lumbung_settings
from lumbung.core.settings import Settings
from lumbung.local.airflow_environment import environment
from lumbung.local.services import Services


def test_children_agree_on_every_setting(tmp_path: Path) -> None:
    settings = Settings.of(home=tmp_path / "home", emulator_host="http://127.0.0.1:1")
    running = Services(
        {"pinter_skuy": "postgresql://reader:secret@db/shop"}, settings.emulator_host, "sqlite:///airflow.db"
    )
    env = environment(settings, running)
    assert lumbung_settings.load(env) == settings
    assert env["AIRFLOW_CONN_PINTER_SKUY"] == running.connections["pinter_skuy"]
    assert env == environment(settings, running), "keys are made once"
    for path in ("secrets.json", "passwords.json"):
        assert (settings.home / "airflow" / path).stat().st_mode & 0o777 == 0o600
    google = environment(
        Settings.of(home=settings.home, project="my-project"),
        Services(running.connections, None, running.metadata_url),
    )
    assert "BIGQUERY_EMULATOR_HOST" not in google
    assert json.loads(google["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"])["extra"] == {"project": "my-project"}
