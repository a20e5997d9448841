"""What the compose file promises, read by Compose itself; nothing is started."""

import pytest

GIB = 1 << 30
ALWAYS = {
    "postgres",
    "airflow-init",
    "airflow-apiserver",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
}
PROFILES = {
    "local": {"bigquery"},
    "stream": {"kafka", "collector", "shipper", "lander"},
    "connect": {"kafka", "collector", "connect", "lander"},
    "models": {"kafka", "models-api"},
    "contracts": {"kafka"},
    "registry": {"schema-registry"},
    "spark": {"spark"},
    "search": {"elasticsearch", "kibana"},
}
# Memory beside that of the services that always run, in GiB.
MEMORY = {"stream": 2, "connect": 2, "models": 1, "contracts": 1, "registry": 1, "spark": 3, "search": 2.5}
ALL = ",".join(PROFILES)


def test_it_is_valid_as_it_is(stack):
    assert set(stack.config()["services"]) == ALWAYS | PROFILES["local"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_adds_its_services(stack, profile):
    assert set(stack.config(COMPOSE_PROFILES=profile)["services"]) == ALWAYS | PROFILES[profile]


def test_airflow_gets_the_addresses_of_the_profiles_services(stack):
    try:
        stack.env(PROFILES="stream,spark,search")
        services = stack.config()["services"]
    finally:
        stack.env(PROFILES="local")
    environ = services["airflow-scheduler"]["environment"]
    assert environ["BIGQUERY_EMULATOR_HOST"] == "http://bigquery:9050"
    assert environ["LUMBUNG_KAFKA"] == services["lander"]["environment"]["LUMBUNG_KAFKA"] == "kafka:9092"
    assert environ["LUMBUNG_TWEET_SOURCE"] == "none", "the collector collects"
    assert "synthetic" in services["collector"]["command"]
    assert environ["LUMBUNG_SPARK"] == "sc://spark:15002"
    assert (environ["LUMBUNG_SEARCH"], environ["LUMBUNG_KIBANA"]) == ("http://elasticsearch:9200", "http://kibana:5601")
    without = stack.config()["services"]["airflow-scheduler"]["environment"]
    assert not [name for name in ("KAFKA", "TWEET_SOURCE", "SPARK", "SEARCH", "KIBANA") if without[f"LUMBUNG_{name}"]]


def test_what_streams_or_serves_has_no_secret_of_airflow(stack):
    for name in ("collector", "shipper", "lander", "models-api"):
        environ = stack.config(COMPOSE_PROFILES="stream,models")["services"][name]["environment"]
        assert not [
            variable for variable in environ if variable.startswith(("AIRFLOW", "LUMBUNG_SOURCE", "LUMBUNG_SEARCH"))
        ], name


def test_a_missing_secret_stops_the_start_and_names_make_env(stack):
    assert len(stack.secrets) == 7
    for name in [*stack.secrets, "AIRFLOW_UID"]:
        done = stack.compose("up", "--no-start", env={name: ""}, check=False)
        assert done.returncode != 0, name
        assert f"required variable {name} is missing a value: run make env" in done.stderr


def test_an_env_of_before_the_profiles_names_make_env(stack, tmp_path):
    lines = (stack.checkout / ".env").read_text().splitlines(keepends=True)
    (tmp_path / "old").write_text("".join(line for line in lines if not line.startswith("SERVICE_")))
    done = stack.compose("--env-file", str(tmp_path / "old"), "up", "--no-start", check=False)
    assert "required variable SERVICE_BIGQUERY is missing a value: run make env" in done.stderr


def test_only_pages_and_kafka_are_published_and_only_here(stack):
    services = stack.config(COMPOSE_PROFILES=ALL)["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    addresses = {name: [(port["host_ip"], port["target"]) for port in ports] for name, ports in published.items()}
    ports = {"airflow-apiserver": 8080, "kafka": 9094, "kibana": 5601, "models-api": 8088}
    assert addresses == {name: [("127.0.0.1", port)] for name, port in ports.items()}
    elsewhere = stack.config(AIRFLOW_ADDRESS="0.0.0.0")["services"]["airflow-apiserver"]["ports"]
    assert elsewhere[0]["host_ip"] == "0.0.0.0"


def test_every_service_is_bounded_and_starts_again(stack):
    services = stack.config(COMPOSE_PROFILES=ALL)["services"]
    memory = {name: int(service["mem_limit"]) for name, service in services.items()}
    # The others start when `airflow-init` has ended.
    assert sum(memory[name] for name in ALWAYS - {"airflow-init"} | PROFILES["local"]) <= 4 * GIB
    for profile, limit in MEMORY.items():
        assert sum(memory[name] for name in PROFILES[profile]) <= limit * GIB, profile
    for name, service in services.items():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service.get("read_only", False) is (name not in PROFILES["search"]), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["restart"] == ("no" if name == "airflow-init" else "unless-stopped"), name
        assert service.get("user") or name == "bigquery", name


def test_a_project_needs_no_local_server(stack, tmp_path):
    key = tmp_path / "key.json"
    project = {"COMPOSE_PROFILES": "", "SERVICE_BIGQUERY": "", "LUMBUNG_PROJECT": "my-project"}
    config = stack.config(**project, GOOGLE_SERVICE_ACCOUNT_FILE=str(key))
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
    for service in (
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "airflow-apiserver",
        "airflow-init",
    ):
        mounts = {mount["target"]: mount for mount in config["services"][service]["volumes"]}
        mount = mounts[f"/opt/lumbung/{name}"]
        assert (mount["source"], mount["read_only"]) == (str(stack.checkout / name), True)
        assert mounts["/var/lib/lumbung"]["source"] == "home", "what the file itself mounts stays"
