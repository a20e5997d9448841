"""What the compose file promises, read by Compose itself; nothing is started."""

import pytest

GIB = 1 << 30


def test_it_is_valid_as_it_is(stack):
    services = stack.config()["services"]
    assert set(services) == {
        "postgres",
        "bigquery",
        "airflow-init",
        "airflow-apiserver",
        "airflow-scheduler",
        "airflow-dag-processor",
    }


def test_a_missing_secret_stops_the_start_and_names_make_env(stack):
    assert len(stack.secrets) == 7
    for name in [*stack.secrets, "AIRFLOW_UID"]:
        done = stack.compose("up", "--no-start", env={name: ""}, check=False)
        assert done.returncode != 0, name
        assert f"required variable {name} is missing a value: run make env" in done.stderr


def test_only_airflows_page_is_published_and_only_here(stack):
    services = stack.config()["services"]
    published = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert [*published] == ["airflow-apiserver"]
    assert [(port["host_ip"], port["target"]) for port in published["airflow-apiserver"]] == [("127.0.0.1", 8080)]
    elsewhere = stack.config(AIRFLOW_ADDRESS="0.0.0.0")["services"]["airflow-apiserver"]["ports"]
    assert elsewhere[0]["host_ip"] == "0.0.0.0"


def test_every_service_is_bounded_and_starts_again(stack):
    services = stack.config()["services"]
    assert sum(int(one["mem_limit"]) for one in services.values()) <= 4 * GIB
    for name, one in services.items():
        assert one["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["restart"] == ("no" if name == "airflow-init" else "unless-stopped"), name
        assert one.get("user") or name == "bigquery", name


def test_a_project_needs_no_local_server(stack, tmp_path):
    key = tmp_path / "key.json"
    config = stack.config(COMPOSE_PROFILES="", LUMBUNG_PROJECT="my-project", GOOGLE_SERVICE_ACCOUNT_FILE=str(key))
    assert "bigquery" not in config["services"]
    environ = config["services"]["airflow-scheduler"]["environment"]
    assert environ["LUMBUNG_PROJECT"] == "my-project"
    assert not environ["BIGQUERY_EMULATOR_HOST"]
    assert environ["GOOGLE_APPLICATION_CREDENTIALS"] == "/run/secrets/google_service_account"
    assert config["secrets"]["google_service_account"]["file"] == str(key)


@pytest.mark.parametrize("name", ["dags", "plugins", "include", "data-source"])
def test_the_override_mounts_the_checkout_read_only(stack, name):
    example = "docker-compose.override.yaml.example"
    config = stack.config("--file", "docker-compose.yaml", "--file", example)
    for service in ("airflow-scheduler", "airflow-dag-processor", "airflow-apiserver", "airflow-init"):
        mounts = {one["target"]: one for one in config["services"][service]["volumes"]}
        mount = mounts[f"/opt/lumbung/{name}"]
        assert (mount["source"], mount["read_only"]) == (str(stack.checkout / name), True)
        assert mounts["/var/lib/lumbung"]["source"] == "home", "what the file itself mounts stays"
