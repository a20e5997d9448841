"""The doctor on real folders, servers and settings, in good health and with one thing wrong at a time."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from lumbung.cli.doctor import checks as doctor
from lumbung.cli.doctor import machine
from lumbung.cli.doctor.checks import checks
from lumbung.core.errors import SettingError
from lumbung.core.settings import ROOT, Settings, load
from lumbung.local.seed import seed
from lumbung.serving.schema import Finding
from lumbung.systems.pinter_skuy.generate import generate
from support import source_database
from support.source_database import SOURCE
from support.sources import write_headers

PASSWORD = "s3cr%40t"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Nothing of this machine's environment, and no way to the Internet."""
    for name in os.environ:
        if name.startswith(("LUMBUNG_", "AIRFLOW_", "GOOGLE_", "BIGQUERY_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    generate(folder, enrollments=10)
    write_headers(folder / "contracts", "contract_events")
    return folder


@pytest.fixture(scope="module")
def postgres():
    with source_database.running() as server:
        yield server


@pytest.fixture
def find(tmp_path, sources):
    def run(**fields):
        folders = {"data_source": sources, "contract_events_source": sources / "contracts"}
        settings = Settings.of(**{"home": tmp_path / "home", **folders, **fields})
        findings = list(checks(settings))
        text = json.dumps([vars(finding) for finding in findings])
        for secret in (PASSWORD, "s3cr@t", "hooks/T0P"):
            assert secret not in text
        assert all(finding.found and bool(finding.remedy) != finding.ok for finding in findings)
        return {finding.name: finding for finding in findings}

    return run


def bad(findings):
    return {finding.name for finding in findings.values() if not finding.ok}


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_laptop_without_settings_is_in_good_health(find, tmp_path):
    findings = find()
    assert bad(findings) == set()
    assert findings.keys() >= {
        "Python",
        "environment",
        "memory",
        "disk space",
        "home folder",
        "lake",
        "Airflow",
        "port",
    }
    assert "local-bigquery" in findings["local BigQuery server"].found
    assert "nobody" in findings["notification"].found
    assert not (tmp_path / "home").exists(), "it makes nothing"


def test_each_thing_missing_is_reported(find, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "PYTHON", (3, 99))
    monkeypatch.setattr(machine, "MEMORY_GB", 10**6)
    monkeypatch.setattr(machine, "DISK_GB", 10**9)
    monkeypatch.setattr("lumbung.local.bigquery.PYTHON", ROOT / "nowhere" / "python")
    findings = find(data_source=tmp_path / "nothing", home="/proc/lumbung")
    assert bad(findings) == {
        "Python",
        "memory",
        "disk space",
        "home folder",
        "lake",
        "source student.json",
        "source mentor.csv",
        "source course.json",
        "source course_category.csv",
        "seed of PostgreSQL",
        "local BigQuery server",
    }
    assert "LUMBUNG_DATA_SOURCE" in findings["source student.json"].remedy
    assert findings["local BigQuery server"].remedy == "run make install"


def test_a_local_environment_without_extensions_is_reported(find, monkeypatch):
    monkeypatch.setattr("lumbung.local.bigquery.PYTHON", ROOT / ".venv" / "bin" / "python")
    assert "ducklake, icu, spatial" in find()["local BigQuery server"].found


def test_the_port_is_looked_at(find, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AIRFLOW__API__PORT", str(server.getsockname()[1]))
        assert bad(find()) == {"port"}
    monkeypatch.setenv("AIRFLOW__API__PORT", "eighty")
    assert bad(find()) == {"port"}
    monkeypatch.setenv("AIRFLOW__API__PORT", str(closed_port()))
    assert bad(find()) == set()


def test_a_running_airflow_is_reported(find, tmp_path):
    from lumbung.local.processes import Process, write_json

    leader = Process.of(os.getpid()).to_dict()
    write_json(
        tmp_path / "home" / "up.json", {"url": "http://127.0.0.1:8080", "user": "admin", "password": "x", **leader}
    )
    findings = find()
    assert findings["Airflow"].found == "it is up at http://127.0.0.1:8080"
    assert "port" not in findings, "it is in use by that Airflow"
    write_json(tmp_path / "home" / "up.json", {"url": "x", "pid": leader["pid"], "created": 1.0})
    assert find()["Airflow"].found == "it is not up", "that was another process"


def test_an_airflow_elsewhere_is_asked(find):
    findings = find(airflow_url=f"http://admin:{PASSWORD}@127.0.0.1:{closed_port()}")
    assert bad(findings) == {"Airflow"}
    assert "does not answer" in findings["Airflow"].found
    assert "port" not in findings


@pytest.mark.parametrize(
    "url", ["airflow-apiserver:8080", "http://127.0.0.1:8080", f"ftp://admin:{PASSWORD}@host:8080"]
)
def test_an_airflow_url_without_a_login_is_refused(url):
    with pytest.raises(SettingError, match="LUMBUNG_AIRFLOW_URL: must look like") as caught:
        load({"LUMBUNG_AIRFLOW_URL": url})
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        (f"postgresql://reader:{PASSWORD}@127.0.0.1:{{closed}}/shop", "Connection refused"),
        (f"postgresql://reader:{PASSWORD}@no-such-host.invalid/shop", "no such host"),
        (f"postgresql://reader:{PASSWORD}@127.0.0.1:{{port}}/pinter_skuy", "password authentication failed"),
        (
            f"postgresql://127.0.0.1:{{port}}/pinter_skuy?user=reader&password={PASSWORD}",
            "password authentication failed",
        ),
        ("{server}/nothing", 'database "nothing" does not exist'),
        ("{server}/airflow", "there is no such table"),
    ],
)
def test_a_source_database_that_cannot_be_read_is_reported(find, postgres, dsn, expected):
    server = postgres.url("").rstrip("/")
    dsn = dsn.format(closed=closed_port(), port=server.rpartition(":")[2], server=server)
    findings = find(source_dsn=dsn)
    assert bad(findings) == {"source pinter_skuy.course_enrollment"}
    finding = findings["source pinter_skuy.course_enrollment"]
    assert expected in finding.found
    assert finding.remedy


def test_a_source_database_is_read(find, postgres, sources):
    seed(postgres, sources)
    findings = find(source_dsn=postgres.url(SOURCE))
    assert bad(findings) == set()
    finding = findings["source pinter_skuy.course_enrollment"]
    assert "course_enrollment(student_id, course_id) can be read" in finding.found
    password = postgres.url(SOURCE).split(":")[2].split("@")[0]
    assert password not in json.dumps([vars(finding) for finding in findings.values()])
    assert "embedded PostgreSQL" not in findings
    with psycopg.connect(postgres.url(SOURCE)) as connection:
        connection.execute("TRUNCATE course_enrollment, lumbung_seed")
    assert "is empty" in find(source_dsn=postgres.url(SOURCE))["source pinter_skuy.course_enrollment"].found


def test_a_source_s_own_connection_is_read(find, postgres, sources, monkeypatch):
    """It goes before the setting for all sources, and is written as Airflow keeps a connection."""
    seed(postgres, sources)
    own = urlsplit(postgres.url(SOURCE))
    kept = {"host": own.hostname, "port": own.port, "login": own.username, "password": own.password, "schema": SOURCE}
    monkeypatch.setenv("AIRFLOW_CONN_PINTER_SKUY", json.dumps({"conn_type": "postgres", **kept}))
    findings = find(source_dsn=f"postgresql://reader:{PASSWORD}@no-such-host.invalid/shop")
    assert "can be read" in findings["source pinter_skuy.course_enrollment"].found
    assert own.password not in json.dumps([vars(finding) for finding in findings.values()])
    findings = find()
    assert {"embedded PostgreSQL", "source pinter_skuy.course_enrollment"} < findings.keys(), "Airflow's database"
    assert "seed of PostgreSQL" not in findings
    monkeypatch.setenv("AIRFLOW_CONN_PINTER_SKUY", '{"conn_type": "mysql"}')
    finding = find()["source pinter_skuy.course_enrollment"]
    assert "of the type mysql" in finding.found


@pytest.mark.parametrize("password", ["a", "e", "shop", "%20", "a%20b"])
def test_a_short_password_does_not_blot_out_the_words(find, password):
    findings = find(source_dsn=f"postgresql://reader:{password}@127.0.0.1:{closed_port()}/shop")
    finding = findings["source pinter_skuy.course_enrollment"]
    assert finding.found == "127.0.0.1/shop: no connection, Connection refused"
    assert finding.remedy == "start the server, or fix LUMBUNG_SOURCE_DSN's host and port"


def test_a_password_is_hidden_wherever_an_address_may_hold_it(monkeypatch):
    texts = {
        "postgresql://u:a@h/d": "no route to u:a@h or password=a, as a was said",
        "postgresql://h/d?password=s3cr%40t": "s3cr@t and s3cr%40t",
        "host=h password='s3 cr@t'": "s3 cr@t",
        '{"conn_type": "postgres", "password": "s3cr@t"}': "s3cr@t",
        "postgresql://u:s3/cr@t@h/d": "s3/cr@t",  # it is not an address, and a message may quote it
    }
    for address, text in texts.items():
        monkeypatch.setenv("AIRFLOW_CONN_SHOP", address)
        shown = doctor._without_secrets(Finding("x", False, f"{address} {text}", text), Settings.of())
        expected = "no route to u:***@h or password=***, as a was said" if ":a@" in address else text
        if expected == text:
            assert "cr" not in f"{shown.found} {shown.remedy}", address
        else:
            assert (shown.found, shown.remedy) == (f"*** {expected}", expected)


def test_a_server_given_by_address_is_asked(find, bigquery_server):
    assert bad(find(emulator_host=bigquery_server)) == set()
    findings = find(emulator_host=f"http://127.0.0.1:{closed_port()}")
    assert bad(findings) == {"local BigQuery server"}
    assert "BIGQUERY_EMULATOR_HOST" in findings["local BigQuery server"].remedy


def test_a_project_without_credentials_is_reported(find, monkeypatch):
    findings = find(project="my-project")
    assert bad(findings) == {"Google credentials"}
    assert "gcloud auth application-default login" in findings["Google credentials"].remedy
    assert "local BigQuery server" not in findings
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", '{"conn_type": "google_cloud_platform"}')
    findings = find(project="my-project")
    assert bad(findings) == set()
    assert "was not asked" in findings["Google credentials"].found


def test_a_bucket_without_credentials_is_reported(find):
    findings = find(lake_uri="gs://no-such-bucket-of-lumbung/lake")
    assert bad(findings) == {"lake"}
    assert findings["lake"].found.startswith("gs://no-such-bucket-of-lumbung/lake: ")


@pytest.fixture
def service_account(tmp_path, monkeypatch):
    """A key file whose token comes from a server here, so that a project is asked on the BigQuery server here."""
    answers = {"status": 200}

    class Token(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(answers["status"])
            self.end_headers()
            body = {"access_token": "t", "expires_in": 3600} if answers["status"] == 200 else {"error": "invalid_grant"}
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Token)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "key.json"
    account = {
        "type": "service_account",
        "client_email": "daily@my-project.iam.example",
        "_".join(("private", "key")): key.decode(),  # in two words: scanners take it for a secret
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
    }
    file.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    yield answers
    server.shutdown()
    server.server_close()


def test_a_project_is_asked_for_its_data_sets(find, service_account, bigquery_server, monkeypatch):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_server)
    findings = find(project="my-project", dataset_prefix="doctor_")
    assert bad(findings) == set()
    assert findings["Google credentials"].found == "daily@my-project.iam.example"
    assert "my-project" in findings["BigQuery job"].found
    assert "staging" in findings["data sets"].found
    assert "cannot be asked for" in findings["permissions"].found

    options = {"client_options": {"api_endpoint": bigquery_server}, "credentials": AnonymousCredentials()}
    with bigquery.Client(project="my-project", **options) as client:
        staging = bigquery.Dataset("my-project.doctor_staging")
        staging.default_partition_expiration_ms = 60 * 86_400_000
        client.create_dataset(staging)
    findings = find(project="my-project", dataset_prefix="doctor_", location="asia-southeast2")
    assert bad(findings) == {"data set staging"}
    assert "set LUMBUNG_LOCATION to US" in findings["data set staging"].remedy
    assert "60 days" in findings["expiry"].found


