import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from lumbung.core.errors import LumbungError, SourceError
from lumbung.core.settings import Settings
from lumbung.local import bigquery
from lumbung.local import services as parts
from lumbung.local.bigquery import BigQuery
from lumbung.local.postgres import Postgres

SEED = "course_id,student_id\nc1,s1\nc1,s1\nc2,\n"
HOLD = """
import sys, time
from pathlib import Path
from lumbung.local import services as parts
from lumbung.core.settings import Settings
with parts.running(Settings.of(home=Path(sys.argv[1]), data_source=Path(sys.argv[2]))):
    print("running", flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def template() -> Iterator[Settings]:
    """A home whose path has spaces and is too long for a Unix socket, with databases that are made and seeded.

    Not in pytest's own folder: every pytest that starts closes that one to other users, and PostgreSQL is another user
    where the tests run as root.
    """
    with tempfile.TemporaryDirectory(prefix="lumbung parts ") as folder:
        data = Path(folder, "data")
        data.mkdir()
        (data / "course_enrollment.csv").write_text(SEED)
        settings = Settings.of(home=Path(folder, ("a long home " * 9).strip()), data_source=data)
        with parts.running(settings):
            pass
        yield settings


@pytest.fixture
def settings(template: Settings) -> Iterator[Settings]:
    """A home and a data source of the test's own: making the databases takes longest."""
    with tempfile.TemporaryDirectory(prefix="lumbung parts ") as folder:
        home, data = Path(folder, template.home.name), Path(folder, template.data_source.name)
        home.mkdir()
        # The warehouse is made anew: it does not let itself be moved.
        for path, to in ((template.home / "postgres", home), (template.data_source, data)):
            subprocess.run(["cp", "-a", path, to], check=True)
        yield Settings.of(home=home, data_source=data)


def hold(settings: Settings) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(settings.home), str(settings.data_source)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "running\n"
    return process


def servers(settings: Settings) -> set[int]:
    """The processes that name the home on their command line: the servers' own, not their children."""
    found = set()
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if process.info["status"] != "zombie" and any(
            argument in (str(settings.home / "postgres"), str(settings.home / "bigquery")) for argument in line
        ):
            found.add(process.pid)
    return found


def enrollments(dsn: str) -> list[tuple[str | None, str | None]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT student_id, course_id FROM course_enrollment ORDER BY 2, 1").fetchall()


def test_parts_work_while_running_and_are_gone_after(settings: Settings) -> None:
    shutil.rmtree(settings.home)
    with parts.running(settings) as running:
        assert len(servers(settings)) == 2
        assert enrollments(running.source_dsn) == [("s1", "c1"), ("s1", "c1"), (None, "c2")]
        assert requests.get(f"{running.emulator_host}/bigquery/v2/projects/local/datasets", timeout=5).ok
        with psycopg.connect(running.metadata_url.replace("+psycopg2", "")) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("airflow",)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(running.source_dsn, password="guess")
    assert not servers(settings)


def test_servers_stay_until_the_last_command_of_a_home_ends(settings: Settings) -> None:
    other = hold(settings)
    before = servers(settings)
    with parts.running(settings) as running:
        assert servers(settings) == before
        other.send_signal(signal.SIGTERM)
        assert other.wait(60) == 128 + signal.SIGTERM
        assert servers(settings) == before
        assert enrollments(running.source_dsn)
    assert len(before) == 2
    assert not servers(settings)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_stops_its_servers(settings: Settings, number: signal.Signals) -> None:
    command = hold(settings)
    command.send_signal(number)
    command.wait(60)
    assert not servers(settings)


def test_a_killed_commands_servers_are_used_and_stopped_by_the_next(settings: Settings) -> None:
    command = hold(settings)
    command.kill()
    command.wait()
    left = servers(settings)
    assert len(left) == 2
    with parts.running(settings):
        assert servers(settings) == left
    assert not servers(settings)


def test_a_killed_server_is_started_again(settings: Settings) -> None:
    with parts.running(settings):
        pids = servers(settings)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        with parts.running(settings) as again:
            assert enrollments(again.source_dsn)
            assert requests.get(f"{again.emulator_host}/bigquery/v2/projects/local/datasets", timeout=5).ok
            assert not servers(settings) & pids
    assert not servers(settings)


def test_a_number_that_another_process_got_is_not_taken_for_the_server(settings: Settings) -> None:
    mine = psutil.Process()
    server = BigQuery(settings.home)
    bigquery.processes.write_json(server.pid_file, {"port": 1, "pid": mine.pid, "created": mine.create_time() - 100})
    (settings.home / "postgres" / "postmaster.pid").write_text(f"{mine.pid}\n/elsewhere\n{time.time() - 9999:.0f}\n")
    assert server.process() is None
    server.stop()  # else it would end this test
    postgres = Postgres(settings.home)
    assert postgres.process() is None
    postgres.start()
    assert len(servers(settings)) == 1
    postgres.stop()


def test_the_seed_is_loaded_again_when_it_changed(settings: Settings) -> None:
    with parts.running(settings) as running, psycopg.connect(running.source_dsn) as connection:
        connection.execute("INSERT INTO course_enrollment VALUES ('mine', 'c9')")
    with parts.running(settings) as running:
        assert ("mine", "c9") in enrollments(running.source_dsn)
    (settings.data_source / "course_enrollment.csv").write_text("student_id,course_id\ns7,c7\n")
    with parts.running(settings) as running:
        assert enrollments(running.source_dsn) == [("s7", "c7")]


def test_a_bad_seed_is_refused_and_what_was_loaded_stays(settings: Settings) -> None:
    seed = settings.data_source / "course_enrollment.csv"
    postgres = Postgres(settings.home)
    postgres.start()
    try:
        postgres.seed(seed)
        for content, message in [
            ("student,course\na,b\n", "line 1: the header is student,course"),
            ("", "line 1: the header is missing"),
            ("student_id,course_id\na,b\nc,d,e\n", "line 3"),
            ("student_id,course_id\na,\xff\n", "line 2"),
        ]:
            seed.write_bytes(content.encode("latin-1"))
            with pytest.raises(SourceError, match=message) as refused:
                postgres.seed(seed)
            assert str(seed) in str(refused.value)
        seed.unlink()
        with pytest.raises(SourceError, match="LUMBUNG_DATA_SOURCE"):
            postgres.seed(seed)
        assert len(enrollments(postgres.url("pinter_skuy"))) == 3
    finally:
        postgres.stop()


def test_a_source_of_ones_own_needs_no_embedded_postgres(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = "postgresql://reader:secret@db.example.com/source"
    ours = Settings.of(home=settings.home, source_dsn=dsn, emulator_host="http://127.0.0.1:9050")
    with parts.running(ours) as running:
        assert running == parts.Parts(dsn, "http://127.0.0.1:9050", f"sqlite:///{ours.home}/airflow/airflow.db")
        assert not servers(ours)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://mine")
    with parts.running(ours) as running:
        assert running.metadata_url == "postgresql+psycopg2://mine"


def test_a_server_that_does_not_start_says_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = settings.data_source / "broken.py"
    broken.write_text("raise SystemExit('no space left for tables')")
    monkeypatch.setattr(bigquery, "SERVER", broken)
    with pytest.raises(LumbungError, match=r"bigquery\.log: (?s:.)*no space left for tables"), parts.running(settings):
        pass
    monkeypatch.setattr(bigquery, "PYTHON", Path("/nowhere/python"))
    with pytest.raises(LumbungError, match="Run make install"), parts.running(settings):
        pass
    assert not servers(settings)
