"""A home is moved and copied: its answers stay, its days go on, and a copy leaves the original alone."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

Make = Callable[..., "Home"]  # noqa: F821 - tests/system/conftest.py
DAYS = "2026-11-10", "2026-11-11"
SUMMARY = "SELECT * FROM datamart.course_enrollment_summary ORDER BY student_id, course_id"
DAILY = "SELECT DISTINCT snapshot_date FROM datamart.course_enrollment_daily ORDER BY 1"


@pytest.fixture(scope="module")
def home(make_home: Make):
    made = make_home()
    made.run("run", "--day", DAYS[0])
    return made


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """The size and the time of each file."""
    return {
        str(file.relative_to(folder)): (file.stat().st_size, file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_moved_home_and_its_copy_answer_and_go_on(home) -> None:
    with home.warehouse():
        answers, summary = home.json("answers", "--json"), home.query(SUMMARY)
    copied = replace(home, folder=home.folder.with_name("copy"))
    moved = replace(home, folder=home.folder.with_name("dt=2020-01-01") / "moved")
    subprocess.run(["cp", "-a", home.folder, copied.folder], check=True)
    original = contents(home.folder)

    def check(place) -> None:
        assert json.loads(place.run("answers", "--json")) == answers
        assert place.query(SUMMARY) == summary
        place.run("run", "--day", DAYS[1])
        with place.warehouse():
            assert place.json("answers", "--json") == {**answers, "day": DAYS[1]}
            assert [row["snapshot_date"] for row in place.query(DAILY)] == list(DAYS)
        assert place.processes() == []

    check(copied)
    assert contents(home.folder) == original
    shutil.rmtree(copied.folder)
    moved.folder.parent.mkdir()
    home.folder.rename(moved.folder)
    check(moved)
    assert not home.folder.exists()