def test_credentials_that_google_refuses_are_reported(find, service_account):
    service_account["status"] = 400
    findings = find(project="my-project")
    assert bad(findings) == {"Google credentials"}
    assert "invalid_grant" in findings["Google credentials"].found


def test_what_tweets_need_is_reported_and_only_what_is_set_can_be_missing(find):
    findings = find()
    assert {"spool", "Kafka", "Spark", "X", "search"} <= findings.keys()
    assert "0 files to ship" in findings["spool"].found
    assert "no token" in findings["X"].found
    kafka, server = f"127.0.0.1:{closed_port()}", f"http://127.0.0.1:{closed_port()}"
    findings = find(kafka=kafka, search=server, x_bearer_token=PASSWORD)
    assert bad(findings) == {"Kafka", "tweets"}
    assert f"{kafka} does not answer" in findings["Kafka"].found
    assert server in findings["tweets"].found
    assert "a token is set; US$ 0.000 of 5 spent" in findings["X"].found


def test_the_lag_of_a_kafka_is_reported(find, tweets):
    assert "there is no such topic" in find(kafka=tweets.settings.kafka.servers)["Kafka"].found
    tweets.cluster.ensure_topics()
    tweets.produce(b"one", b"two")
    answer = find(kafka=tweets.settings.kafka.servers, kafka_topic=tweets.topic)["Kafka"].found
    assert answer.endswith(f"topic {tweets.topic}: 2 offsets not landed")


