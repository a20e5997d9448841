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

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.local import bigquery, processes, services
from lumbung.local.bigquery import BigQuery
from lumbung.local.postgres import Postgres
from support.source_database import SOURCE, enrollments

SEED = "course_id,student_id\nc1,s1\nc1,s1\nc2,\n"
HOLD = """
import sys, time
from pathlib import Path
from lumbung.local import services
from lumbung.core.settings import Settings
with services.running(Settings.of(home=Path(sys.argv[1]), data_source=Path(sys.argv[2]))):
    print("running", flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def template() -> Iterator[Settings]:
    """A home whose path has spaces and is too long for a Unix socket, with databases that are made and seeded.

    Not in pytest's own folder: every pytest that starts closes that one to other users, and PostgreSQL is another user
    where the tests run as root.
    """
    with tempfile.TemporaryDirectory(prefix="lumbung services ") as folder:
        data = Path(folder, "data")
        data.mkdir()
        (data / "course_enrollment.csv").write_text(SEED)
        settings = Settings.of(home=Path(folder, ("a long home " * 9).strip()), data_source=data)
        with services.running(settings):
            pass
        yield settings


@pytest.fixture
def settings(template: Settings) -> Iterator[Settings]:
    """A home and a data source of the test's own: making the databases takes longest."""
    with tempfile.TemporaryDirectory(prefix="lumbung services ") as folder:
        home, data = Path(folder, template.home.name), Path(folder, template.data_source.name)
        home.mkdir()
        # Without the warehouse's data, which these tests do not need.
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
    pids = set()
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if process.info["status"] != "zombie" and any(
            argument in (str(settings.home / "postgres"), str(settings.home / "bigquery")) for argument in line
        ):
            pids.add(process.pid)
    return pids


def test_services_work_while_running_and_are_gone_after(settings: Settings) -> None:
    shutil.rmtree(settings.home)
    with services.running(settings) as running:
        assert len(servers(settings)) == 2
        assert enrollments(running.connections[SOURCE]) == [("s1", "c1"), ("s1", "c1"), (None, "c2")]
        assert requests.get(f"{running.emulator_host}/bigquery/v2/projects/local/datasets", timeout=5).ok
        with psycopg.connect(running.metadata_url.replace("+psycopg2", "")) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("airflow",)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(running.connections[SOURCE], password="guess")
    assert not servers(settings)


def test_servers_stay_until_the_last_command_of_a_home_ends(settings: Settings) -> None:
    other = hold(settings)
    before = servers(settings)
    with services.running(settings) as running:
        assert servers(settings) == before
        other.send_signal(signal.SIGTERM)
        assert other.wait(60) == 128 + signal.SIGTERM
        assert servers(settings) == before
        assert enrollments(running.connections[SOURCE])
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
    with services.running(settings):
        assert servers(settings) == left
    assert not servers(settings)


def test_a_killed_server_is_started_again(settings: Settings) -> None:
    with services.running(settings):
        pids = servers(settings)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        with services.running(settings) as again:
            assert enrollments(again.connections[SOURCE])
            assert requests.get(f"{again.emulator_host}/bigquery/v2/projects/local/datasets", timeout=5).ok
            assert not servers(settings) & pids
    assert not servers(settings)


def test_a_server_of_another_user_is_known_where_its_folder_may_not_be_seen(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root in a container meets it: the capability to trace is not among those that it has there."""

    def denied(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "cwd", denied)
    with services.running(settings):
        server = Postgres(settings.home).process()
        with services.running(settings):
            assert Postgres(settings.home).process() == server is not None
        (settings.home / "postgres" / "postmaster.pid").rename(settings.home / "elsewhere")
        (settings.home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
        assert Postgres(settings.home).process() is None
        (settings.home / "elsewhere").rename(settings.home / "postgres" / "postmaster.pid")
    assert not servers(settings)


def test_a_number_that_another_process_got_is_not_taken_for_the_server(settings: Settings) -> None:
    mine = psutil.Process()
    server = BigQuery(settings.home)
    processes.write_json(server.pid_file, {"port": 1, "pid": mine.pid, "created": mine.create_time() - 100})
    (settings.home / "postgres" / "postmaster.pid").write_text(f"{mine.pid}\n/elsewhere\n{time.time() - 9999:.0f}\n")
    assert server.process() is None
    server.stop()  # else it would end this test
    postgres = Postgres(settings.home)
    assert postgres.process() is None
    postgres.start()
    assert len(servers(settings)) == 1
    postgres.stop()


def test_a_source_of_ones_own_needs_no_embedded_postgres(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = "postgresql://reader:secret@db.example.com/source"
    ours = Settings.of(home=settings.home, source_dsn=dsn, emulator_host="http://127.0.0.1:9050")
    with services.running(ours) as running:
        assert running == services.Services(
            {SOURCE: dsn}, "http://127.0.0.1:9050", f"sqlite:///{ours.home}/airflow/airflow.db"
        )
        assert not servers(ours)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://mine")
    with services.running(ours) as running:
        assert running.metadata_url == "postgresql+psycopg2://mine"


def test_a_connection_of_a_source_s_own_is_not_seeded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "postgresql://reader:secret@db.example.com:1,db2.example.com:2/source"
    monkeypatch.setenv("AIRFLOW_CONN_PINTER_SKUY", own)
    (settings.data_source / "course_enrollment.csv").unlink()
    ours = settings.replace(emulator_host="http://127.0.0.1:9050")
    with services.running(ours) as running:
        assert running.connections == {SOURCE: own}
        assert "postgresql+psycopg2://" in running.metadata_url, "Airflow's database is here"


def test_a_server_that_does_not_start_says_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    package = settings.data_source / "bigquery"
    package.mkdir()
    (package / "server.py").write_text("raise SystemExit('no space left for tables')")
    monkeypatch.setattr(bigquery, "PYTHONPATH", str(settings.data_source))
    with (
        pytest.raises(LumbungError, match=r"bigquery\.log: (?s:.)*no space left for tables"),
        services.running(settings),
    ):
        pass
    monkeypatch.setattr(bigquery, "PYTHON", Path("/nowhere/python"))
    with pytest.raises(LumbungError, match="Run make install"), services.running(settings):
        pass
    assert not servers(settings)
