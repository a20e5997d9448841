"""Passwords and keys stay where they were given: no log, manifest, audit row, table or message holds one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from lumbung.local.postgres import Postgres
from support import stream, x_server
from support.source_database import SOURCE

Make = Callable[..., Any]
DAY = "2026-11-10"
# With characters that an address must have encoded: both spellings are looked for.
DSN, OTHER_DSN, HOOK, AIRFLOW = "geheim/dsn@1", "geheim/dsn@2", "geheim-hook-1", "geheim-airflow-1"
KAFKA, SEARCH, API_KEY, TOKEN = "geheim/kafka@1", "geheim/search@1", "geheim-api-key-1", "geheim-x-token-1"
SECRETS = (DSN, OTHER_DSN, HOOK, AIRFLOW, KAFKA, SEARCH, API_KEY, TOKEN)
ELSEWHERE = {
    "LUMBUNG_KAFKA": "127.0.0.1:9",
    "LUMBUNG_SEARCH": "http://127.0.0.1:9",
    "LUMBUNG_KIBANA": "http://127.0.0.1:9",
}
SIGNED_IN = {
    "LUMBUNG_KAFKA_USERNAME": "lumbung",
    "LUMBUNG_KAFKA_PASSWORD": KAFKA,
    "LUMBUNG_SEARCH_USERNAME": "lumbung",
    "LUMBUNG_SEARCH_PASSWORD": SEARCH,
    "LUMBUNG_X_BEARER_TOKEN": TOKEN,
    "LUMBUNG_NOTIFY_WEBHOOK": f"http://127.0.0.1:9/{HOOK}",
}


def spellings(secret: str) -> set[bytes]:
    """How a secret may be written."""
    return {secret.encode(), quote(secret, safe="").encode(), quote(secret).encode(), json.dumps(secret)[1:-1].encode()}


def leaks(where: str, content: bytes) -> list[str]:
    return [
        f"{where} holds {secret}" for secret in SECRETS if any(spelling in content for spelling in spellings(secret))
    ]


@pytest.fixture(scope="module")
def home(make_home: Make, source_server: Postgres) -> Iterator[Any]:
    """A home whose source asks for a password, and what all of its commands said, by command."""
    with source_server.connect(SOURCE) as connection:
        connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{DSN}'")
        connection.execute("CREATE TABLE course_enrollment (student_id text, course_id text)")
        connection.execute("INSERT INTO course_enrollment VALUES ('s1', 'c1'), ('s2', 'c1')")
        connection.execute("GRANT SELECT ON course_enrollment TO reader")
    port = source_server.url(SOURCE).rpartition(":")[2]
    home = make_home(environ=SIGNED_IN)
    home.dsn = lambda password: f"postgresql://reader:{quote(password, safe='')}@127.0.0.1:{port}"
    yield home
    with source_server.connect(SOURCE) as connection:
        connection.execute("DROP TABLE course_enrollment; DROP ROLE reader")


def leaks_of(home: Any, *arguments: str, fails: bool, **environ: str) -> list[str]:
    """What leaks from the words of a command, also with its traceback."""
    done = home.call(*arguments, **environ)
    assert (done.returncode != 0) == fails, f"{arguments}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return leaks(" ".join(arguments), (done.stdout + done.stderr).encode())


def test_secrets_are_nowhere_after_good_and_failed_commands(home: Any, kafka: stream.Broker) -> None:
    leaked = leaks_of(home, "run", "--day", DAY, fails=False, LUMBUNG_SOURCE_DSN=home.dsn(DSN))
    # The server refuses, the table is missing, the host does not exist, the address is not one; the hook is away.
    for dsn in (home.dsn(OTHER_DSN), home.dsn(DSN).replace(f"/{SOURCE}", "/postgres")):
        leaked += leaks_of(home, "--debug", "run", "--day", "2026-11-11", fails=True, LUMBUNG_SOURCE_DSN=dsn)
    for dsn in (f"mysql://u:{DSN}@h/d", f"postgresql://u:{DSN}@h:port/d"):
        leaked += leaks_of(home, "run", "--day", "2026-11-11", fails=True, LUMBUNG_SOURCE_DSN=dsn)
    by_key = {"LUMBUNG_SEARCH_USERNAME": "", "LUMBUNG_SEARCH_PASSWORD": "", "LUMBUNG_SEARCH_API_KEY": API_KEY}
    for signed_in in ({}, by_key):  # it asks PostgreSQL, Kafka, X and the search server
        away = {"LUMBUNG_SOURCE_DSN": home.dsn(OTHER_DSN), **ELSEWHERE, **signed_in}
        leaked += leaks_of(home, "--debug", "doctor", fails=True, **away)
    leaked += leaks_of(home, "backfill", DAY, DAY, fails=True, LUMBUNG_AIRFLOW_URL=f"http://u:{AIRFLOW}@127.0.0.1:9")
    with x_server.running() as x:
        leaked += leaks_of(home, "--debug", "tweets", "collect", "--source", "x", fails=True, LUMBUNG_X_URL=x.url)
    leaked += leaks_of(home, "--debug", "tweets", "ship", fails=True, **ELSEWHERE)
    safe = {
        "LUMBUNG_KAFKA": f"127.0.0.1:{kafka.safe_port}",
        "LUMBUNG_KAFKA_CA": str(kafka.ca),
    }  # it refuses the password
    leaked += leaks_of(home, "--debug", "tweets", "ship", fails=True, **safe)
    leaked += leaks_of(home, "tweets", "status", fails=False, **ELSEWHERE)
    audit = json.dumps(home.query("SELECT * FROM ops.run_audit"))
    assert "extract.course_enrollment" in audit
    assert "failed: " in audit
    leaked += leaks("ops.run_audit", audit.encode())
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    for folder in ("logs", "lake", "airflow", "bigquery"):
        assert any(path.is_relative_to(home.folder / folder) for path in files), folder
    for path in files:
        leaked += leaks(str(path.relative_to(home.folder)), path.read_bytes())
    assert not leaked


def test_a_leak_would_be_found(tmp_path: Path) -> None:
    for secret in SECRETS:
        for written in spellings(secret):
            assert leaks("a log", b"password=" + written + b"\n")