def test_who_is_notified_of_failed_runs(find, monkeypatch):
    webhook = "https://chat.example.com/hooks/T0P"
    notification = find(notify_webhook=webhook, notify_email="data@example.com")["notification"]
    assert notification.ok
    assert "data@example.com, through the connection smtp_default" in notification.found
    assert "a webhook at chat.example.com" in notification.found
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://mail")
    assert "AIRFLOW_CONN_SMTP_DEFAULT" in find(notify_email="data@example.com")["notification"].found


def test_a_check_that_breaks_is_a_finding_without_secrets(find, monkeypatch):
    def broken(settings):
        yield Finding("first", True, "fine")
        raise RuntimeError(f"no route to {settings.source_dsn.get_secret_value()} or s3cr@t\nTraceback")

    monkeypatch.setattr(machine, "python", broken)
    monkeypatch.setattr(machine, "memory", lambda _: [Finding("third", True, "fine")])
    monkeypatch.setattr(doctor, "CHECKS", [("second", "machine", "python"), ("third", "machine", "memory")])
    findings = find(source_dsn=f"postgresql://reader:{PASSWORD}@db/shop")
    assert list(findings) == ["first", "second", "third"]
    assert findings["second"].found == "the check broke (RuntimeError: no route to *** or ***)"
    assert not findings["second"].ok


def test_a_check_that_cannot_be_imported_is_a_finding(find, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", [("gone", "nowhere", "check"), ("Python", "machine", "python")])
    findings = find()
    assert "ModuleNotFoundError" in findings["gone"].found
    assert findings["Python"].ok
