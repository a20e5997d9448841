"""Homes that are copied or moved, most of them with their servers running."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumbung.core.settings import Settings
from lumbung.local import place, processes, services
from lumbung.local.airflow_stack import end_leftovers
from lumbung.local.bigquery import BigQuery
from lumbung.local.postgres import Postgres
from lumbung.local.processes import Process
from support.source_database import SOURCE, enrollments

SEED = "course_id,student_id\nc1,s1\nc1,s1\nc2,\n"
CFG = "[core]\nplugins_folder = {}/airflow/plugins\n"


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    # Not in pytest's own folder, which other users may not enter; PostgreSQL is another user where root runs the tests.
    with tempfile.TemporaryDirectory(prefix="lumbung place ") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "data").mkdir()
        (Path(folder) / "data/course_enrollment.csv").write_text(SEED)
        yield Path(folder)


def settings_of(root: Path, name: str) -> Settings:
    return Settings.of(home=root / name, data_source=root / "data")


def copy(home: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", home, target], check=True)


def servers(home: Path) -> list[Process | None]:
    return [BigQuery(home).process(), Postgres(home).process()]


@pytest.mark.parametrize("has_record", [True, False], ids=["recorded", "older"])
def test_a_copy_has_servers_of_its_own(root: Path, has_record: bool) -> None:
    original, copied = (settings_of(root, f"{name} {has_record}") for name in ("original", "copy"))
    with services.running(original) as addresses:
        if not has_record:  # as a commit before the record left it
            (original.home / "place.json").unlink()
            (original.home / "airflow").mkdir(exist_ok=True)
            (original.home / "airflow/airflow.cfg").write_text(CFG.format(original.home))
        running = servers(original.home)
        copy(original.home, copied.home)
        assert services.in_use(copied) is False, "which would stop what the copy's files name"
        with services.running(copied) as others:
            assert {others.emulator_host, *others.connections.values()}.isdisjoint(
                {addresses.emulator_host, *addresses.connections.values()}
            )
            with Postgres(copied.home).connect(SOURCE) as connection:
                connection.execute("DELETE FROM course_enrollment")
        assert servers(original.home) == running
        assert servers(copied.home) == [None, None]
        assert enrollments(Postgres(original.home).url(SOURCE)) == [("s1", "c1"), ("s1", "c1"), (None, "c2")]
        assert json.loads((copied.home / "place.json").read_text()) == {"home": str(copied.home)}


def test_a_home_that_is_moved_while_its_servers_run_goes_on_with_new_ones(root: Path) -> None:
    old, new = settings_of(root, "old"), settings_of(root, "new")
    with services.running(old):
        leaders = servers(old.home)
        old.home.rename(new.home)
        with services.running(new):
            assert not any(leader.is_alive for leader in leaders if leader)
            assert len(enrollments(Postgres(new.home).url(SOURCE))) == 3
            assert None not in servers(new.home)
    assert services.in_use(new) is False, "which stops what the command that began on the old path could not"
    assert servers(new.home) == [None, None]


def test_a_copy_s_files_end_no_process_of_the_original(tmp_path: Path) -> None:
    """Neither the Airflow of an `up` nor a single run."""
    original, copied = tmp_path / "original", tmp_path / "copy"
    place.settle(original)
    sleeper = processes.start(["sleep", "60"], env=os.environ, log=tmp_path / "log")
    leader = Process.of(sleeper.pid).to_dict()
    run = {"dag_id": "enrollment", "run_id": "manual", **leader}
    (original / "airflow/runs").mkdir(parents=True)
    processes.write_json(original / "airflow/stack.json", {"scheduler": leader, "api-server": leader})
    processes.write_json(original / "airflow/runs/1.json", run)
    processes.write_json(original / "up.json", {"url": "http://127.0.0.1:8080", **leader})
    copy(original, copied)
    place.settle(copied)
    end_leftovers(copied)
    forgotten = processes.read_json(copied / "airflow/runs/1.json")
    processes.end_sessions([Process(forgotten["pid"], forgotten["created"])], grace=0)
    assert processes.read_json(copied / "up.json") == {"url": "http://127.0.0.1:8080", **leader, "created": 0}
    assert sleeper.poll() is None
    place.settle(original)
    end_leftovers(original)
    assert sleeper.wait(timeout=10) != 0


def test_a_second_path_of_a_home_is_no_copy(tmp_path: Path) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    place.settle(home)
    processes.write_json(home / "bigquery.json", {"port": 1, "pid": 2, "created": 3.0})
    link.symlink_to(home)
    place.settle(link)
    assert processes.read_json(home / "bigquery.json")["created"] == 3.0
