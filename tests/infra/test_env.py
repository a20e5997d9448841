"""`make env` in a folder of its own: what it writes, and that it changes nothing that is there."""

import base64
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRETS = (
    "AIRFLOW_ADMIN_PASSWORD",
    "POSTGRES_PASSWORD",
    "AIRFLOW_DB_PASSWORD",
    "PINTER_SKUY_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_JWT_SECRET",
)
SERVICES = (
    "SERVICE_BIGQUERY",
    "SERVICE_KAFKA",
    "SERVICE_TWEET_SOURCE",
    "SERVICE_SPARK",
    "SERVICE_SCHEMA_REGISTRY",
    "SERVICE_SEARCH",
    "SERVICE_KIBANA",
)


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "infra").mkdir()
    for name in ("Makefile", ".env.example", "infra/env.sh"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make_env(checkout, *arguments):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("LUMBUNG_", "MAKE"))}
    done = subprocess.run(["make", "env", *arguments], cwd=checkout, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(checkout, *arguments):
    with pytest.raises(AssertionError) as error:
        make_env(checkout, *arguments)
    return str(error.value)


def values(checkout):
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", (checkout / ".env").read_text(), re.MULTILINE))


def test_a_fresh_env_has_all_secrets_and_only_its_owner_reads_it(checkout):
    output = make_env(checkout)
    written = values(checkout)
    assert set(written) == {*SECRETS, "AIRFLOW_UID", "COMPOSE_PROFILES", *SERVICES}
    assert [name for name in SERVICES if written[name]] == ["SERVICE_BIGQUERY"]
    assert "Made .env from .env.example" in output
    assert all(name in output for name in written)
    assert not any(written[name] in output for name in SECRETS)
    assert written["COMPOSE_PROFILES"] == "local"
    assert written["AIRFLOW_UID"] == str(os.getuid() or 50000), "never root"
    assert len(base64.urlsafe_b64decode(written["AIRFLOW_FERNET_KEY"])) == 32
    assert len(bytes.fromhex(written["AIRFLOW_JWT_SECRET"])) == 64
    assert all(len(written[name]) >= 24 for name in SECRETS)
    assert len({written[name] for name in SECRETS}) == len(SECRETS)
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600


def test_secrets_are_fresh(checkout):
    make_env(checkout)
    first = values(checkout)
    (checkout / ".env").unlink()
    make_env(checkout)
    assert not {first[name] for name in SECRETS} & set(values(checkout).values())


def test_what_is_there_stays(checkout):
    mine = "# mine\nLUMBUNG_LOCATION=asia-southeast2\nPOSTGRES_PASSWORD=a=b&c\\d\nAIRFLOW_UID=1234\n"
    (checkout / ".env").write_text(f"{mine}AIRFLOW_JWT_SECRET=\n")
    output = make_env(checkout)
    written = values(checkout)
    assert (checkout / ".env").read_text().startswith(mine)
    assert len(written["AIRFLOW_JWT_SECRET"]) == 128, "an empty value is none"
    assert "Kept as they were: AIRFLOW_UID POSTGRES_PASSWORD" in output
    text = (checkout / ".env").read_text()
    assert "Written" not in make_env(checkout)
    assert (checkout / ".env").read_text() == text


def test_with_a_project_there_is_no_local_server(checkout):
    make_env(checkout, "LUMBUNG_PROJECT=my-project")
    written = values(checkout)
    assert written["LUMBUNG_PROJECT"] == "my-project"
    assert "COMPOSE_PROFILES" not in written
    assert not written["SERVICE_BIGQUERY"]
    (checkout / ".env").write_text("COMPOSE_PROFILES=local\nLUMBUNG_PROJECT=my-project\n")
    assert "take local out" in make_env(checkout)
    assert values(checkout)["COMPOSE_PROFILES"] == "local"
    assert not values(checkout)["SERVICE_BIGQUERY"]
    make_env(checkout, "PROFILES=stream")
    assert values(checkout)["COMPOSE_PROFILES"] == "stream"


def test_profiles_are_turned_on_and_off(checkout):
    make_env(checkout, "PROFILES=stream, spark local")
    written = values(checkout)
    assert written["COMPOSE_PROFILES"] == "local,stream,spark"
    assert {name: written[name] for name in SERVICES if written[name]} == {
        "SERVICE_BIGQUERY": "http://bigquery:9050",
        "SERVICE_KAFKA": "kafka:9092",
        "SERVICE_TWEET_SOURCE": "none",
        "SERVICE_SPARK": "sc://spark:15002",
    }
    text = (checkout / ".env").read_text()
    make_env(checkout)
    assert (checkout / ".env").read_text() == text, "they stay on"
    (checkout / ".env").write_text(text.replace("=local,stream,spark", "=local,search"))
    make_env(checkout)
    assert [name for name in SERVICES if values(checkout)[name]] == [
        "SERVICE_BIGQUERY",
        "SERVICE_SEARCH",
        "SERVICE_KIBANA",
    ]


def test_models_need_kafka_and_leave_collecting_to_the_dag(checkout):
    make_env(checkout, "PROFILES=models")
    written = values(checkout)
    assert (written["SERVICE_KAFKA"], written["SERVICE_TWEET_SOURCE"]) == ("kafka:9092", "")


def test_contract_events_need_kafka_and_so_does_the_registry(checkout):
    make_env(checkout, "PROFILES=contracts")
    assert (values(checkout)["SERVICE_KAFKA"], values(checkout)["SERVICE_SCHEMA_REGISTRY"]) == ("kafka:9092", "")
    make_env(checkout, "PROFILES=contracts,registry")
    assert values(checkout)["SERVICE_SCHEMA_REGISTRY"] == "http://schema-registry:8080/apis/ccompat/v7"
    assert "keeps its schemas in Kafka: add contracts, or set LUMBUNG_KAFKA" in refused(checkout, "PROFILES=registry")
    with (checkout / ".env").open("a") as file:
        file.write("LUMBUNG_KAFKA=kafka.example.com:9092\n")
    make_env(checkout, "PROFILES=registry")


def test_two_shippers_and_unknown_profiles_are_refused(checkout):
    assert "both would send the spool" in refused(checkout, "PROFILES=connect,stream")
    assert "names kibana; there are local, stream" in refused(checkout, "PROFILES=kibana")
