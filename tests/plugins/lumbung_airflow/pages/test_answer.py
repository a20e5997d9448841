"""The process that makes an answer: what it prints, and how it gets to the warehouse."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lumbung.catalogue import entries
from lumbung.pipeline import operations
from lumbung_airflow.pages import answer, answers
from support.pipeline import PipelineHarness

AWAY = "http://127.0.0.1:1"


def ask(name: str, options: dict[str, object], **environ: str) -> tuple[dict[str, object], str]:
    """The header and the body that the process prints."""
    plain = {
        key: value for key, value in answers.environ("run").items() if not key.startswith(("LUMBUNG_", "BIGQUERY_"))
    }
    command = [*answers.COMMAND, name, json.dumps(options), ""]
    done = subprocess.run(command, env={**plain, **environ}, capture_output=True, text=True, check=True)
    header, _, body = done.stdout.partition("\n")
    return json.loads(header), body


def of(harness: PipelineHarness) -> dict[str, str]:
    """The settings of a harness, as variables."""
    settings = harness.settings
    return {
        "LUMBUNG_LAKE_URI": settings.lake_uri,
        "LUMBUNG_DATASET_PREFIX": settings.dataset_prefix,
        "BIGQUERY_EMULATOR_HOST": settings.emulator_host or "",
    }


def test_what_is_missing_is_said_with_its_remedy(harness: PipelineHarness) -> None:
    header, body = ask("report", {"raw": False, "live": True}, **of(harness))
    assert (header["problem"]["what"], body) == ("nothing is published yet", "")
    assert "run a day" in header["problem"]["remedy"]
    header, _ = ask("report", {"raw": False, "live": True}, LUMBUNG_LAKE="typo")
    remedy = "did you mean LUMBUNG_LAKE_URI?"
    assert header["problem"] == {
        "what": "no such setting",
        "where": "LUMBUNG_LAKE",
        "remedy": remedy,
        "is_unknown": False,
    }


def test_what_a_page_is_made_from_names_every_record_it_shows(harness: PipelineHarness) -> None:
    assert answer.AUDIT_DAYS == entries.DAYS
    place = answer.Place(harness.settings, harness.lake)
    days = [f"2026-11-{day:02}" for day in range(1, 31)]
    for day in days:
        harness.lake.write(f"audit/dt={day}/first/build.json", b"{}")
    run = {"raw": False, "dag_id": "enrollment", "run_id": "first", "day": days[0], "state": "success"}
    asked = [("catalogue", {"address": ""}), ("run", {**run, "started_at": None, "ended_at": None})]

    def signatures() -> list[str]:
        return [answer.MAKERS[name].signature(place, **options) for name, options in asked]

    known = [signatures()]
    harness.lake.write(f"audit/dt={days[0]}/first/build.json", b'{"note": "tried again"}')
    known.append(signatures())
    harness.lake.write(f"audit/dt={days[0]}/backfill/build.json", b"{}")
    known.append(signatures())
    assert [len(set(each)) for each in zip(*known, strict=True)] == [3, 3]
    assert signatures() == known[-1]


def test_a_warehouse_that_is_away_is_named(harness: PipelineHarness) -> None:
    header, _ = ask("report", {"raw": False, "live": True}, **{**of(harness), "BIGQUERY_EMULATOR_HOST": AWAY})
    assert header["problem"]["what"].startswith(f"{AWAY} does not answer")
    assert header["problem"]["remedy"] == "see that it runs, then run again"


def test_the_catalogue_has_figures_or_is_not_made(harness: PipelineHarness) -> None:
    done = harness.take(date(2026, 11, 9))
    operations.load_audit(done.run)
    operations.load_freshness(done.run)
    away = {**of(harness), "BIGQUERY_EMULATOR_HOST": AWAY}
    for name, options in (("catalogue", {"address": "dwh.dim_student"}), ("catalogue_data", {})):
        header, _ = ask(name, options, **away)
        assert header["problem"]["what"].startswith(f"{AWAY} does not answer")
        header, body = ask(name, options, **of(harness))
        assert header["signature"]
        assert ("Tanpa angka" not in body) if name == "catalogue" else (json.loads(body)["absent"] == "")


def test_where_the_machine_has_no_credentials_those_of_airflow_s_connection_are_used(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "client_email": "pages@my-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://127.0.0.1:1/token",
    } | dict(private_key=key.decode())  # noqa: C408 - made for this test; its name in quotes looks like a stored secret
    connection = {"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": json.dumps(account)}}
    script = (
        "from lumbung_airflow.pages import answer; from lumbung.core import settings;"
        "place = answer.Place(settings.load(), None); print(place.warehouse.client._credentials.service_account_email)"
    )
    environ = {
        **answers.environ("report"),
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path),
        "NO_GCE_CHECK": "true",
        "LUMBUNG_PROJECT": "my-project",
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(connection),
    }
    environ.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
    environ.pop("BIGQUERY_EMULATOR_HOST", None)
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [account["client_email"]], done.stderr[-2000:]
